/** What the core says is read in TypeScript's names: in messages, hints and fields. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { ConfigurationError, DataClient, ManagementClient, specFromFile } from "../index.mjs";
import { endpoint, management, rejection } from "./support/clients.mjs";
import { answer, Double, HANG } from "./support/double.mjs";
import { STATE } from "./support/state.mjs";

const require = (await import("node:module")).createRequire(import.meta.url);
const { callersHint, callersText } = require("../dist/names.js");

const SPEC = { name: "N", slug: "s1", model: "m", backend: "vllm" };
const thrown = (work) => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("it did not throw");
};

test("messages, hints and fields have the names that the caller writes", async () => {
  const double = await Double.start(({ json }) => (json() === null ? answer([]) : [HANG]));
  const bot = endpoint(double);
  const mgmt = management(double);
  for (const [error, message, hint, field] of [
    [await rejection(bot.generateText({ prompt: "Hi", maxTokens: 0 })), "`maxTokens` is", undefined, "maxTokens"],
    [
      await rejection(bot.generateText({ prompt: "Hi", maxTokns: 1 })),
      "`maxTokens`",
      "did you mean `maxTokens`?",
      "maxTokns",
    ],
    [await rejection(mgmt.plan({ ...SPEC, vlmVersion: "1" })), "`vllmVersion`", undefined, "vlmVersion"],
    [await rejection(mgmt.ensure(SPEC, { onDrift: "never" })), "`onDrift`", undefined, "onDrift"],
    [await rejection(mgmt.plan({ ...SPEC, taskType: "text2txt" })), "`taskType`", undefined, "taskType"],
    [await rejection(mgmt.get("")), "`workloadSlug`", undefined, "workloadSlug"],
    [
      await rejection(bot.generateText({ prompt: "Hi", timeoutMs: 1 })),
      "",
      "give `timeouts.totalMs` more time",
      undefined,
    ],
    [
      await rejection(bot.generateText({ prompt: "Hi", timeoutMs: 1, timeouts: { idleMs: 1 } })),
      "`timeoutMs` and `timeouts`",
      undefined,
      "timeouts",
    ],
    [
      thrown(() => new ManagementClient({ baseUrl: double.url, project: "acme" })),
      "",
      "give `sdkToken`, or set",
      "sdkToken",
    ],
    [thrown(() => new ManagementClient({ baseUrl: double.url, project: "acme" })), "", "use `fromEnv`", "sdkToken"],
    [
      thrown(() => new DataClient({ baseUrl: double.url, project: "acme" }).endpoint("s")),
      "",
      "give `apiKey`",
      "apiKey",
    ],
    [
      thrown(() => new ManagementClient({ baseUrl: "ftp://x", sdkToken: "ik_sdk_own" })),
      "`baseUrl`",
      undefined,
      "baseUrl",
    ],
    [
      thrown(() => new ManagementClient({ baseUrl: "http://x.example", sdkToken: "ik_sdk_own" })),
      "",
      "`allowHttp`",
      "baseUrl",
    ],
  ]) {
    const told = `${error.message} | ${error.hint} | ${error.field}`;
    assert.ok(error.message.includes(message), told);
    if (hint !== undefined) assert.ok(error.hint?.includes(hint), told);
    assert.equal(error.field, field, told);
    assert.doesNotMatch(
      told,
      /max_tokens|vllm_version|on_drift|task_type|timeout_ms|from_env|sdk_token|api_key|timeout=/,
    );
  }
});

test("what a platform says, and what a file holds, keeps its words", async () => {
  const double = await Double.start(() => answer({ error: { message: "`max_tokens` is too large", param: "x" } }, 400));
  const error = await rejection(endpoint(double).generateText({ prompt: "Hi" }));
  assert.match(error.message, /`max_tokens` is too large/);

  const file = join(mkdtempSync(join(STATE, "specs-")), "deploy.yaml");
  writeFileSync(file, "name: N\nslug: s\nmodel: m\nbackend: vllm\ntask_type: text2txt\n");
  const { message, field, problems, line } = await rejection(specFromFile(file));
  assert.equal(field, "task_type");
  assert.equal(line, 5);
  assert.match(`${message} ${problems}`, /`task_type`/);
  assert.ok(!message.includes("taskType"));

  writeFileSync(file, `name: N\nslug: s\nmodel: m\nbackend: vllm\nvllm_version: ik_sdk_own\n`);
  const secret = await rejection(specFromFile(file, { environment: { INFERENCEKEY_SDK_TOKEN: "ik_sdk_own" } }));
  assert.ok(secret instanceof ConfigurationError);
  assert.equal(secret.field, "vllm_version");
});

/** In backticks too, but no argument of TypeScript's: values, operations, options of a file. */
const ELSEWHERE = ["ik_sdk_", "ik_live_", "user_agent", "appears_within_ms", "finish_reason"];

test("every argument that a message of the core can name has its name in TypeScript", () => {
  const core = fileURLToPath(new URL("../../../core/client/src/", import.meta.url));
  const sources = readdirSync(core, { recursive: true }).filter(
    (name) => /\.rs$/.test(name) && !/test|script/.test(name),
  );
  const known = new Set();
  for (const name of sources) {
    const [code] = readFileSync(join(core, name), "utf8").split("#[cfg(test)]\nmod tests");
    // Outside of comments only texts have backticks.
    for (const line of code.split("\n").filter((line) => !/^\s*\/\//.test(line))) {
      for (const [, word] of line.matchAll(/`([a-z]+_[a-z_]+)[`.]/g)) known.add(word);
    }
  }
  assert.ok(known.size > 8, "the sources are read");
  const untranslated = [...known].filter((word) => callersHint(`\`${word}\``) === `\`${word}\``);
  assert.deepEqual(
    untranslated.filter((word) => !ELSEWHERE.includes(word)),
    [],
  );
});

test("only names in backticks are translated", () => {
  assert.equal(
    callersText("max_tokens `max_tokens` `config.max_tokens` `x max_tokens`"),
    "max_tokens `maxTokens` `config.max_tokens` `x max_tokens`",
  );
  assert.equal(callersHint("`first_token` `timeout_ms`"), "`timeouts.firstTokenMs` `timeoutMs`");
});
