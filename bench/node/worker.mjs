/**
 * The process in which one client for Node.js is measured: what `worker.py` is for Python.
 *
 *     node bench/node/worker.mjs CLIENT ORIGIN
 *
 * Reads `OPERATION SECONDS LANES` from its standard input and answers each line with one of JSON.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const now = process.hrtime.bigint;
const INPUTS = Array(2048).fill("x");
const PROMPT = "word ".repeat(Math.floor((4 << 20) / 5));
const SHORT_STREAMS = 230;

const [name, origin] = process.argv.slice(2);
const { client } = await import(`./${name}.mjs`);
const side = client(origin);

async function timed(times, work) {
  const begin = now();
  const result = await work();
  times.push(Number(now() - begin));
  return result;
}

/** Answer for the chunks of a stream; those without a text do not count. */
function ofTexts(texts) {
  return `${texts.filter(Boolean).length} chunks, ${texts.join("").length} characters`;
}

const OPERATIONS = {
  chat: (times) => timed(times, () => side.chat("x")),
  prompt: (times) => timed(times, () => side.chat(PROMPT)),
  async stream(times) {
    const texts = [];
    const begin = now();
    await side.read("long", (text) => texts.push(text));
    times.push(Math.floor(Number(now() - begin) / texts.length));
    return ofTexts(texts);
  },
  async first(times) {
    const begin = now();
    let first = "";
    await side.read("short", (text) => {
      if (first !== "" || text === "") return;
      times.push(Number(now() - begin));
      first = text;
    });
    return first;
  },
  async "short-streams"(times) {
    const texts = [];
    await timed(times, async () => {
      for (let n = 0; n < SHORT_STREAMS; n++) await side.read("short", (text) => texts.push(text));
    });
    return ofTexts(texts);
  },
  async paced(times) {
    let count = 0;
    await side.read("paced", (text) => {
      const received = now();
      if (text === "") return;
      times.push(Number(received - BigInt(text)));
      count += 1;
    });
    return `${count} chunks`;
  },
  async lists(times, slug) {
    let rows;
    const total = await timed(times, async () => {
      rows = await side.lists(slug, INPUTS);
      let total = 0;
      for (const row of rows) for (const number of row) total += number;
      return total;
    });
    const count = rows.reduce((sum, row) => sum + row.length, 0);
    return `${count} numbers, sum ${total.toFixed(6)}`;
  },
};

function memory(field) {
  const line = readFileSync("/proc/self/status", "utf-8").split("\n").find((one) => one.startsWith(field));
  return Number(line.split(/\s+/)[1]) * 1024;
}

function median(values) {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function lane(operation, slug, end) {
  const times = [];
  for (let calls = 1; ; calls++) {
    const answer = await operation(times, slug);
    if (now() >= end) return { calls, times, answer };
  }
}

async function run(words, seconds, lanes) {
  const [verb, slug] = words.split(":");
  const operation = OPERATIONS[verb];
  if (operation === undefined || (verb === "lists" && slug === "base64")) return { skipped: "has no such call" };
  writeFileSync("/proc/self/clear_refs", "5"); // From here on counts the peak.
  const resident = memory("VmRSS:");
  const cpu = process.cpuUsage();
  const begin = now();
  const end = begin + BigInt(Math.round(seconds * 1e9));
  const done = await Promise.all(Array.from({ length: lanes }, () => lane(operation, slug, end)));
  const wall = Number(now() - begin);
  const { user, system } = process.cpuUsage(cpu);
  return {
    calls: done.reduce((sum, { calls }) => sum + calls, 0),
    wall_ns: wall,
    cpu_ns: (user + system) * 1000,
    p50_ns: Math.round(median(done.flatMap(({ times }) => times))),
    peak_bytes: Math.max(0, memory("VmHWM:") - resident),
    answer: done[0].answer,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [operation, seconds, lanes] = line.split(" ");
  console.log(JSON.stringify(await run(operation, Number(seconds), Number(lanes))));
}
process.exit(0);
