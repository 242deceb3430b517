/**
 * The sets of values of wire.md 4. A plain string is accepted wherever one of these is, and a value that the server
 * invents stays a plain string.
 */

/** What runs the model. Any other non-blank string is the slug of a custom backend. */
export const Backend = {
  Ollama: "ollama",
  Vllm: "vllm",
  VllmOmni: "vllm-omni",
  Sglang: "sglang",
  LlamaCpp: "llamacpp",
  StableDiffusionCpp: "stablediffusioncpp",
} as const;
export type Backend = (typeof Backend)[keyof typeof Backend];

/** What a workload takes and gives. It cannot change once the workload exists. */
export const TaskType = {
  Text2Text: "text2text",
  Embedding: "embedding",
  Text2Image: "text2image",
  Text2Video: "text2video",
  Text2Audio: "text2audio",
  Image2Image: "image2image",
  Image2Video: "image2video",
  Audio2Text: "audio2text",
  Omni: "omni",
  Reranker: "reranker",
  Classification: "classification",
  Reward: "reward",
  Forecast: "forecast",
} as const;
export type TaskType = (typeof TaskType)[keyof typeof TaskType];

/**
 * What `ensure` does when the live workload differs from the spec (wire.md 2.7). `Reconcile` writes the difference,
 * `Fail` throws `DriftError`, `DryRun` sends nothing, `Warn` emits one warning of the process, `Ignore` only reports. An
 * absent workload is created by all but `DryRun`.
 */
export const OnDrift = {
  Reconcile: "reconcile",
  Fail: "fail",
  DryRun: "dry_run",
  Warn: "warn",
  Ignore: "ignore",
} as const;
export type OnDrift = (typeof OnDrift)[keyof typeof OnDrift];

/** When a workload has workers: always, at set hours, or by load. */
export const ExecutionPolicy = {
  Fixed: "fixed",
  Scheduled: "scheduled",
  Autoscaling: "autoscaling",
} as const;
export type ExecutionPolicy = (typeof ExecutionPolicy)[keyof typeof ExecutionPolicy];
