/** Calls as TypeScript users expect them: promises, signals, iterators, errors. The journal of the double is the oracle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";

import {
  ApiError,
  Cancelled,
  ConfigurationError,
  ConnectionFailed,
  InferenceKeyError,
  ManagementClient,
  RateLimited,
  StreamStalled,
  StreamTruncated,
  Timeout,
  ValidationError,
} from "../index.mjs";
import { API_KEY, data, endpoint, management, rejection, SDK_TOKEN } from "./support/clients.mjs";
import { answer, chunkedHead, DONE, Double, FIN, frame, HANG, LAST_CHUNK, RST } from "./support/double.mjs";

const completion = (text) => answer({ model: "m", choices: [{ message: { content: text }, finish_reason: "stop" }] });
const whole = (...texts) => [chunkedHead(), ...texts.map((text) => frame(text)), frame("", "stop"), DONE, LAST_CHUNK];
/** A stream that goes on for ever. */
const endless = () => [chunkedHead(), ...Array.from({ length: 400 }, (_, n) => [frame(`${n} `), 5]).flat()];

test("a signal that is aborted already sends nothing", async () => {
  const double = await Double.start(() => completion("Hi"));
  const reason = new Error("mine");
  const signal = AbortSignal.abort(reason);
  assert.equal(await rejection(endpoint(double).generateText({ prompt: "Hi", signal })), reason);
  assert.equal(await rejection(endpoint(double).embed({ input: "Hi" }, { signal })), reason);
  assert.equal(await rejection(endpoint(double).generateTextStream({ prompt: "Hi", signal }).next()), reason);
  assert.equal(await rejection(management(double).list({ signal })), reason);
  assert.equal(await rejection(management(double).waitUntilReady("bot", { signal, silent: true })), reason);
  assert.equal(double.requests.length, 0);
});

test("an abort while a call waits rejects with the reason, and ends it on the wire", async () => {
  const double = await Double.start(() => [HANG]);
  for (const call of [
    (signal) => endpoint(double).generateText({ prompt: "Hi", signal }),
    (signal) => endpoint(double).generateTextStream({ prompt: "Hi" }, { signal }).next(),
    (signal) => management(double).get("bot", { signal }),
    (signal) => management(double).waitUntilReady("bot", { signal, silent: true }),
  ]) {
    const { requests, closed } = { requests: double.requests.length, closed: double.closed };
    const controller = new AbortController();
    const pending = rejection(call(controller.signal));
    await double.until(() => double.requests.length > requests);
    controller.abort();
    assert.equal((await pending).name, "AbortError");
    await double.untilClosed(closed + 1);
  }
});

test("an abort in the middle of a stream ends it on the wire", async () => {
  const double = await Double.start(endless);
  const controller = new AbortController();
  const stream = endpoint(double).generateTextStream({ prompt: "Hi", signal: controller.signal });
  assert.equal((await stream.next()).value.text, "0 ");
  controller.abort();
  const seen = [];
  const error = await rejection(
    (async () => {
      for await (const { text } of stream) seen.push(text);
    })(),
  );
  assert.equal(error.name, "AbortError");
  await double.untilClosed();
  assert.deepEqual(await stream.next(), { value: undefined, done: true });
});

test("nothing is given after an abort, not even what had arrived", async () => {
  const double = await Double.start(() => [
    Buffer.concat([chunkedHead(), ...Array.from({ length: 50 }, (_, n) => frame(`${n}`))]),
    HANG,
  ]);
  const controller = new AbortController();
  const stream = endpoint(double).generateTextStream({ prompt: "Hi", signal: controller.signal });
  await stream.next();
  controller.abort(new Error("enough"));
  assert.equal((await rejection(stream.next())).message, "enough");
  assert.deepEqual(await stream.next(), { value: undefined, done: true });
});

test("an abort after the end changes nothing, and leaves no listener behind", async () => {
  const double = await Double.start(() => completion("Hi"));
  const controller = new AbortController();
  const bot = endpoint(double);
  // Node warns of the eleventh listener of a signal.
  const warned = [];
  process.on("warning", (warning) => warned.push(warning));
  for (let n = 0; n < 20; n++)
    assert.equal((await bot.generateText({ prompt: "Hi", signal: controller.signal })).text, "Hi");
  controller.abort();
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(warned, []);
});

test("a stream is opened by the call, not by the first read", async () => {
  const double = await Double.start(() => whole("a", "b"));
  const stream = endpoint(double).generateTextStream({ prompt: "Hi" });
  await double.until(({ requests }) => requests.length === 1);
  const texts = [];
  for await (const { text } of stream) texts.push(text);
  assert.deepEqual(texts, ["a", "b", ""]);
  assert.deepEqual(await stream.next(), { value: undefined, done: true });
});

test("breaking out, return, throw, close and dispose end a stream on the wire", async () => {
  const ends = [
    async (stream) => {
      for await (const _ of stream) break;
    },
    async (stream) => assert.deepEqual(await stream.return(), { value: undefined, done: true }),
    async (stream) => assert.equal((await rejection(stream.throw(new Error("mine")))).message, "mine"),
    async (stream) => stream.close(),
    async (stream) => stream[Symbol.asyncDispose](),
    async (stream) => {
      const failed = (async () => {
        for await (const _ of stream) throw new Error("in the loop");
      })();
      assert.equal((await rejection(failed)).message, "in the loop");
    },
  ];
  for (const end of ends) {
    const double = await Double.start(endless);
    const stream = endpoint(double).generateTextStream({ prompt: "Hi" });
    await double.until(({ requests }) => requests.length === 1);
    await end(stream);
    await double.untilClosed();
    assert.deepEqual(await stream.next(), { value: undefined, done: true });
  }
});

test("reads of a stream that overlap take their turns", async () => {
  const double = await Double.start(() => [
    chunkedHead(),
    frame("a"),
    20,
    frame("b"),
    20,
    frame("c", "stop"),
    DONE,
    LAST_CHUNK,
  ]);
  const stream = endpoint(double).generateTextStream({ prompt: "Hi" });
  const read = await Promise.all([stream.next(), stream.next(), stream.next(), stream.next()]);
  assert.deepEqual(
    read.map(({ value }) => value?.text),
    ["a", "b", "c", undefined],
  );
});

test("a stream that nobody reads ends no process, and tells its failure when it is read", async () => {
  const double = await Double.start(() => answer({ error: { message: "no" } }, 400));
  const stream = endpoint(double).generateTextStream({ prompt: "Hi" });
  await double.until(({ requests }) => requests.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok((await rejection(stream.next())) instanceof ValidationError);
  const wrong = endpoint(double).generateTextStream({ prompt: "Hi", maxTokens: -1 });
  assert.equal((await rejection(wrong.next())).field, "maxTokens");
});

test("faults of a stream come after its chunks, with the text so far", async () => {
  for (const [last, kind] of [
    [FIN, StreamTruncated],
    [RST, StreamTruncated],
    [LAST_CHUNK, StreamTruncated],
  ]) {
    const double = await Double.start(() => [chunkedHead(), frame("a"), frame("b"), 20, last]);
    const stream = endpoint(double).generateTextStream({ prompt: "Hi" });
    const texts = [];
    const error = await rejection(
      (async () => {
        for await (const { text } of stream) texts.push(text);
      })(),
    );
    assert.ok(error instanceof kind && error instanceof ApiError);
    assert.deepEqual([texts, error.partial.text], [["a", "b"], "ab"]);
    assert.deepEqual(
      error.partial.chunks.map(({ text }) => text),
      ["a", "b"],
    );
  }
});

test("a stream that stalls, and a call that takes too long, tell which clock ran out", async () => {
  const double = await Double.start(({ json }) => (json().stream ? [chunkedHead(), frame("a"), HANG] : [HANG]));
  const stream = endpoint(double).generateTextStream({ prompt: "Hi", timeouts: { idleMs: 60 } });
  await stream.next();
  const stalled = await rejection(stream.next());
  assert.ok(stalled instanceof StreamStalled);
  assert.deepEqual([stalled.kind, stalled.partial.text], ["idle", "a"]);
  const slow = await rejection(endpoint(double).generateText({ prompt: "Hi", timeoutMs: 60 }));
  assert.ok(slow instanceof Timeout && !(slow instanceof StreamStalled));
  assert.deepEqual([slow.kind, slow.code], ["total", "timeout_total"]);
});

test("a slow reader stops the sender", async () => {
  const text = "x".repeat(16384);
  let sent = 0;
  const double = await Double.start(async () => [chunkedHead(), ...Array.from({ length: 4000 }, () => frame(text))]);
  const stream = endpoint(double).generateTextStream({ prompt: "Hi" });
  await stream.next();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const before = process.memoryUsage().rss;
  for await (const chunk of stream) {
    sent += chunk.text.length;
    if (sent > 40 * text.length) break;
  }
  assert.ok(process.memoryUsage().rss - before < 40 * 1024 * 1024);
  await double.untilClosed();
});

test("errors have their class, their facts and no token", async () => {
  const double = await Double.start(() =>
    answer({ error: { code: "slow_down", message: `no ${SDK_TOKEN}` } }, 429, {
      "retry-after": "900",
      "x-request-id": "r1",
    }),
  );
  const error = await rejection(management(double).list());
  assert.ok(
    error instanceof RateLimited &&
      error instanceof ApiError &&
      error instanceof InferenceKeyError &&
      error instanceof Error,
  );
  assert.deepEqual(
    [
      error.name,
      error.code,
      error.apiCode,
      error.status,
      error.requestId,
      error.retryable,
      error.retryAfter,
      error.attempts,
    ],
    ["RateLimited", "rate_limited", "slow_down", 429, "r1", true, 900, 1],
  );
  assert.ok(!inspect(error, { depth: 9 }).includes(SDK_TOKEN));
  assert.match(error.stack, /^RateLimited: list: /);
  const refused = await rejection(management({ url: "http://127.0.0.1:1" }, { retries: 0 }).list());
  assert.ok(refused instanceof ConnectionFailed);
  assert.equal(refused.status, undefined);
});

test("what a caller writes wrong is refused by its name, and nothing is sent", async () => {
  const double = await Double.start(() => completion("Hi"));
  const bot = endpoint(double);
  const mgmt = management(double);
  const spec = { name: "N", slug: "s", model: "m", backend: "vllm" };
  const circle = {};
  circle.self = circle;
  for (const [call, field] of [
    [() => bot.generateText({ promt: "Hi" }), "promt"],
    [() => bot.generateText({ prompt: "Hi", max_tokens: 3 }), "max_tokens"],
    [() => bot.generateText({ prompt: "Hi", maxTokens: 1.5 }), "maxTokens"],
    [() => bot.generateText({ prompt: "Hi", temperature: NaN }), "temperature"],
    [() => bot.generateText({ prompt: "Hi", messages: [] }), "messages"],
    [() => bot.generateText({ prompt: 3n }), "prompt"],
    [() => bot.generateText({}), "prompt"],
    [() => bot.generateText({ prompt: "Hi", timeoutMs: -1 }), "timeoutMs"],
    [() => bot.generateText({ prompt: "Hi", timeouts: { idleMs: "3" } }), "timeouts.idleMs"],
    [() => bot.embed({ input: ["a", 3] }), "input[1]"],
    [() => mgmt.ensure({ ...spec, onDrift: "fail" }), "onDrift"],
    [() => mgmt.ensure({ ...spec, vllm_version: "1" }), "vllm_version"],
    [() => mgmt.ensure(spec, { onDrift: "never" }), "onDrift"],
    [() => mgmt.ensure({ ...spec, slug: "!" }), "slug"],
    [() => mgmt.waitUntilReady("s", { timeout: 3 }), "timeout"],
    [() => bot.generateText({ prompt: "Hi" }, new AbortController()), "options"],
    [() => bot.generateText(JSON.parse('{"prompt":"Hi","__proto__":{}}')), "__proto__"],
    [() => mgmt.plan({ ...spec, config: new Map() }), "config"],
    [() => mgmt.plan({ ...spec, config: { max_model_len: NaN } }), "config.max_model_len"],
    [() => mgmt.ephemeral(spec, { timeoutMs: -1 }), "timeoutMs"],
    [() => mgmt.ephemeral(spec, { onProgress: 5 }), "onProgress"],
    [() => mgmt.waitUntilReady("s", { onProgress: "shown" }), "onProgress"],
    [() => bot.generateText({ prompt: "Hi", signal: new AbortController() }), "signal"],
    [() => bot.generateTextStream({ prompt: "Hi" }, { signal: "now" }).next(), "signal"],
  ]) {
    const error = await rejection(call());
    assert.ok(error instanceof ValidationError, `${field}: ${error.stack}`);
    assert.equal(error.field, field);
  }
  assert.ok((await rejection(mgmt.ensure({ ...spec, config: circle }))) instanceof ValidationError);
  assert.ok((await rejection(mgmt.ensure(undefined))) instanceof ValidationError);
  assert.equal(double.requests.length, 0);
});

test("a client refuses what it cannot be made of, by an error that shows no token", () => {
  const wrong = [
    [{ baseUrl: "http://example.com", sdkToken: SDK_TOKEN }, ConfigurationError],
    [{ baseUrl: "http://127.0.0.1:1", sdkToken: API_KEY }, InferenceKeyError],
    [{ baseUrl: "http://127.0.0.1:1", sdkToken: SDK_TOKEN, onRetry: 3 }, ConfigurationError],
    [{ baseUrl: "http://127.0.0.1:1", token: SDK_TOKEN }, InferenceKeyError],
    [{ baseUrl: "http://127.0.0.1:1", sdkToken: SDK_TOKEN, retries: { retrys: 3 } }, InferenceKeyError],
  ];
  for (const [options, kind] of wrong) {
    assert.throws(
      () => new ManagementClient(options),
      (error) => {
        assert.ok(error instanceof kind, error.stack);
        assert.ok(!inspect(error).includes("9f9f9f"));
        return true;
      },
    );
  }
  const client = management({ url: "http://127.0.0.1:1" });
  assert.ok(!`${inspect(client, { depth: 9, showHidden: true })} ${JSON.stringify(client)}`.includes("9f9f9f"));
});

test("a closed client ends its calls and refuses new ones", async () => {
  const double = await Double.start(() => [HANG]);
  const client = data(double);
  const bot = client.endpoint("bot");
  const pending = rejection(bot.generateText({ prompt: "Hi" }));
  await double.until(({ requests }) => requests.length === 1);
  client[Symbol.dispose]();
  assert.ok((await pending) instanceof Cancelled);
  assert.equal((await rejection(bot.generateText({ prompt: "Hi" }))).code, "client_closed");
  client.close();
});

test("repeats are told, and a hook that throws ends the call", async () => {
  let failures = 0;
  const double = await Double.start(() => (failures++ < 1 ? answer("", 503) : answer([])));
  const told = [];
  await management(double, { onRetry: (retry) => told.push(retry) }).list();
  assert.deepEqual(
    told.map(({ operation, attempts, reason }) => [operation, attempts, reason]),
    [["list", 1, "retry"]],
  );
  assert.equal(told[0].error.status, 503);
  failures = 0;
  const mine = new Error("mine");
  const hook = () => {
    throw mine;
  };
  const sent = double.requests.length;
  assert.equal(await rejection(management(double, { onRetry: hook }).list()), mine);
  assert.equal(double.requests.length, sent + 1);
});

test("one connection serves calls and streams one after the other", async () => {
  const double = await Double.start(({ json }) => (json().stream ? whole("a") : completion("Hi")));
  const bot = endpoint(double);
  for (let n = 0; n < 20; n++) {
    await bot.generateText({ prompt: "Hi" });
    for await (const _ of bot.generateTextStream({ prompt: "Hi" }));
  }
  assert.equal(double.connections, 1);
});

test("text of any length and script arrives as it was sent", async () => {
  const prompt = `"\\\n\u2028é漢😀${"x".repeat(200_000)}`;
  const double = await Double.start(({ json }) => completion(json().messages[0].content));
  assert.equal((await endpoint(double).generateText({ prompt })).text, prompt);
  assert.equal((await rejection(endpoint(double).generateText({ prompt: "a\ud800" }))).field, "prompt");
});

test("map keeps order, says which prompt, and has no more on their way than it may", async () => {
  let [now, most] = [0, 0];
  const double = await Double.start(async ({ json }) => {
    most = Math.max(most, ++now);
    const { content } = json().messages[0];
    await new Promise((resolve) => setTimeout(resolve, 30 - 2 * Number(content)));
    now -= 1;
    return completion(`<${content}>`);
  });
  const prompts = Array.from({ length: 12 }, (_, n) => String(n));
  const seen = [];
  for await (const { index, prompt, text } of endpoint(double).map(prompts, { concurrency: 4 }))
    seen.push([index, prompt, text]);
  assert.deepEqual(
    seen,
    prompts.map((prompt, n) => [n, prompt, `<${prompt}>`]),
  );
  assert.ok(most > 1 && most <= 4, `${most} at once`);
  const loose = [];
  for await (const { index } of endpoint(double).map(prompts, { ordered: false })) loose.push(index);
  assert.deepEqual(
    loose.toSorted((one, other) => one - other),
    prompts.map(Number),
  );
  assert.notDeepEqual(loose, prompts.map(Number));
});

test("map draws as there is room, from an endless async iterable too, and ends on the wire", async () => {
  const double = await Double.start(({ json }) => (json().messages[0].content === "0" ? completion("Hi") : [HANG]));
  let [drawn, returned] = [0, false];
  async function* endlessly() {
    try {
      for (;;) yield String(drawn++);
    } finally {
      returned = true;
    }
  }
  for await (const item of endpoint(double).map(endlessly(), { concurrency: 5 })) {
    assert.equal(item.text, "Hi");
    await double.until(({ requests }) => requests.length === 5);
    break;
  }
  assert.ok(drawn <= 6 && returned);
  await double.untilClosed(4);
});

test("an error of map says which prompt it is about, and ends the rest or stands in its place", async () => {
  const double = await Double.start(({ json }) =>
    json().messages[0].content === "bad" ? answer({ error: { message: "no" } }, 400) : completion("Hi"),
  );
  const prompts = ["a", "bad", "b"];
  const seen = [];
  const error = await rejection(
    (async () => {
      for await (const { index } of endpoint(double).map(prompts)) seen.push(index);
    })(),
  );
  assert.ok(error instanceof ValidationError);
  assert.deepEqual([seen, error.index, error.prompt], [[0], 1, "bad"]);
  const items = [];
  for await (const item of endpoint(double).map(prompts, { onError: "return" })) items.push(item);
  assert.deepEqual(
    items.map((item) => item instanceof ValidationError),
    [false, true, false],
  );
  const mine = new Error("mine");
  function* failing() {
    yield "a";
    throw mine;
  }
  assert.equal(
    await rejection(
      (async () => {
        for await (const _ of endpoint(double).map(failing()));
      })(),
    ),
    mine,
  );
  assert.throws(() => endpoint(double).map(prompts, { concurrency: 0 }), { field: "concurrency" });
  assert.throws(() => endpoint(double).map(prompts, { onErorr: "return" }), ValidationError);
});

test("a map ends although its source never answers: by an error, a break, an abort", async () => {
  const double = await Double.start(({ json }) =>
    json().messages[0].content === "bad" ? answer({ error: { message: "no" } }, 400) : completion("Hi"),
  );
  async function* pending(first) {
    yield first;
    await new Promise(() => {});
  }
  const read = async (map) => {
    for await (const _ of map);
  };
  assert.ok((await rejection(read(endpoint(double).map(pending("bad"))))) instanceof ValidationError);
  for await (const _ of endpoint(double).map(pending("good"))) break;
  const controller = new AbortController();
  const stopped = rejection(read(endpoint(double).map(pending("good"), { signal: controller.signal })));
  controller.abort(new Error("enough"));
  assert.equal((await stopped).message, "enough");
  const mine = new Error("mine");
  for (const leave of [
    (items) => items.return(),
    (items) => items[Symbol.asyncDispose](),
    async (items) => assert.equal(await rejection(items.throw(mine)), mine),
  ]) {
    const items = endpoint(double).map(pending("good"));
    await items.next();
    const waiting = items.next();
    await leave(items);
    assert.deepEqual(await waiting, { value: undefined, done: true });
    assert.deepEqual(await items.next(), { value: undefined, done: true });
  }
  assert.throws(() => endpoint(double).map("hello"), { field: "prompts" });
});

test("closing the client ends a map, also where errors take their places", async () => {
  const double = await Double.start((request) => {
    const prompt = request.json().messages[0].content;
    return prompt === "hang" ? [HANG] : completion(prompt);
  });
  for (const onError of ["raise", "return"]) {
    for (const prompts of [
      ["first", "hang", "hang"],
      ["first", "hang", "hang", "hang", "hang"],
    ]) {
      const client = data(double);
      const items = client.endpoint("bot").map(prompts, { concurrency: 3, onError });
      const sent = double.requests.length;
      assert.equal((await items.next()).value.text, "first");
      const next = rejection(items.next());
      await double.until(({ requests }) => requests.length >= sent + 3);
      client.close();
      const error = await next;
      assert.deepEqual([error.code, error.operation], ["client_closed", "map"], error.stack);
      assert.equal((await items.next()).done, true);
    }
  }
});

test("after an error what a map would never give ends on the wire at once", async () => {
  for (const ordered of [true, false]) {
    let release;
    const late = new Promise((resolve) => (release = resolve));
    const double = await Double.start(async ({ json }) => {
      const prompt = json().messages[0].content;
      if (prompt === "bad") {
        await double.until(({ requests }) => requests.length === 4);
        return answer({ error: { message: "no" } }, 400);
      }
      if (prompt === "first" && ordered) await late;
      return prompt === "first" && ordered ? completion("Hi") : [HANG];
    });
    const read = async () => {
      for await (const _ of endpoint(double).map(["first", "bad", "hang", "hang"], { ordered }));
    };
    const failed = rejection(read());
    // Those that hang are closed although the first prompt is still waited for.
    await double.untilClosed(2);
    release();
    assert.ok((await failed) instanceof ValidationError);
  }
});

test("many calls with one signal, and a map, warn of no leak", async () => {
  const double = await Double.start(() => completion("Hi"));
  const warned = [];
  process.on("warning", (warning) => warned.push(warning));
  const { signal } = new AbortController();
  const bot = endpoint(double);
  await Promise.all(Array.from({ length: 30 }, () => bot.generateText({ prompt: "Hi", signal })));
  for await (const _ of bot.map(Array(40).fill("Hi")));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(warned, []);
});

test("an answer as JSON holds what is made when it is touched", async () => {
  const double = await Double.start(({ target }) =>
    target.endsWith("/embeddings") ? answer({ data: [{ embedding: [1, 2] }], model: "m" }) : completion("Hi"),
  );
  const bot = endpoint(double);
  const told = JSON.parse(JSON.stringify([await bot.generateText({ prompt: "Hi" }), await bot.embed({ input: "a" })]));
  assert.equal(told[0].raw.choices.length, 1);
  assert.deepEqual(told[1].embeddings, [[1, 2]]);
});

test("the answers to the parts of an input are one: counts are sums, also those inside", async () => {
  const usage = { prompt_tokens: 3, prompt_tokens_details: { cached_tokens: 1 }, tier: "x" };
  const double = await Double.start(() => answer({ data: [{ index: 0, embedding: [1] }], model: "m", usage }));
  const { raw } = await endpoint(double).embed({ input: ["a", "b", "c"], batchSize: 1 });
  assert.deepEqual(raw.usage, { prompt_tokens: 9, prompt_tokens_details: { cached_tokens: 3 }, tier: "x" });
  assert.deepEqual(
    raw.data.map(({ index }) => index),
    [0, 1, 2],
  );
});

test("the stack of an error names who made the call", async () => {
  const double = await Double.start(() => answer({ error: { message: "no" } }, 400));
  async function whoCalls() {
    await endpoint(double).generateText({ prompt: "Hi" });
  }
  assert.match((await rejection(whoCalls())).stack, /whoCalls/);
});

test("a long prompt arrives as it was given, whatever is in it", async () => {
  const double = await Double.start(() => completion("Hi"));
  const every = Array.from({ length: 0x300 }, (_, code) => String.fromCodePoint(code)).join("");
  for (const prompt of ["word ".repeat(20_000), `${every}"\\\u2028{}\u{1f600}`.repeat(100)]) {
    await endpoint(double).generateText({ prompt });
    await endpoint(double).generateText({ prompt, temperature: 0.5, timeouts: { totalMs: 9000 } });
    for (const { text } of double.requests.splice(0)) {
      const { messages } = JSON.parse(text);
      assert.deepEqual(messages, [{ role: "user", content: prompt }]);
    }
  }
  const error = await rejection(endpoint(double).generateText({ prompt: `${"word ".repeat(20_000)}\ud800` }));
  assert.ok(error instanceof ValidationError);
  assert.deepEqual([error.field, error.operation], ["prompt", "generate_text"]);
  assert.equal(double.requests.length, 0);
});
