/** Workloads for the time of a block: what deletes them, and what is noted down in case nothing can. */
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync } from "node:fs";
import { test } from "node:test";

import { ConfigurationError, DriftError, PermissionDenied, ValidationError } from "../index.mjs";
import { run, start } from "./support/child.mjs";
import { API_KEY, management, rejection, SDK_TOKEN } from "./support/clients.mjs";
import { answer, HANG, RST } from "./support/double.mjs";
import { hosted, isWaited, neverReady, SPEC } from "./support/hosted.mjs";
import { notes, STATE } from "./support/state.mjs";

const QUIET = { silent: true, apiKey: API_KEY };
const CHILD = `
  const mgmt = new sdk.ManagementClient({ baseUrl: url, project: "acme", sdkToken: "${SDK_TOKEN}" });
  const spec = ${JSON.stringify(SPEC)};
  const quiet = ${JSON.stringify(QUIET)};\n`;
const mine = () => notes().filter(({ pid }) => pid === process.pid);

test("a workload is noted down from before its create until it is deleted", async () => {
  let noted;
  const { double, live } = await hosted(({ method }) => {
    if (method === "POST") [noted] = mine();
  });
  const bot = await management(double).ephemeral(SPEC, { ...QUIET, maxLifetimeMs: 90_000 });
  const { host, created, mark, ...facts } = noted;
  assert.deepEqual(facts, {
    version: 1,
    pid: process.pid,
    max_lifetime: 90,
    base_url: double.url,
    project_slug: "acme",
    workload_slug: "brief",
  });
  assert.ok(host && Math.abs(created - Date.now() / 1000) < 60);
  assert.equal(live[0].description, `[ephemeral ${mark}]`);
  assert.equal(mine()[0].id, "wl_1");
  assert.equal(await bot.delete(), true);
  assert.deepEqual([live, mine()], [[], []]);
});

test("without a place for notes nothing is created", async () => {
  const { double, sent } = await hosted();
  const closed = mkdtempSync(`${STATE}/closed-`);
  chmodSync(closed, 0o500);
  const state = process.getuid() === 0 ? "/proc/nowhere" : closed;
  const source = `${CHILD}
    const error = await mgmt.ephemeral(spec, quiet).catch((error) => error);
    console.log(error.name, error.operation, error.hint.includes("INFERENCEKEY_STATE_DIR"));`;
  process.env.INFERENCEKEY_STATE_DIR = state;
  const child = run(source, double.url);
  process.env.INFERENCEKEY_STATE_DIR = STATE;
  assert.equal((await child).out, "ConfigurationError ephemeral true\n");
  assert.equal(sent("POST"), 0);
});

test("a workload that was there before stays, and is not noted down", async () => {
  const { double, live } = await hosted();
  live.push({ ...SPEC, model_name: SPEC.model, id: "wl_theirs" });
  const mgmt = management(double);
  const bot = await mgmt.ephemeral(SPEC, QUIET);
  assert.deepEqual([await bot.delete(), live.length, mine()], [false, 1, []]);
  const error = await rejection(mgmt.ephemeral({ ...SPEC, name: "Other" }, QUIET));
  assert.ok(error instanceof DriftError);
  assert.deepEqual([live.length, mine()], [1, []]);
});

test("nothing is looked for after a create that was refused", async () => {
  const { double, sent } = await hosted(({ method }) => (method === "POST" ? answer("", 403) : undefined));
  assert.ok((await rejection(management(double).ephemeral(SPEC, QUIET))) instanceof PermissionDenied);
  assert.deepEqual([sent("GET"), sent("POST"), sent("DELETE"), mine()], [1, 1, 0, []]);
});

test("what a create made whose answer was lost is deleted by its mark", async () => {
  let posts = 0;
  const { double, live } = await hosted(({ method, json }, live) => {
    if (method !== "POST" || posts++ > 0) return undefined;
    live.push({ ...json(), id: "wl_1" });
    return [RST];
  });
  const bot = await management(double).ephemeral(SPEC, QUIET);
  assert.equal(live.length, 1);
  assert.equal(await bot.delete(), true);
  assert.deepEqual([live, mine()], [[], []]);
});

test("it is deleted although its client is closed, and although a first delete fails", async () => {
  let failures = 0;
  const { double, live } = await hosted(({ method }) =>
    method === "DELETE" && failures-- > 0 ? answer("", 500) : undefined,
  );
  const mgmt = management(double);
  const bot = await mgmt.ephemeral(SPEC, QUIET);
  mgmt.close();
  failures = 1;
  assert.equal((await rejection(bot.delete())).status, 500);
  assert.equal(mine().length, 1);
  assert.deepEqual(await Promise.all([bot.delete(), bot.delete()]), [true, true]);
  assert.deepEqual([live, mine()], [[], []]);
});

test("an abort at any stage rejects with its reason and leaves nothing", async () => {
  const reason = new Error("mine");
  for (const [stage, when] of [
    ["before", () => true],
    ["in the list", ({ method, target }) => method === "GET" && target.endsWith("/workloads")],
    ["in the create", ({ method }) => method === "POST"],
    ["in the wait", ({ target }) => target.endsWith("/readiness-events")],
  ]) {
    const controller = new AbortController();
    let isAborted = stage === "before";
    if (isAborted) controller.abort(reason);
    const { double, live } = await hosted(({ method, json, ...request }, live) => {
      if (isAborted || !when({ method, ...request })) return undefined;
      isAborted = true;
      if (method === "POST") live.push({ ...json(), id: "wl_1" });
      setImmediate(() => controller.abort(reason));
      return [HANG];
    });
    const options = { ...QUIET, signal: controller.signal };
    assert.equal(await rejection(management(double).ephemeral(SPEC, options)), reason, stage);
    assert.deepEqual([live, mine()], [[], []], stage);
    if (stage === "before") assert.equal(double.requests.length, 0);
  }
});

test("a block gives its result, and its own failure comes out whatever the clean-up does", async () => {
  const { double, live, sent } = await hosted(({ method }) =>
    method === "DELETE" && isBroken ? answer("", 500) : undefined,
  );
  let isBroken = false;
  const mgmt = management(double);
  assert.equal(await mgmt.ephemeral(SPEC, QUIET, async (bot) => (await bot.generateText({ prompt: "Hi" })).text), "Hi");
  assert.deepEqual([live, sent("DELETE")], [[], 1]);

  const own = new Error("own");
  const fail = () => {
    throw own;
  };
  assert.equal(await rejection(mgmt.ephemeral(SPEC, QUIET, fail)), own);
  assert.deepEqual([live, mine()], [[], []]);

  const warned = new Promise((resolve) => process.once("warning", resolve));
  isBroken = true;
  assert.equal(await rejection(mgmt.ephemeral(SPEC, QUIET, fail)), own);
  assert.equal((await warned).name, "EphemeralWarning");
  assert.equal(mine().length, 1, "gc knows of it");
  const { status } = await rejection(mgmt.ephemeral({ ...SPEC, slug: "second" }, QUIET, () => 1));
  assert.equal(status, 500, "nothing else failed");
  isBroken = false;
});

test("keepOnError keeps what a failed block would have deleted; keep() does so for `await using`", async () => {
  const { double, live } = await hosted();
  const mgmt = management(double);
  const own = new Error("own");
  const failing = (options) =>
    mgmt.ephemeral(SPEC, { ...QUIET, ...options }, () => {
      throw own;
    });
  const before = mine().length;
  assert.equal(await rejection(failing({ keepOnError: true })), own);
  assert.deepEqual([live.length, mine().length], [1, before]);
  live.length = 0;

  assert.equal(await rejection(failing({ keepOnError: true, maxLifetimeMs: 3_600_000 })), own);
  assert.equal(mine().filter(({ kept }) => kept).length, 1, "gc deletes it after its lifetime");
  live.length = 0;

  await mgmt.ephemeral(SPEC, { ...QUIET, keepOnError: true }, () => 1);
  assert.equal(live.length, 0);

  const bot = await mgmt.ephemeral(SPEC, QUIET);
  bot.keep();
  await bot[Symbol.asyncDispose]();
  assert.equal(live.length, 1);
});

test("options that cannot work are refused before anything is sent", async () => {
  const { double } = await hosted();
  const mgmt = management(double);
  for (const [options, block, kind, field] of [
    [{ maxLifetimeMs: 0 }, undefined, ValidationError, "maxLifetimeMs"],
    [{ maxLifetimeMs: -1 }, undefined, ValidationError, "maxLifetimeMs"],
    [{ maxLifetimeMs: "1" }, undefined, ValidationError, "maxLifetimeMs"],
    [{ keepOnError: "yes" }, () => 1, ValidationError, "keepOnError"],
    [{ keepOnError: true }, undefined, ConfigurationError, "keepOnError"],
    [{}, "block", ValidationError, "block"],
  ]) {
    const error = await rejection(mgmt.ephemeral(SPEC, { ...QUIET, ...options }, block));
    assert.ok(error instanceof kind, String(error));
    assert.equal(error.field, field);
  }
  assert.equal(double.requests.length, 0);
});

test("maxLifetimeMs deletes it while the block still runs", async () => {
  const { double, live } = await hosted();
  const bot = await management(double).ephemeral(SPEC, { ...QUIET, maxLifetimeMs: 50 });
  await double.until(() => live.length === 0);
  assert.equal(await bot.delete(), true);
  assert.deepEqual(live, []);
});

test("a signal deletes it, and then ends the process", async () => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    const { double, live } = await neverReady();
    const { child, ended } = start(`${CHILD} await mgmt.ephemeral(spec, quiet);`, double.url);
    await double.until(isWaited);
    assert.equal(live.length, 1);
    child.kill(signal);
    const end = await ended;
    assert.deepEqual([end.signal, live, end.err], [signal, [], ""]);
  }
});

test("a second Ctrl-C does not leave it behind", async () => {
  let isAsked;
  const deleting = new Promise((resolve) => (isAsked = resolve));
  let goOn;
  const second = new Promise((resolve) => (goOn = resolve));
  const { double, live } = await hosted(async ({ method, target }) => {
    if (target.endsWith("/readiness-events")) return [HANG];
    if (method !== "DELETE") return undefined;
    isAsked();
    await second;
    return undefined;
  });
  const { child, ended } = start(`${CHILD} await mgmt.ephemeral(spec, quiet);`, double.url);
  await double.until(isWaited);
  child.kill("SIGINT");
  await deleting;
  child.kill("SIGINT");
  setTimeout(goOn, 50);
  assert.deepEqual([(await ended).signal, live], ["SIGINT", []]);
});

test("whoever else listens to a signal decides what it does, and the workload is deleted all the same", async () => {
  for (const listen of ["once", "on"]) {
    const { double, live } = await hosted();
    const source = `${CHILD}
      process.${listen}("SIGTERM", () => console.log("theirs"));
      await mgmt.ephemeral(spec, quiet);
      console.log("running");
      const alive = setInterval(() => {}, 1000);
      process.stdin.once("data", () => { clearInterval(alive); process.stdin.destroy(); console.log("ended"); });`;
    const { child, ended, seen } = start(source, double.url);
    await double.until(() => seen.out.includes("running"));
    child.kill("SIGTERM");
    await double.until(() => live.length === 0 && seen.out.includes("theirs"));
    child.stdin.write("end\n");
    assert.deepEqual(await ended, { code: 0, signal: null, out: "running\ntheirs\nended\n", err: "" }, listen);
  }
});

test("after somebody else's listener for once, the next signal ends the process as ever", async () => {
  const { double, live } = await hosted();
  const source = `${CHILD}
    process.once("SIGINT", () => console.log("theirs"));
    await mgmt.ephemeral(spec, quiet);
    console.log("running");
    setInterval(() => {}, 1000);`;
  const { child, ended, seen } = start(source, double.url);
  await double.until(() => seen.out.includes("running"));
  child.kill("SIGINT");
  await double.until(() => live.length === 0);
  // Node.js loses a signal that comes just when its last listener goes.
  const insist = setInterval(() => child.kill("SIGINT"), 20);
  const end = await ended;
  clearInterval(insist);
  assert.deepEqual([end.signal, end.out], ["SIGINT", "running\ntheirs\n"]);
});

test("a program that comes to its end deletes what it forgot to", async () => {
  const { double, live } = await hosted();
  const source = `${CHILD} await mgmt.ephemeral(spec, { ...quiet, maxLifetimeMs: 3_600_000 }); console.log("end");`;
  assert.deepEqual(await run(source, double.url), { code: 0, signal: null, out: "end\n", err: "" });
  assert.deepEqual(live, []);
});

test("what cannot be deleted at the end is told once, and noted down for gc", async () => {
  const { double, live } = await hosted(({ method }) => (method === "DELETE" ? answer("", 500) : undefined));
  const { code, err } = await run(`${CHILD} await mgmt.ephemeral(spec, quiet);`, double.url);
  assert.equal(code, 0);
  assert.match(
    err,
    /EphemeralWarning: the workload `brief` \(wl_1\) of project `acme` may be left: .*`inferencekey gc`/,
  );
  assert.equal(err.match(/EphemeralWarning/g).length, 1);
  assert.equal(live.length, 1);
  assert.ok(notes().some(({ base_url }) => base_url === double.url));
});

test("a process that is killed leaves its note", async () => {
  const { double, live } = await hosted();
  const source = `${CHILD} await mgmt.ephemeral(spec, quiet); process.kill(process.pid, "SIGKILL");`;
  assert.equal((await run(source, double.url)).signal, "SIGKILL");
  assert.equal(live.length, 1);
  const [note] = notes().filter(({ base_url }) => base_url === double.url);
  assert.deepEqual([note.id, note.workload_slug], ["wl_1", "brief"]);
});
