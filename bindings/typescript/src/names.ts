/** What TypeScript calls what the core knows: one table for each object that a caller writes. */

/** The caller's name → the core's. */
export type Names = Readonly<Record<string, string>>;

export const CLIENT: Names = {
  baseUrl: "base_url",
  project: "project",
  retries: "retries",
  onRetry: "on_retry",
  caBundle: "ca_bundle",
  allowHttp: "allow_http",
  timeoutMs: "timeout_ms",
  timeouts: "timeouts",
};
export const CONTROL_CLIENT: Names = { ...CLIENT, sdkToken: "sdk_token" };
export const DATA_CLIENT: Names = { ...CLIENT, apiKey: "api_key", coldStartMs: "cold_start_ms" };
export const ENDPOINT: Names = { apiKey: "api_key" };

export const TIMEOUTS: Names = {
  connectMs: "connect_ms",
  firstTokenMs: "first_token_ms",
  idleMs: "idle_ms",
  totalMs: "total_ms",
};

export const RETRIES: Names = {
  retries: "retries",
  firstPauseMs: "first_pause_ms",
  longestPauseMs: "longest_pause_ms",
  longestPushbackMs: "longest_pushback_ms",
  budget: "budget",
};

export const CALL: Names = { timeoutMs: "timeout_ms", timeouts: "timeouts", signal: "signal" };
export const PROJECT: Names = { ...CALL, project: "project" };
export const PLAN: Names = { ...PROJECT, maxHourlyCostUsd: "max_hourly_cost_usd" };
export const ENSURE: Names = { ...PLAN, onDrift: "on_drift" };

export const READINESS: Names = { project: "project", timeoutMs: "timeout_ms", signal: "signal" };
export const WAIT: Names = { ...READINESS, onProgress: "on_progress", silent: "silent" };
export const EPHEMERAL: Names = {
  ...WAIT,
  apiKey: "api_key",
  maxLifetimeMs: "max_lifetime_ms",
  keepOnError: "keep_on_error",
};

export const CHAT: Names = {
  ...CALL,
  prompt: "prompt",
  messages: "messages",
  temperature: "temperature",
  maxTokens: "max_tokens",
};
export const STREAM: Names = { ...CHAT, onTruncated: "on_truncated" };
export const MAP: Names = {
  ...CALL,
  temperature: "temperature",
  maxTokens: "max_tokens",
  concurrency: "concurrency",
  ordered: "ordered",
  onError: "onError",
};
export const EMBED: Names = {
  ...CALL,
  input: "input",
  encodingFormat: "encoding_format",
  batchSize: "batch_size",
  concurrency: "concurrency",
};

export const SPEC: Names = {
  name: "name",
  slug: "slug",
  model: "model",
  backend: "backend",
  project: "project",
  description: "description",
  command: "command",
  vllmVersion: "vllm_version",
  taskType: "task_type",
  config: "config",
  executionPolicy: "execution_policy",
  executionPolicyConfig: "execution_policy_config",
  workerId: "worker_id",
  gpuResourceId: "gpu_resource_id",
};

const TABLES = [CONTROL_CLIENT, DATA_CLIENT, TIMEOUTS, RETRIES, ENSURE, EPHEMERAL, STREAM, EMBED, SPEC];
const CALLERS = new Map(
  TABLES.flatMap((names) => Object.entries(names).map(([caller, core]) => [core, caller] as const)),
);
// What a message names besides: a parameter, and methods.
CALLERS.set("workload_slug", "workloadSlug").set("from_env", "fromEnv");
CALLERS.set("wait_until_ready", "waitUntilReady").set("generate_text", "generateText");

/** Clocks, as hints about them name what is to be changed. */
const CLOCKS = new Map([["cold_start", "coldStartMs"]]);
for (const [caller, core] of Object.entries(TIMEOUTS)) CLOCKS.set(core.replace(/_ms$/, ""), `timeouts.${caller}`);

/** The caller's name for the beginning of a path of the core: `max_tokens` → `maxTokens`. */
export function callersPath(path: string): string {
  return path.replace(/^[a-z0-9_]+/, (name) => CALLERS.get(name) ?? name);
}

/** The same for a text of the core's own: names stand in backticks there, and nowhere else (docs/c-api.md, "Errors"). */
export function callersText(text: string): string {
  return text.replaceAll(/`[^`\s]+`/g, (quoted) => `\`${callersPath(quoted.slice(1, -1))}\``);
}

/** And for a hint, which may name a clock too. */
export function callersHint(text: string): string {
  return callersText(text).replaceAll(/`[a-z_]+`/g, (quoted) => {
    const clock = CLOCKS.get(quoted.slice(1, -1));
    return clock === undefined ? quoted : `\`${clock}\``;
  });
}
