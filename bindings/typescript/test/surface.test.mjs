/** What can be imported, and its types. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import * as esm from "../index.mjs";

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const cjs = createRequire(import.meta.url)("../dist/index.js");

test("ESM and CommonJS give the same names, and the same classes", () => {
  assert.deepEqual(
    Object.keys(esm).sort(),
    Object.keys(cjs)
      .filter((name) => name !== "default")
      .sort(),
  );
  for (const name of Object.keys(esm)) assert.equal(esm[name], cjs[name], name);
});

test("each error class of wire.md 5.1 is exported, under the class that the tree says", () => {
  const tree = readFileSync(here("../../docs/wire.md"), "utf-8").match(/### 5\.1 Tree\s+```\n(.*?)```/s)[1];
  for (const [name, parent] of Object.entries({
    ConfigurationError: "InferenceKeyError",
    ValidationError: "InferenceKeyError",
    DriftError: "ValidationError",
    AuthError: "InferenceKeyError",
    PermissionDenied: "InferenceKeyError",
    ApiError: "InferenceKeyError",
    NotFound: "ApiError",
    Conflict: "ApiError",
    PlanStale: "Conflict",
    RateLimited: "ApiError",
    ServerError: "ApiError",
    EndpointWarming: "ServerError",
    ConnectionFailed: "ApiError",
    TlsError: "ConnectionFailed",
    ProxyError: "ConnectionFailed",
    Timeout: "ApiError",
    StreamStalled: "Timeout",
    StreamTruncated: "ApiError",
    ProtocolError: "ApiError",
    LimitExceeded: "ProtocolError",
    WorkloadFailed: "ApiError",
    Cancelled: "ApiError",
    ForkedError: "ApiError",
    InternalError: "ApiError",
    WaitTimeout: "InferenceKeyError",
  })) {
    assert.equal(Object.getPrototypeOf(esm[name]), esm[parent], name);
    assert.ok(tree.includes(name), name);
  }
});

test("the types are those of wire.md 6.2", async () => {
  const options = [
    "--noEmit",
    "--strict",
    "--exactOptionalPropertyTypes",
    "--module",
    "nodenext",
    "--target",
    "es2022",
  ];
  const libraries = ["--lib", "es2023,esnext.disposable", "--types", "node", "--skipLibCheck", "false"];
  const tsc = here("node_modules/.bin/tsc");
  const checked = promisify(execFile)(tsc, [...options, ...libraries, "test/surface.mts"], { cwd: here("") });
  assert.equal((await checked.catch((error) => error)).stdout, "");
});
