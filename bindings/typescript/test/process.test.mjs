/** What the SDK does to its process: what keeps it alive, what blocks it, how it ends, what it costs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { run, start } from "./support/child.mjs";
import { API_KEY } from "./support/clients.mjs";
import { answer, chunkedHead, DONE, Double, frame, HANG, LAST_CHUNK } from "./support/double.mjs";

const completion = () => answer({ model: "m", choices: [{ message: { content: "Hi" }, finish_reason: "stop" }] });
const endless = () => [chunkedHead(), ...Array.from({ length: 2000 }, () => [frame("x"), 5]).flat()];
const ENDPOINT = `const bot = new sdk.DataClient({ baseUrl: url, project: "acme", apiKey: "${API_KEY}" }).endpoint("bot");\n`;

test("an idle client and an open stream that nobody reads keep no process alive", async () => {
  const double = await Double.start(({ json }) => (json().stream ? endless() : completion()));
  const source = `${ENDPOINT}
    console.log((await bot.generateText({ prompt: "Hi" })).text);
    const stream = bot.generateTextStream({ prompt: "Hi" });
    console.log((await stream.next()).value.text);
    globalThis.kept = stream;`;
  assert.deepEqual(await run(source, double.url), { code: 0, signal: null, out: "Hi\nx\n", err: "" });
});

test("a call that is awaited keeps the process alive", async () => {
  const double = await Double.start(() => [300, ...completion()]);
  const source = `${ENDPOINT} bot.generateText({ prompt: "Hi" }).then(({ text }) => console.log(text));`;
  assert.deepEqual(await run(source, double.url), { code: 0, signal: null, out: "Hi\n", err: "" });
});

test("process.exit with calls and streams on their way is clean", async () => {
  const double = await Double.start(({ json }) => (json().stream ? endless() : [HANG]));
  const source = `${ENDPOINT}
    for (let n = 0; n < 20; n++) bot.generateText({ prompt: "Hi" });
    for (let n = 0; n < 20; n++) await bot.generateTextStream({ prompt: "Hi" }).next();
    process.exit(7);`;
  for (let n = 0; n < 3; n++) {
    assert.deepEqual(await run(source, double.url), { code: 7, signal: null, out: "", err: "" });
  }
});

test("an uncaught failure ends the process with its class and hint to be read", async () => {
  const source = `${ENDPOINT} await bot.generateText({ prompt: "Hi", maxTokens: 0.5 });`;
  const { code, err } = await run(source, "http://127.0.0.1:1");
  assert.equal(code, 1);
  assert.match(err, /ValidationError: generate_text: /);
  assert.ok(!err.includes("9f9f9f"));
});

test("a stream that is forgotten is ended on the wire", async () => {
  const double = await Double.start(endless);
  const source = `${ENDPOINT}
    await (async () => { await bot.generateTextStream({ prompt: "Hi" }).next(); })();
    for (let n = 0; n < 40; n++) { gc(); await new Promise((resolve) => setTimeout(resolve, 20)); }
    console.log("alive");
    setTimeout(() => {}, 100);`;
  const { ended, seen } = start(source, double.url, ["--expose-gc"]);
  await double.untilClosed();
  assert.equal(seen.out, "", "it was the collector, not the end of the process");
  assert.equal((await ended).code, 0);
});

test("worker threads have ports of their own, and end in the middle of streams", async () => {
  const double = await Double.start(({ json }) => (json().stream ? endless() : completion()));
  const source = `
    import { Worker } from "node:worker_threads";
    const program = \`
      const sdk = require(\${JSON.stringify(${JSON.stringify(new URL("../dist/index.js", import.meta.url).pathname)})});
      const { parentPort } = require("node:worker_threads");
      const bot = new sdk.DataClient({ baseUrl: \${JSON.stringify(url)}, project: "acme", apiKey: "${API_KEY}" }).endpoint("bot");
      (async () => {
        const { text } = await bot.generateText({ prompt: "Hi" });
        for await (const chunk of bot.generateTextStream({ prompt: "Hi" })) { parentPort.postMessage(text + chunk.text); break; }
        bot.generateTextStream({ prompt: "Hi" });
        const open = bot.generateTextStream({ prompt: "Hi" });
        await open.next();
        parentPort.postMessage("open");
        for await (const _ of open);
      })();\`;
    for (let n = 0; n < 5; n++) {
      const workers = Array.from({ length: 4 }, () => new Worker(program, { eval: true, execArgv: [] }));
      await Promise.all(workers.map(async (worker) => {
        await new Promise((resolve, reject) => {
          worker.on("error", reject);
          worker.on("message", (text) => { if (text === "open") resolve(); });
        });
        await worker.terminate();
      }));
    }
    console.log("done");`;
  assert.deepEqual(await run(source, double.url), { code: 0, signal: null, out: "done\n", err: "" });
});

test("64 calls and a busy stream do not block the event loop", async () => {
  // Nothing is answered before the loop has said that it turns.
  let turns = false;
  let release;
  const released = new Promise((resolve) => (release = resolve));
  function* busy() {
    yield chunkedHead();
    while (!turns) yield* [frame("x"), 1];
    yield* [DONE, LAST_CHUNK];
  }
  const double = await Double.start(async ({ target, json }) => {
    if (target === "/turns") {
      turns = true;
      release();
      return answer({});
    }
    if (json().stream) return busy();
    await released;
    return completion();
  });
  const source = `${ENDPOINT}
    const stream = bot.generateTextStream({ prompt: "Hi" });
    await stream.next();
    const read = async () => { for await (const _ of stream); };
    const calls = [read(), ...Array.from({ length: 64 }, () => bot.generateText({ prompt: "Hi" }))];
    for (let n = 0; n < 20; n++) await new Promise((resolve) => setTimeout(resolve));
    await fetch(url + "/turns");
    await Promise.all(calls);
    console.log("done");`;
  assert.deepEqual(await run(source, double.url), { code: 0, signal: null, out: "done\n", err: "" });
});

test("ten thousand calls and a thousand streams leave memory as it was", { timeout: 120_000 }, async () => {
  const double = await Double.start(({ json }) =>
    json().stream ? [Buffer.concat([chunkedHead(), frame("x"), frame("", "stop"), DONE, LAST_CHUNK])] : completion(),
  );
  double.forgets = true;
  const source = `${ENDPOINT}
    const round = async (calls) => {
      for (let n = 0; n < calls; n += 20) {
        await Promise.all(Array.from({ length: 20 }, () => bot.generateText({ prompt: "Hi" })));
        for await (const _ of bot.generateTextStream({ prompt: "Hi" }));
        for await (const _ of bot.generateTextStream({ prompt: "Hi" })) break;
      }
      gc();
      await new Promise((resolve) => setTimeout(resolve, 50));
      gc();
      return process.memoryUsage();
    };
    const seen = [await round(2000), await round(5000), await round(5000)];
    console.log(JSON.stringify(seen.map(({ heapUsed, rss }) => [heapUsed, rss])));`;
  // V8 widens its nursery while it is busy, by as much as a leak would take: here it may not.
  const { out, code, err } = await run(source, double.url, ["--expose-gc", "--max-semi-space-size=1"]);
  assert.equal(code, 0, err);
  const [first, second, third] = JSON.parse(out);
  // A leak grows in each round; what the collector and the allocator keep for later does not.
  const grew = [0, 1].map((which) => Math.min(second[which] - first[which], third[which] - second[which]));
  assert.ok(grew[0] < 100_000, `the heap grew by ${grew[0]} in each round`);
  assert.ok(grew[1] < 3_000_000, `the process grew by ${grew[1]} in each round`);
});
