/** What a caller may do who does not mean well, or does not think: each ends in an error that helps, and shows no token. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import net from "node:net";
import { after, test } from "node:test";
import { format, inspect } from "node:util";
import { Worker } from "node:worker_threads";

import * as sdk from "../index.mjs";
import { run } from "./support/child.mjs";
import { API_KEY, data, endpoint, management, rejection, SDK_TOKEN } from "./support/clients.mjs";
import { answer, chunkedHead, DONE, Double, frame, HANG, LAST_CHUNK } from "./support/double.mjs";
import { hosted } from "./support/hosted.mjs";
import "./support/state.mjs";

const { ConnectionFailed, InferenceKeyError, ValidationError } = sdk;
const SPEC = { name: "N", slug: "s", model: "m", backend: "vllm" };
const completion = () => answer({ model: "m", choices: [{ message: { content: "Hi" }, finish_reason: "stop" }] });
const read = async (items) => {
  for await (const _ of items);
};

/** Takes connections, and says nothing: not even what TLS begins with. */
async function silence() {
  const server = net.createServer(() => {});
  const sockets = new Set();
  server.on("connection", (socket) => {
    sockets.add(socket.on("error", () => {}));
    server.emit("taken");
  });
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

/** Every call that goes out, with a signal. */
const CALLS = {
  generateText: ({ url }, signal) => data({ url }).endpoint("b").generateText({ prompt: "x", signal }),
  generateTextStream: ({ url }, signal) =>
    read(data({ url }).endpoint("b").generateTextStream({ prompt: "x", signal })),
  embed: ({ url }, signal) => data({ url }).endpoint("b").embed({ input: "x" }, { signal }),
  map: ({ url }, signal) => read(data({ url }).endpoint("b").map(["a", "b"], { signal })),
  ensure: ({ url }, signal) => management({ url }).ensure(SPEC, { signal }),
  plan: ({ url }, signal) => management({ url }).plan(SPEC, { signal }),
  list: ({ url }, signal) => management({ url }).list({ signal }),
  get: ({ url }, signal) => management({ url }).get("s", { signal }),
  delete: ({ url }, signal) => management({ url }).delete("s", { signal }),
  waitUntilReady: ({ url }, signal) => management({ url }).waitUntilReady("s", { silent: true, signal }),
  readiness: ({ url }, signal) => read(management({ url }).readiness("s", { signal })),
  ephemeral: ({ url }, signal) => management({ url }).ephemeral(SPEC, { silent: true, apiKey: API_KEY, signal }),
};

for (const [stage, start] of Object.entries({
  "while it connects": async () => {
    const server = await silence();
    return { url: `https://127.0.0.1:${server.address().port}`, reached: once(server, "taken") };
  },
  "while it waits for the head": async () => reached(await Double.start(() => [HANG])),
  "in the body": async () => {
    const half = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"a":';
    return reached(await Double.start(() => [Buffer.from(half), HANG]));
  },
  "in a pause before a repeat": async () =>
    reached(await Double.start(() => answer("", 503, { "retry-after": "60", connection: "close" }))),
})) {
  test(`an abort ${stage} ends any call with its reason, and on the wire`, async () => {
    const reason = new Error("mine");
    for (const [name, call] of Object.entries(CALLS)) {
      const double = await start();
      const controller = new AbortController();
      const outcome = call(double, controller.signal).then(
        () => "it resolved",
        (error) => error,
      );
      // What surfaces a long pushback at once has no pause to abort.
      const first = await Promise.race([double.reached.then(() => "reached"), outcome]);
      if (first !== "reached") continue;
      await new Promise(setImmediate);
      controller.abort(reason);
      const error = await outcome;
      if (stage.includes("pause") && error.status === 503) continue;
      assert.equal(error, reason, `${name}: ${error}`);
    }
  });
}

function reached(double) {
  return { url: double.url, reached: double.until(({ requests }) => requests.length > 0) };
}

test("a signal that is aborted already sends nothing, whatever its reason", async () => {
  const double = await Double.start(() => [HANG]);
  for (const reason of [new Error("mine"), "text", 0, { own: true }]) {
    for (const [name, call] of Object.entries(CALLS)) {
      assert.equal(await rejection(call(double, AbortSignal.abort(reason))), reason, name);
    }
  }
  assert.equal((await rejection(CALLS.list(double, AbortSignal.abort()))).name, "AbortError");
  assert.equal(double.connections, 0);
});

test("timeouts and combined signals end calls by their own reasons", async () => {
  const double = await Double.start(() => [HANG]);
  const never = new AbortController().signal;
  for (const signal of [AbortSignal.timeout(20), AbortSignal.any([never, AbortSignal.timeout(20)])]) {
    assert.equal((await rejection(CALLS.generateText(double, signal))).name, "TimeoutError");
  }
});

test("calls that lose a race, and streams that nobody reads, fail without a word", async () => {
  const source = `
    const options = { project: "acme", retries: 0 };
    const bot = new sdk.DataClient({ ...options, baseUrl: url, apiKey: "${API_KEY}" }).endpoint("bot");
    const dead = new sdk.DataClient({ ...options, baseUrl: "http://127.0.0.1:1", apiKey: "${API_KEY}" }).endpoint("bot");
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms, "won"));
    console.log(await Promise.race([bot.generateText({ prompt: "x", timeoutMs: 60 }), pause(20)]));
    dead.generateTextStream({ prompt: "x" });
    dead.generateTextStream({ prompt: 3n });
    dead.map(["a"]);
    new sdk.ManagementClient({ ...options, baseUrl: url, sdkToken: "${SDK_TOKEN}" }).readiness("s");
    const half = dead.generateTextStream({ prompt: "x" });
    half.next().catch(() => {});
    await pause(100);`;
  const double = await Double.start(() => [HANG]);
  assert.deepEqual(await run(source, double.url), { code: 0, signal: null, out: "won\n", err: "" });
});

const throwing = () => {
  throw new Error("mine");
};
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};
const circle = [];
circle.push(circle);

test("strange arguments are refused by name, before anything is sent, and never by a throw in place of a rejection", async () => {
  const double = await Double.start(() => completion());
  const [bot, mgmt] = [endpoint(double), management(double)];
  for (const [call, field] of [
    ...[null, 3, "x", [], () => 1, Symbol("s"), 3n, new Date(), new Map(), revoked()].map((odd) => [
      () => bot.generateText(odd),
      "params",
    ]),
    [
      () =>
        bot.generateText({
          get prompt() {
            return throwing();
          },
        }),
      "params",
    ],
    [() => bot.generateText(new Proxy({}, { ownKeys: throwing })), "params"],
    [() => bot.generateText({ prompt: Symbol("s") }), "prompt"],
    [() => bot.generateText({ prompt: () => "x" }), "prompt"],
    [() => bot.generateText({ messages: [Symbol("s")] }), "messages[0]"],
    [() => bot.generateText({ messages: [{ role: "user", content: 3n }] }), "messages[0].content"],
    [() => bot.generateText({ messages: new Set() }), "messages"],
    [() => bot.generateText({ messages: [undefined] }), "messages[0]"],
    [() => bot.generateText({ messages: circle }), undefined],
    [
      () =>
        bot.generateText({
          messages: [
            {
              role: "user",
              get content() {
                return throwing();
              },
            },
          ],
        }),
      undefined,
    ],
    [() => bot.generateText({ prompt: "x", timeoutMs: NaN }), "timeoutMs"],
    [() => bot.generateText({ prompt: "x", timeoutMs: 3n }), "timeoutMs"],
    [() => bot.generateText({ prompt: "x", signal: {} }), "signal"],
    [() => bot.embed({ input: [1n] }), "input[0]"],
    [() => mgmt.get(Symbol("s")), "workloadSlug"],
    [() => mgmt.delete(3n), "workloadSlug"],
    [() => mgmt.ensure(SPEC, null), "options"],
    [() => mgmt.ensure({ ...SPEC, config: { deep: [{ n: NaN }] } }), "config.deep[0].n"],
    [() => mgmt.ensure({ ...SPEC, executionPolicyConfig: { f: throwing } }), "executionPolicyConfig.f"],
    [() => mgmt.ephemeral(Symbol("s")), "spec"],
    [() => mgmt.ephemeral(SPEC, { maxLifetime: 5 }), "maxLifetime"],
    [() => mgmt.ephemeral(SPEC, { signal: {} }), "signal"],
    [async () => bot.map(["x"], { signal: {} }), "signal"],
    [async () => bot.map(["x"], { onErorr: "raise" }), "onErorr"],
    [() => mgmt.readiness("s", { signal: "now" }).next(), "signal"],
    [() => sdk.specFromFile(Symbol("s")), "path"],
    [() => sdk.specsFromFile(), "path"],
    [async () => new sdk.DataClient({ baseUrl: Symbol("s"), project: "acme" }), "baseUrl"],
    [
      async () =>
        new sdk.ManagementClient({
          get baseUrl() {
            return throwing();
          },
        }),
      "options",
    ],
    [async () => data(double).endpoint("s", { apiKey: 3n }), "apiKey"],
    [async () => bot.map(3n), "prompts"],
  ]) {
    const promise = call();
    assert.ok(promise instanceof Promise, `${call}`);
    const error = await rejection(promise);
    assert.ok(error instanceof ValidationError, `${call}: ${error.stack}`);
    assert.equal(error.field, field, `${call}: ${error.message}`);
    if (/mine|throwing|revoked/.test(`${call}`))
      assert.ok(error.cause instanceof Error || field.endsWith(".f"), `${call}`);
  }
  assert.equal(double.connections, 0);
});

test("plain things in unusual clothes are taken as what they are", async () => {
  const double = await Double.start(() => completion());
  const bot = endpoint(double);
  class Params {
    prompt = "Hi";
  }
  for (const params of [
    new Params(),
    new Proxy({ prompt: "Hi" }, {}),
    Object.freeze({ prompt: "Hi" }),
    Object.assign(Object.create(null), { prompt: "Hi" }),
    { prompt: "Hi", maxTokens: undefined, messages: undefined, [Symbol("s")]: 1 },
    { messages: [{ toJSON: () => ({ role: "user", content: "Hi" }) }] },
  ]) {
    assert.equal((await bot.generateText(params)).text, "Hi");
  }
  assert.ok(double.requests.every(({ json }) => json().messages[0].content === "Hi"));
});

test("nothing that is printed, written or cloned shows a token", async () => {
  const double = await Double.start(({ headers, json }) =>
    json()?.stream
      ? [chunkedHead(), frame("a"), frame("", "stop"), DONE, LAST_CHUNK]
      : answer({ error: { message: `no such key: ${headers.authorization}` } }, 401),
  );
  const [mgmt, client] = [management(double), data(double)];
  const bot = client.endpoint("bot");
  const stream = bot.generateTextStream({ prompt: "x" });
  await stream.next();
  const errors = [await rejection(bot.generateText({ prompt: "x" })), await rejection(mgmt.list())];
  assert.throws(
    () => new sdk.ManagementClient({ baseUrl: double.url, project: "acme", sdkToken: API_KEY }),
    (error) => errors.push(error) > 0,
  );
  for (const shown of [mgmt, client, bot, stream, bot.map([]), ...errors]) {
    const texts = [
      inspect(shown, { depth: 20, showHidden: true, getters: true }),
      format("%s %o %O %j", shown, shown, shown, shown),
      JSON.stringify(shown),
      inspect(structuredClone(shown)),
      inspect(Object.entries(Object.getOwnPropertyDescriptors(shown)), { depth: 20 }),
      `${shown} ${shown.stack}`,
    ];
    for (const text of texts) assert.ok(!text.includes("9f9f9f"), text);
  }
});

test("an error as JSON has its name and message beside its facts", async () => {
  const double = await Double.start(() => answer({ error: { message: "gone" } }, 404));
  const error = await rejection(management(double).get("s"));
  const { name, message, code, status } = JSON.parse(JSON.stringify({ error })).error;
  assert.deepEqual([name, message, code, status], ["NotFound", error.message, "not_found", 404]);
});

test("errors of one module format are those of the other", async () => {
  const cjs = createRequire(import.meta.url)("../dist/index.js");
  const thrown = [
    await rejection(
      new cjs.DataClient({ baseUrl: "http://127.0.0.1:1", project: "a", apiKey: "k", retries: 0 })
        .endpoint("b")
        .generateText({ prompt: "x" }),
    ),
    await rejection(endpoint({ url: "http://127.0.0.1:1" }, { retries: 0 }).generateText({ prompt: "x" })),
  ];
  for (const error of thrown) {
    assert.ok(error instanceof ConnectionFailed && error instanceof cjs.ConnectionFailed);
    assert.ok(error instanceof InferenceKeyError && error instanceof cjs.ApiError && error instanceof Error);
  }
});

test("an error goes from a worker thread to its parent as an error, without a token", async () => {
  const program = `
    const sdk = require(${JSON.stringify(new URL("../dist/index.js", import.meta.url).pathname)});
    const { parentPort } = require("node:worker_threads");
    const bot = new sdk.DataClient({ baseUrl: "http://127.0.0.1:1", project: "a", apiKey: "${API_KEY}", retries: 0 }).endpoint("b");
    bot.generateText({ prompt: "x" }).catch((error) => parentPort.postMessage(error));`;
  const worker = new Worker(program, { eval: true });
  const [error] = await once(worker, "message");
  await worker.terminate();
  assert.ok(error instanceof Error);
  assert.match(error.message, /connection refused/);
  assert.ok(!inspect(error).includes("9f9f9f"));
});

test("`await using` and `using` end clients, streams and maps", async () => {
  const { double } = await hosted();
  for (const make of [() => management(double), () => data(double)]) {
    for (const end of ["dispose", "asyncDispose"]) {
      const client = make();
      await client[Symbol[end]]();
      await client[Symbol[end]]();
      const call = client instanceof sdk.DataClient ? async () => client.endpoint("s") : () => client.list();
      assert.equal((await rejection(call())).code, "client_closed");
    }
  }
  const bot = endpoint(double);
  for (const items of [bot.generateTextStream({ prompt: "x" }), bot.map(["x"]), management(double).readiness("s")]) {
    await items[Symbol.asyncDispose]?.();
    assert.equal((await items.next()).done, items[Symbol.asyncDispose] !== undefined);
    await items.return();
  }
});
