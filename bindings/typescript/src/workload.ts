/** A live workload, as the platform describes it. */
import { present, type ReadinessPhase } from "./results";
import { specFromCore, type WorkloadSpec } from "./spec";

/** What is absent, the platform does not tell. */
export interface Workload {
  /** The platform's own key for it. */
  readonly id: string;
  /** Its address in the project: what `waitUntilReady`, `delete` and `endpoint` take. */
  readonly slug: string;
  readonly name?: string;
  readonly description?: string;
  /** The model in the backend's own words. */
  readonly model?: string;
  readonly backend?: string;
  readonly taskType?: string;
  /** The readiness phase, where the list tells one. `ManagementClient.status` asks for it. */
  readonly status?: ReadinessPhase;
  /** The ceiling of its execution policy, in US dollars per hour. */
  readonly maxHourlyCostUsd?: number;
  /** What `export` would give. */
  readonly spec?: WorkloadSpec;
  /** The platform's own object, untouched. */
  readonly raw: Readonly<Record<string, unknown>>;
}

interface Facts {
  status: ReadinessPhase | null;
  max_hourly_cost_usd: number | null;
  spec: Record<string, unknown> | null;
}

export interface WorkloadAnswer {
  workload: Record<string, unknown>;
  facts: Facts;
}

export interface WorkloadsAnswer {
  workloads: Record<string, unknown>[];
  facts: Facts[];
}

/** The workload as the core hands it over. */
export function workload({ workload: raw, facts }: WorkloadAnswer): Workload {
  const text = (name: string): string | null => (typeof raw[name] === "string" ? raw[name] : null);
  return {
    id: String(raw.id),
    slug: String(raw.slug),
    ...present({
      name: text("name"),
      description: text("description"),
      model: text("model_name"),
      backend: text("backend"),
      taskType: text("task_type"),
      status: facts.status,
      maxHourlyCostUsd: facts.max_hourly_cost_usd,
      spec: facts.spec === null ? null : specFromCore(facts.spec),
    }),
    raw,
  };
}

/** All of a list. */
export function workloads({ workloads: all, facts }: WorkloadsAnswer): Workload[] {
  const none: Facts = { status: null, max_hourly_cost_usd: null, spec: null };
  return all.map((raw, index) => workload({ workload: raw, facts: facts[index] ?? none }));
}
