/** The control plane: declare workloads, wait for them, delete them. */
import { Client, type ClientOptions, FROM_ENV } from "./client";
import type { CallOptions } from "./data";
import type { OnDrift } from "./enums";
import { type Block, type Ephemeral, type EphemeralOptions, ephemeral } from "./ephemeral";
import { encode } from "./json";
import { CALL, CONTROL_CLIENT, ENSURE, type Names, PLAN, PROJECT } from "./names";
import type { NativeClient } from "./native";
import { ask } from "./operation";
import { renamed, withClocks } from "./options";
import { type CorePlan, Plan } from "./plan";
import { type ReadinessOptions, readiness, type WaitOptions, waitUntilReady } from "./readiness";
import { type ReadinessEvent, type ReadinessHead, readinessEvent } from "./results";
import { type EndpointRef, specFromCore, specToCore, type WorkloadSpec } from "./spec";
import { type Workload, type WorkloadAnswer, type WorkloadsAnswer, workload, workloads } from "./workload";

/** How a client of the control plane behaves. */
export interface ManagementClientOptions extends ClientOptions {
  /** Control token, `ik_sdk_…`. */
  sdkToken?: string | undefined;
}

/** Options of a call about one project. */
export interface ProjectOptions extends CallOptions {
  /** Wins over the spec's and the client's. */
  project?: string | undefined;
}

export interface PlanOptions extends ProjectOptions {
  /** The most that the workload may cost in US dollars per hour, by the ceiling of its execution policy. */
  maxHourlyCostUsd?: number | undefined;
}

export interface EnsureOptions extends PlanOptions {
  /** What to do with a difference. Default `reconcile`. */
  onDrift?: OnDrift | (string & {}) | undefined;
}

interface EnsureAnswer {
  project_slug: string;
  workload_slug: string;
  changed: boolean;
  plan: CorePlan;
  warning: string | null;
}

/** Declares, watches and deletes the workloads of a project. */
export class ManagementClient extends Client {
  /**
   * A client from explicit values, the environment unread (wire.md 1.1). Sends nothing.
   *
   * Throws `ConfigurationError` for a value that cannot be used, `PermissionDenied` for a data key.
   */
  constructor(options: ManagementClientOptions & { baseUrl: string; sdkToken: string });
  /** @internal */
  constructor(options: ManagementClientOptions, source: typeof FROM_ENV);
  constructor(options: ManagementClientOptions, source?: typeof FROM_ENV) {
    super("control", CONTROL_CLIENT, options, source);
  }

  /**
   * A client; what is not given comes from the environment as it is now: `INFERENCEKEY_BASE_URL` (default
   * `https://api.inferencekey.com`), `INFERENCEKEY_PROJECT`, `INFERENCEKEY_SDK_TOKEN`.
   */
  static fromEnv(options: ManagementClientOptions = {}): ManagementClient {
    return new ManagementClient(options, FROM_ENV);
  }

  /**
   * Create the workload if it is absent, and make it match the spec if it drifted (wire.md 2.7 to 2.9). Any number of
   * callers that ensure one slug end with one workload.
   *
   * Rejects with `DriftError` (`plan`) under `fail` and where `taskType` differs; with `ValidationError` (`field`) for a
   * spec that cannot be used, before anything is written; with `ConfigurationError` `secret_in_spec` for a token in it.
   */
  async ensure(spec: WorkloadSpec, options?: EnsureOptions): Promise<EndpointRef> {
    const { request, signal } = taken(options, ENSURE);
    const wish = snapshot("ensure", { ...request, spec: specToCore(spec) });
    const answer = await ask<EnsureAnswer>(this.course(signal), "ensure", wish);
    if (answer.warning !== null) process.emitWarning(answer.warning, "DriftWarning");
    return this.#ref(answer, wish);
  }

  /** Tell what `ensure` would do now, and write nothing. A conflict is a part of the plan. */
  async plan(spec: WorkloadSpec, options?: PlanOptions): Promise<Plan> {
    const { request, signal } = taken(options, PLAN);
    const wish = snapshot("plan", { ...request, spec: specToCore(spec) });
    const answer = await ask<{ plan: CorePlan }>(this.course(signal), "plan", wish);
    return this.#planned(answer.plan, wish);
  }

  /** Fetch the live workload. Rejects with `NotFound` if there is none. */
  async get(workloadSlug: string, options?: ProjectOptions): Promise<Workload> {
    return workload(await this.#about<WorkloadAnswer>("get", workloadSlug, options));
  }

  /** List all workloads of the project. */
  async list(options?: ProjectOptions): Promise<Workload[]> {
    const { request, signal } = taken(options, PROJECT);
    return workloads(await ask<WorkloadsAnswer>(this.course(signal), "list", request));
  }

  /** Tell the workload's phase as it is now, `error` like the others. Rejects with `NotFound` if there is none. */
  async status(workloadSlug: string, options?: ProjectOptions): Promise<ReadinessEvent> {
    return readinessEvent(await this.#about<ReadinessHead>("status", workloadSlug, options));
  }

  /** Make the spec that the live workload stands for, and that plans to `unchanged`. */
  async export(workloadSlug: string, options?: ProjectOptions): Promise<WorkloadSpec> {
    type Answer = { spec: Record<string, unknown> };
    return specFromCore((await this.#about<Answer>("export", workloadSlug, options)).spec);
  }

  /**
   * Wait until the workload is ready to answer (wire.md 2.11). Its way there is shown on stderr, unless `onProgress`
   * gets the events or `silent` is set.
   *
   * Rejects with `WaitTimeout` when `timeoutMs` is over (default 600,000; 0 at once; `Infinity` never), with
   * `WorkloadFailed` (`phase`, `step`, `events`, `hint`) when the platform gave up.
   */
  waitUntilReady(workloadSlug: string, options?: WaitOptions): Promise<void> {
    return waitUntilReady((signal) => this.course(signal), workloadSlug, options);
  }

  /**
   * Follow a workload on its way: its events, the last one `ready`. It throws what `waitUntilReady` rejects with, and
   * shows nothing.
   */
  readiness(workloadSlug: string, options?: ReadinessOptions): AsyncGenerator<ReadinessEvent, void, unknown> {
    return readiness((signal) => this.course(signal), workloadSlug, options);
  }

  /**
   * Create a workload for the time of a block, and wait until it is ready:
   *
   *     await using bot = await mgmt.ephemeral(spec);
   *     console.log((await bot.generateText({ prompt: "Hola" })).text);
   *
   * It is deleted when the block ends, however it ends, and on SIGINT, SIGTERM and SIGHUP. A workload that was there
   * before is used if it is as the spec says, and stays. What a killed process leaves behind, `inferencekey gc` deletes.
   *
   * With a function as the block, it gives what that gives:
   *
   *     await mgmt.ephemeral(spec, { keepOnError: true }, (bot) => bot.generateText({ prompt: "Hola" }));
   */
  ephemeral(spec: WorkloadSpec, options?: EphemeralOptions): Promise<Ephemeral>;
  ephemeral<T>(spec: WorkloadSpec, options: EphemeralOptions | undefined, block: Block<T>): Promise<T>;
  ephemeral<T>(spec: WorkloadSpec, options?: EphemeralOptions, block?: Block<T>): Promise<Ephemeral | T> {
    const { base_url, project: own } = this.describe();
    const data = (project: string | undefined, api_key: string | undefined): NativeClient => {
      const address = { base_url, project: project ?? own, api_key };
      return this.twin({ ...address, plane: "data", from_env: true, sdk_token: undefined });
    };
    const clients = { control: () => this.twin(), data, onRetry: this.onRetry };
    return ephemeral((signal) => this.course(signal), clients, spec, options, block);
  }

  /**
   * Delete the workload (wire.md 2.10): true if this call removed it, false if there was none. Irreversible: cloud GPUs
   * are given back, private workers unassigned.
   */
  async delete(workloadSlug: string, options?: ProjectOptions): Promise<boolean> {
    return (await this.#about<{ deleted: boolean }>("delete", workloadSlug, options)).deleted;
  }

  async #about<T>(operation: string, workloadSlug: string, options?: ProjectOptions): Promise<T> {
    const { request, signal } = taken(options, PROJECT);
    return ask<T>(this.course(signal), operation, { ...request, workload_slug: workloadSlug });
  }

  #planned(plan: CorePlan, wish: Record<string, unknown>): Plan {
    return new Plan(plan, async (base, options) => {
      const { request, signal } = taken(options, CALL);
      const { on_drift: _, timeout_ms: __, timeouts: ___, ...wished } = wish;
      const apply = { ...wished, ...request, base };
      return this.#ref(await ask<EnsureAnswer>(this.course(signal), "apply", apply), wish);
    });
  }

  #ref(answer: EnsureAnswer, wish: Record<string, unknown>): EndpointRef {
    const { project_slug: projectSlug, workload_slug: workloadSlug, changed } = answer;
    return { projectSlug, workloadSlug, changed, plan: this.#planned(answer.plan, wish) };
  }
}

function taken(
  options: object | undefined,
  names: Names,
): {
  request: Record<string, unknown>;
  signal: AbortSignal | undefined;
} {
  const { signal, ...request } = withClocks(renamed("options", options, names));
  return { request, signal: signal as AbortSignal | undefined };
}

/** The wish as it is now: the caller's spec can change later, a plan cannot. */
function snapshot(operation: string, wish: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(encode(operation, wish)) as Record<string, unknown>;
}
