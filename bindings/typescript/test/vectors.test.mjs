/** The conformance cases of tests/vectors, through the public surface: the same for every language. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { inspect } from "node:util";

import * as sdk from "../index.mjs";
import { API_KEY, data, endpoint, management, SDK_TOKEN } from "./support/clients.mjs";
import { answer, chunk, chunkedHead, Double, FIN, LAST_CHUNK, RST } from "./support/double.mjs";

const { DataClient, InferenceKeyError, ManagementClient } = sdk;
const VECTORS = new URL("../../../tests/vectors/", import.meta.url);

/** One test for each case of a file. */
function cases(file, run) {
  const rows = JSON.parse(readFileSync(new URL(file, VECTORS), "utf-8"));
  describe(file, { concurrency: 8 }, () => {
    for (const row of rows) test(row.name, () => run(row));
  });
}

function bodyOf(body) {
  if (typeof body !== "object" || body === null) return Buffer.from(body ?? "");
  if ("hex" in body) return Buffer.from(body.hex, "hex");
  return Buffer.concat(Array(body.times).fill(bodyOf(body.repeat)));
}

const camel = (name) => name.replaceAll(/_([a-z0-9])/g, (_, letter) => letter.toUpperCase());
/** Of a path of the core the first name is TypeScript's, if it is an argument's. */
const fieldOf = (field) => field.replace(/^[a-z0-9_]+/, (name) => (ARGUMENTS.has(name) ? camel(name) : name));

/** The names in a text of the core, in backticks there; a text may be one name. */
const textOf = (text) =>
  text
    .replace(/^[a-z0-9_.[\]]+$/, fieldOf)
    .replaceAll(/`([^`\s]+)`/g, (_, path) => `\`${path === "cold_start" ? "coldStartMs" : fieldOf(path)}\``);

const MANAGED = [
  "vllm_version",
  "task_type",
  "execution_policy",
  "execution_policy_config",
  "worker_id",
  "gpu_resource_id",
];
const ARGUMENTS = new Set([
  ...MANAGED,
  ...["api_key", "base_url", "batch_size", "encoding_format", "max_hourly_cost_usd", "max_tokens", "on_drift"],
  ...["on_truncated", "sdk_token", "timeout_ms", "workload_slug", "wait_until_ready", "generate_text"],
]);

const camelKeys = (object) => Object.fromEntries(Object.entries(object).map(([key, value]) => [camel(key), value]));

/** A spec of TypeScript; null is unset. */
function specOf(fields) {
  const set = Object.entries(fields).filter(([, value]) => value !== null);
  return Object.fromEntries(set.map(([key, value]) => [MANAGED.includes(key) ? camel(key) : key, value]));
}

/** The call's result; or undefined, once its error was compared with the case's. */
async function outcome(row, call, words = textOf) {
  if (row.error === undefined) return call();
  let error;
  try {
    await call();
  } catch (thrown) {
    error = thrown;
  }
  compare(error, row.error, words);
  return undefined;
}

/** `words` makes TypeScript's text of the case's. */
function compare(error, expected, words) {
  assert.ok(error instanceof InferenceKeyError, `${error?.stack ?? error}`);
  assert.equal(error.constructor, sdk[expected.class], `${error}`);
  assert.equal(error.name, expected.class);
  assert.equal(error.code, expected.code);
  if ("field" in expected) assert.equal(error.field ?? null, expected.field && words(expected.field));
  for (const [name, value] of Object.entries(expected.attributes ?? {})) {
    const found = error[camel(name)] ?? null;
    const wanted = name === "hint" && value !== null ? words(value) : value;
    assert.deepEqual(name === "partial" ? found && { text: found.text } : found, wanted, name);
  }
  // Of a server's words nothing is put into others.
  const said = error.status === undefined ? words : (text) => text;
  for (const text of expected.contains ?? []) {
    assert.ok(error.message.includes(said(text)), `${text} in ${error.message}`);
  }
  for (const text of expected.lacks ?? []) assert.ok(!error.message.includes(text), error.message);
  const everything = `${error} ${inspect(error, { depth: 9 })} ${JSON.stringify(error)}`;
  for (const text of expected.never ?? []) assert.ok(!everything.includes(text), text);
  if ("hint" in expected) assert.ok(error.hint?.includes(words(expected.hint)), error.hint);
}

cases("slugs.json", async (row) => {
  const error = row.error && { ...row.error, field: "workload_slug" };
  const client = new DataClient({ baseUrl: "http://127.0.0.1:1", project: "acme", apiKey: API_KEY });
  const found = await outcome({ ...row, error }, () => client.endpoint(row.input).workloadSlug);
  assert.equal(found, row.canonical);
});

cases("base_urls.json", async (row) => {
  const options = { baseUrl: row.base_url, sdkToken: SDK_TOKEN, allowHttp: row.allow_http ?? false };
  const client = await outcome(row, () => new ManagementClient(options));
  if (client) assert.ok(inspect(client).includes(`${row.canonical} `));
});

cases("no_proxy.json", async (row) => {
  // Of this process; nothing is awaited in between.
  const before = { ...process.env };
  process.env.ALL_PROXY = "socks5://127.0.0.1:1";
  process.env.NO_PROXY = row.no_proxy;
  let direct = true;
  try {
    new ManagementClient({ baseUrl: row.base_url, sdkToken: SDK_TOKEN, allowHttp: true });
  } catch (error) {
    assert.ok(error instanceof sdk.ConfigurationError);
    direct = false;
  } finally {
    for (const name of ["ALL_PROXY", "NO_PROXY"]) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
  assert.equal(direct, row.direct);
});

cases("specs.json", async (row) => {
  const double = await Double.start(() => answer([]));
  const mgmt = management(double, { sdkToken: row.sdk_token ?? "ik_sdk_own" });
  const plan = await outcome(row, () => mgmt.plan(specOf(row.spec)));
  assert.equal(double.requests.length, plan === undefined ? 0 : 1);
});

cases("spec_files.json", async (row) => {
  const folder = await mkdtemp(join(tmpdir(), "ikey-"));
  try {
    const file = join(folder, `deploy.${row.format}`);
    await writeFile(file, row.text ?? Buffer.from(row.hex, "hex"));
    const environment = row.environment ?? {};
    const read = () =>
      row.slug === undefined
        ? sdk.specsFromFile(file, { environment })
        : sdk.specFromFile(file, { slug: row.slug, environment }).then((spec) => [spec]);
    // Errors name the file as the caller does (here by its whole path), and its keys as they stand in it.
    const specs = await outcome(row, read, (text) => text);
    if (row.specs) assert.deepEqual(specs, row.specs.map(specOf));
  } finally {
    await rm(folder, { recursive: true });
  }
});

cases("errors.json", async (row) => {
  const double = await Double.start(() => answer(bodyOf(row.body), row.status, row.headers));
  const operation = row.plane === "control" ? "list" : "generate_text";
  const error = await outcome(row, () => {
    const token = row.token;
    if (row.plane === "control") return management(double, { retries: 0, ...(token && { sdkToken: token }) }).list();
    const own = { retries: 0, coldStartMs: 0, ...(token && { apiKey: token }) };
    return endpoint(double, own).generateText({ prompt: "Hi" });
  }).catch((thrown) => thrown);
  assert.equal(error, undefined);
  const caught = await (row.plane === "control"
    ? management(double, { retries: 0 }).list()
    : endpoint(double, { retries: 0, coldStartMs: 0 }).generateText({ prompt: "Hi" })
  ).catch((thrown) => thrown);
  for (const part of [operation, String(row.status), `127.0.0.1:${double.port}`]) {
    assert.ok(caught.message.includes(part), caught.message);
  }
  assert.deepEqual([caught.operation, caught.status, caught.attempts], [operation, row.status, 1]);
  assert.ok(Buffer.byteLength(caught.message) <= 2048);
});

cases("redaction.json", async (row) => {
  if (row.token === "") return; // An empty token cannot be given from outside.
  const double = await Double.start(() => answer(row.text, 500, { "content-type": "text/plain" }));
  const call = row.token.startsWith("ik_live_")
    ? endpoint(double, { retries: 0, apiKey: row.token }).generateText({ prompt: "Hi" })
    : management(double, { retries: 0, sdkToken: row.token }).list();
  const error = await call.catch((thrown) => thrown);
  assert.equal(error.body, row.masked);
});

const usageOf = (row) => {
  if (!row.usage) return undefined;
  const told = Object.entries(row.usage).filter(([, value]) => value !== null);
  return camelKeys(Object.fromEntries(told));
};

cases("chat.json", async (row) => {
  const double = await Double.start(() => answer(bodyOf(row.body)));
  const result = await outcome(row, () => endpoint(double).generateText({ prompt: "Hi" }));
  if (!result) return;
  assert.deepEqual([result.text, result.model, result.finishReason ?? null], [row.text, row.model, row.finish_reason]);
  assert.deepEqual(result.raw, JSON.parse(bodyOf(row.body)));
  assert.deepEqual(result.usage, usageOf(row));
});

cases("embeddings.json", async (row) => {
  const double = await Double.start(() => answer(bodyOf(row.body)));
  const result = await outcome(row, () => endpoint(double).embed({ input: row.input }));
  if (!result) return;
  assert.equal(result.model, row.model);
  assert.equal(result.embeddings.length, row.embeddings.length);
  result.embeddings.forEach((found, index) => {
    assert.deepEqual(
      Buffer.from(Float64Array.from(found).buffer),
      Buffer.from(Float64Array.from(row.embeddings[index]).buffer),
    );
  });
  assert.deepEqual(result.usage, usageOf(row));
});

cases("lists.json", async (row) => {
  let page = 0;
  const double = await Double.start(() => answer(bodyOf(row.pages[page++])));
  const found = await outcome(row, () => management(double).get(row.slug));
  assert.deepEqual(found?.raw, row.workload);
  if (row.queries) {
    const path = "/api/projects/acme/workloads";
    assert.deepEqual(
      double.requests.map(({ target }) => target),
      row.queries.map((query) => (query ? `${path}?${query}` : path)),
    );
  }
});

/** JavaScript's numbers cannot hold these, so no caller can give them. */
const BEYOND = /^integers are exact beyond/;

cases("plans.json", async (row) => {
  if (BEYOND.test(row.name)) return;
  const double = await Double.start(({ method }) =>
    answer(method === "GET" ? (row.live ? [row.live] : []) : { id: "wl_1", slug: "s1" }),
  );
  const mgmt = management(double);
  const { max_hourly_cost_usd: ceiling, ...expected } = row.plan;
  const plan = await mgmt.plan(specOf(row.spec));
  for (const [name, value] of Object.entries(expected)) {
    const wanted = JSON.parse(JSON.stringify(value));
    assert.deepEqual(JSON.parse(JSON.stringify(plan[camel(name)])), wanted, name);
  }
  if (ceiling) {
    assert.equal(plan.maxHourlyCostUsd ?? null, ceiling.after);
    assert.equal(plan.maxHourlyCostUsdBefore ?? null, ceiling.before);
  }
  if ("patch" in row) {
    assert.equal((await mgmt.ensure(specOf(row.spec))).changed, true);
    assert.deepEqual(double.requests.at(-1).json(), row.patch);
  }
});

cases("plan_texts.json", (row) => {
  const plan = new sdk.Plan({ base: null, ...row.plan });
  assert.deepEqual(String(plan).split("\n"), row.text);
});

cases("exports.json", async (row) => {
  const double = await Double.start(() => answer([row.live]));
  const mgmt = management(double, { sdkToken: "ik_sdk_own" });
  const spec = await outcome(row, () => mgmt.export("s1"));
  assert.deepEqual((await mgmt.get("s1")).spec, spec);
  if (!spec) return;
  assert.deepEqual(spec, specOf(row.spec));
  assert.equal((await mgmt.plan(spec)).action, "unchanged");
});

/** A platform that grants everything. */
function goodPlatform({ method, target, json }, live) {
  if (target.endsWith("/readiness-events")) {
    return [chunkedHead(), chunk('data: {"phase":"ready"}\n\n'), LAST_CHUNK];
  }
  if (method === "GET") return answer(live);
  if (method === "DELETE") return answer("", 204);
  const body = json();
  if (target.endsWith("/embeddings")) return answer({ data: [...body.input].map(() => ({ embedding: [1.0] })) });
  if (body.stream) return [chunkedHead(), chunk("data: [DONE]\n\n"), LAST_CHUNK];
  if (target.endsWith("/completions")) return answer({ choices: [{ message: { content: "Hello" } }] });
  return answer({ id: "wl_new", slug: body.slug ?? "s1" }, 201);
}

/** The call of a case with its arguments: the first ones by place, the others as options. */
async function called(owner, operation, request) {
  const { spec, workload_slug: slug, ...options } = camelKeysOf(request);
  const name = camel(operation);
  if (operation === "generate_text_stream") {
    const chunks = [];
    for await (const one of owner.generateTextStream(options)) chunks.push(one);
    return chunks;
  }
  if (operation === "wait_until_ready") return owner[name](slug, { silent: true, ...options });
  if (spec !== undefined) return owner[name](specOf(spec), options);
  if (slug !== undefined) return owner[name](slug, options);
  return owner[name](options);
}

const camelKeysOf = ({ spec, workload_slug, ...others }) => ({ spec, workload_slug, ...camelKeys(others) });

cases("requests.json", async (row) => {
  const double = await Double.start((request) => goodPlatform(request, row.live ?? []));
  const owner = row.workload_slug === undefined ? management(double) : data(double).endpoint(row.workload_slug);
  await outcome(row, () => called(owner, row.operation, row.request));
  assert.deepEqual(
    double.requests.map(({ method, target }) => `${method} ${target}`),
    row.sent.map(({ request }) => request),
  );
  double.requests.forEach((request, index) => {
    assert.deepEqual(request.json(), row.sent[index].body ?? null);
  });
});

function split(body, every) {
  const size = every ?? (body.length || 1);
  return Array.from({ length: Math.ceil(body.length / size) }, (_, n) => body.subarray(n * size, (n + 1) * size));
}

for (const [how, every] of [
  ["whole", undefined],
  ["byte by byte", 1],
  ["by sevens", 7],
]) {
  describe(how, () => cases("sse.json", (row) => stream(row, every)));
}

async function stream(row, every) {
  const media = "content_type" in row ? row.content_type : "text/event-stream";
  const end = row.cut ? FIN : LAST_CHUNK;
  const double = await Double.start(() => [chunkedHead(media), ...split(bodyOf(row.body), every).map(chunk), end]);
  const chunks = [];
  const options = row.on_truncated === undefined ? {} : { onTruncated: row.on_truncated };
  const read = endpoint(double).generateTextStream({ prompt: "Hi", ...options });
  await outcome(row, async () => {
    for await (const one of read) chunks.push(one);
    assert.deepEqual(read.usage, usageOf(row));
    assert.ok(read.timing.totalMs >= 0);
  });
  const expected = row.chunks ?? [];
  assert.deepEqual(
    chunks.map(({ text, finishReason }) => ({ text, finish_reason: finishReason ?? null })),
    expected.map(({ text, finish_reason }) => ({ text, finish_reason })),
  );
  chunks.forEach((one, index) => {
    if ("raw" in expected[index]) assert.deepEqual(one.raw, expected[index].raw);
  });
}

const CALLS = {
  list: (double) => management(double).list(),
  generate_text: (double) => endpoint(double, { coldStartMs: 0 }).generateText({ prompt: "Hi" }),
  generate_text_stream: (double) => endpoint(double, { coldStartMs: 0 }).generateTextStream({ prompt: "Hi" }).next(),
  embed: (double) => endpoint(double, { coldStartMs: 0 }).embed({ input: "Hi" }),
};

function faulty(fault) {
  if (fault === "reset") return [RST];
  if (fault === "cut") return [answer("{}")[0].subarray(0, -1), FIN];
  const { status, retry_after: times = [] } = fault.status;
  return answer("", status, { "retry-after": times });
}

cases("retry.json", async (row) => {
  if (row.fault === "refused") {
    const error = await CALLS[row.call]({ url: "http://127.0.0.1:1" }).catch((thrown) => thrown);
    assert.equal(error.attempts, row.sends);
    return;
  }
  const double = await Double.start(() => faulty(row.fault));
  await assert.rejects(CALLS[row.call](double), InferenceKeyError);
  assert.equal(double.requests.length, row.sends);
});
