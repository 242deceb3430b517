/** The main job over the embedded platform: `inferencekey local exec -- npm test` gives its address and tokens. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import {
  Backend,
  DataClient,
  DriftError,
  ManagementClient,
  NotFound,
  OnDrift,
  PlanStale,
  ValidationError,
  WaitTimeout,
} from "../index.mjs";
import { run } from "./support/child.mjs";
import { notes } from "./support/state.mjs";

const inferencekey = fileURLToPath(new URL("../../../.venv/bin/inferencekey", import.meta.url));

const tiny = (slug, more = {}) => ({
  name: `Bot ${slug}`,
  slug,
  model: "inferencekey-tiny",
  backend: Backend.LlamaCpp,
  ...more,
});

describe("over the embedded platform", { skip: !process.env.INFERENCEKEY_SDK_TOKEN && "no platform runs" }, () => {
  const mgmt = ManagementClient.fromEnv();
  const made = new Set();
  const ensure = (spec, options) => {
    made.add(spec.slug);
    return mgmt.ensure(spec, options);
  };
  after(async () => {
    for (const slug of made) await mgmt.delete(slug);
  });

  test("a workload is declared, waited for, called and deleted", async () => {
    const ref = await ensure(tiny("ts-life"));
    assert.deepEqual([ref.projectSlug, ref.workloadSlug, ref.changed], ["acme", "ts-life", true]);
    assert.equal(ref.plan.action, "create");

    const events = [];
    await mgmt.waitUntilReady("ts-life", { onProgress: (event) => events.push(event) });
    assert.equal(events.at(-1).phase, "ready");
    assert.ok(events.at(-1).elapsedMs > 0);

    const endpoint = DataClient.fromEnv().endpoint("ts-life");
    const answer = await endpoint.generateText({ prompt: "Hola", maxTokens: 16, temperature: 0 });
    assert.ok(answer.text.length > 0);
    assert.equal(answer.model, "inferencekey-tiny");
    assert.equal(answer.usage.outputTokens, 16);
    assert.ok(answer.timing.totalMs > 0);
    assert.match(answer.requestId, /^req_/);
    assert.equal(answer.raw.choices[0].message.content, answer.text);

    const stream = endpoint.generateTextStream({ prompt: "Hola", maxTokens: 16, temperature: 0 });
    let text = "";
    for await (const chunk of stream) text += chunk.text;
    assert.equal(text, answer.text);
    assert.ok(stream.timing.firstTokenMs > 0);
    assert.match(stream.requestId, /^req_/);

    assert.equal(await mgmt.delete("ts-life"), true);
    assert.equal(await mgmt.delete("ts-life"), false);
  });

  test("embeddings are rows of numbers, in one buffer", async () => {
    await ensure(tiny("ts-embed", { model: "inferencekey-tiny-embed", taskType: "embedding" }));
    await mgmt.waitUntilReady("ts-embed", { silent: true });
    const endpoint = DataClient.fromEnv().endpoint("ts-embed");
    const result = await endpoint.embed({ input: ["one", "two", "three"], batchSize: 2 });
    assert.equal(result.embeddings.length, 3);
    assert.equal(result.embeddings[0].length, result.columns);
    assert.deepEqual([...result.values.subarray(result.columns, 2 * result.columns)], result.embeddings[1]);
    assert.deepEqual(
      result.raw.data.map(({ index }) => index),
      [0, 1, 2],
    );
    const [alone] = (await endpoint.embed({ input: "one" })).embeddings;
    assert.equal(alone.length, result.columns);
  });

  test("each drift policy does what it says", async () => {
    const before = tiny("ts-drift", { description: "one" });
    const after_ = { ...before, description: "two" };
    const described = async () => (await mgmt.get("ts-drift")).description;
    assert.equal((await mgmt.ensure(before, { onDrift: OnDrift.DryRun })).changed, false);
    await assert.rejects(mgmt.get("ts-drift"), NotFound);
    await ensure(before);
    assert.equal((await mgmt.ensure(before)).plan.action, "unchanged");

    const refused = await mgmt.ensure(after_, { onDrift: OnDrift.Fail }).catch((error) => error);
    assert.ok(refused instanceof DriftError && refused instanceof ValidationError);
    assert.deepEqual(refused.plan.changes, [{ path: "description", before: "one", after: "two" }]);

    const warned = new Promise((resolve) => process.once("warning", resolve));
    await mgmt.ensure(after_, { onDrift: OnDrift.Warn });
    assert.deepEqual([(await warned).name, /description/.test((await warned).message)], ["DriftWarning", true]);
    await mgmt.ensure(after_, { onDrift: OnDrift.Ignore });
    assert.equal(await described(), "one");

    assert.equal((await mgmt.ensure(after_, { onDrift: OnDrift.Reconcile })).changed, true);
    assert.equal(await described(), "two");
    const immutable = await mgmt.ensure({ ...after_, taskType: "embedding" }).catch((error) => error);
    assert.ok(immutable instanceof DriftError);
  });

  test("a plan is applied to what it was made for, or not at all", async () => {
    const spec = tiny("ts-plan");
    const plan = await mgmt.plan(spec);
    assert.deepEqual([plan.action, plan.hasChanges], ["create", true]);
    assert.match(String(plan), /^create acme\/ts-plan\n/);
    const ref = await plan.apply();
    made.add("ts-plan");
    assert.equal(ref.changed, true);

    const stale = await mgmt.plan({ ...spec, description: "later" });
    await mgmt.ensure({ ...spec, description: "between" });
    const error = await stale.apply().catch((thrown) => thrown);
    assert.ok(error instanceof PlanStale);
    assert.equal(error.code, "plan_stale");
    assert.equal((await mgmt.get("ts-plan")).description, "between");
  });

  test("list, status and export tell what is there", async () => {
    await ensure(tiny("ts-told", { description: "told" }));
    const [found] = (await mgmt.list()).filter(({ slug }) => slug === "ts-told");
    assert.deepEqual([found.model, found.backend, found.raw.description], ["inferencekey-tiny", "llamacpp", "told"]);
    assert.ok(["scheduling", "provisioning", "bootstrapping", "ready"].includes((await mgmt.status("ts-told")).phase));
    const spec = await mgmt.export("ts-told");
    assert.equal((await mgmt.plan(spec)).action, "unchanged");
  });

  test("readiness is an async iterator, and a wait has an end", async () => {
    await ensure(tiny("ts-wait"));
    const phases = [];
    for await (const { phase } of mgmt.readiness("ts-wait")) phases.push(phase);
    assert.equal(phases.at(-1), "ready");
    const late = await mgmt.waitUntilReady("ts-wait", { timeoutMs: 0, silent: true }).catch((error) => error);
    assert.ok(late instanceof WaitTimeout);
    const thrown = new Error("mine");
    const hook = () => {
      throw thrown;
    };
    assert.equal(await mgmt.waitUntilReady("ts-wait", { onProgress: hook }).catch((error) => error), thrown);
  });

  test("an ephemeral workload lives as long as its block", async () => {
    const bot = await mgmt.ephemeral(tiny("ts-brief"), { silent: true });
    assert.ok((await bot.generateText({ prompt: "Hola", maxTokens: 4 })).text);
    assert.match((await mgmt.get("ts-brief")).raw.description, /\[ephemeral [0-9a-f]{32}\]/);
    await bot[Symbol.asyncDispose]();
    await assert.rejects(mgmt.get("ts-brief"), NotFound);
    assert.equal(await bot.delete(), true, "what the first call found");

    await ensure(tiny("ts-there"));
    await mgmt.waitUntilReady("ts-there", { silent: true });
    const there = await mgmt.ephemeral(tiny("ts-there"), { silent: true });
    await there[Symbol.asyncDispose]();
    assert.equal((await mgmt.get("ts-there")).slug, "ts-there");
  });

  test("`inferencekey gc` deletes what a killed process left behind", async () => {
    const source = `
      await sdk.ManagementClient.fromEnv().ephemeral(${JSON.stringify(tiny("ts-killed"))}, { silent: true });
      process.kill(process.pid, "SIGKILL");`;
    const { signal, err } = await run(source, "");
    assert.equal(signal, "SIGKILL", err);
    assert.equal((await mgmt.get("ts-killed")).slug, "ts-killed");
    const { stdout } = await promisify(execFile)(inferencekey, ["gc"]);
    assert.match(stdout, /ts-killed/);
    await assert.rejects(mgmt.get("ts-killed"), NotFound);
    assert.deepEqual(notes(), []);
  });
});
