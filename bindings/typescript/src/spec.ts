/** The wish for a workload, and what addresses one. */
import type { Backend, ExecutionPolicy, TaskType } from "./enums";
import { SPEC } from "./names";
import { renamed } from "./options";
import type { Plan } from "./plan";

/** What should run under a slug. What is absent is not managed: never compared, never cleared. */
export interface WorkloadSpec {
  /** Free text for people. */
  name: string;
  /** The workload's address in its project; canonical form: wire.md 2.4. */
  slug: string;
  /** The model in the backend's own words, sent as it is. */
  model: string;
  /** What serves the model; a string that is no `Backend` is the slug of a custom backend. */
  backend: Backend | (string & {});
  /** Project slug; absent = the client's. */
  project?: string;
  /** Free text; "" is a value, and clears it. */
  description?: string;
  /** The engine's launch command, run as written; the worker adds host and port. */
  command?: string;
  /** Version of vLLM that the worker shall use. */
  vllmVersion?: string;
  /** Absent creates a `text2text` workload. It cannot change later. */
  taskType?: TaskType | (string & {});
  /** Settings of the backend, by its own names; keys that are not named here stay as they are live. */
  config?: Record<string, unknown>;
  /** When there are workers. */
  executionPolicy?: ExecutionPolicy | (string & {});
  /** Settings of that policy, by the wire's names, for example `{ replicas: 1 }`. */
  executionPolicyConfig?: Record<string, unknown>;
  /** A worker of your own to run on (`wrk_…`). */
  workerId?: string;
  /** One GPU of that worker. */
  gpuResourceId?: string;
}

/** A workload that exists. */
export interface EndpointRef {
  readonly projectSlug: string;
  readonly workloadSlug: string;
  /** What differed. */
  readonly plan?: Plan;
  /** Was something written? */
  readonly changed?: boolean;
}

/** The spec under the wire's names. */
export function specToCore(spec: WorkloadSpec): Record<string, unknown> {
  return renamed("spec", spec, SPEC);
}

/** A spec out of the core's names. */
export function specFromCore(spec: Record<string, unknown>): WorkloadSpec {
  const names = Object.entries(SPEC).filter(([, name]) => spec[name] != null);
  return Object.fromEntries(names.map(([camel, name]) => [camel, spec[name]])) as unknown as WorkloadSpec;
}
