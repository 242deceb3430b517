/** What `ensure` would do, as a value. */
import { ConfigurationError } from "./errors";
import { planLines } from "./plan-lines";
import type { EndpointRef } from "./spec";

/** One field that differs; `null` stands for a field that is absent on that side. */
export interface Change {
  /** The spec's name for it on the wire: `model`, `config.max_model_len`; in a command `--flag`. */
  readonly path: string;
  /** The live value. Values under names that say secret are `(hidden)`. */
  readonly before: unknown;
  /** The declared value. */
  readonly after: unknown;
  /** A launch command flag by flag. */
  readonly parts?: readonly Change[];
}

interface Ceiling {
  before: number | null;
  after: number | null;
}

/** A plan as the core hands it over. */
export interface CorePlan {
  project_slug: string;
  workload_slug: string;
  action: Plan["action"];
  changes: Change[];
  conflicts: Change[];
  unmanaged: number;
  notes: string[];
  max_hourly_cost_usd: Ceiling;
  base: string | null;
}

/** Does what a plan says, if nothing has changed since; `base` is the state that it was made for. */
export type Apply = (base: string | null, options: ApplyOptions) => Promise<EndpointRef>;

export interface ApplyOptions {
  /** Milliseconds for the whole call. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** What makes the live workload match its spec. */
export class Plan {
  readonly projectSlug: string;
  readonly workloadSlug: string;
  /** `conflict`: a difference that cannot be written. */
  readonly action: "create" | "update" | "unchanged" | "conflict";
  /** Fields that would be written. */
  readonly changes: readonly Change[];
  /** Fields that differ and cannot change in place (wire.md 2.8). */
  readonly conflicts: readonly Change[];
  /** How many live fields the spec leaves alone. */
  readonly unmanaged: number;
  /** What else is worth knowing, in words. */
  readonly notes: readonly string[];
  /** What the workload may cost in US dollars per hour once the plan is applied; absent if no ceiling is known. */
  readonly maxHourlyCostUsd?: number;
  /** The same for the live workload. */
  readonly maxHourlyCostUsdBefore?: number;
  readonly #base: string | null;
  readonly #apply: Apply | undefined;

  constructor(plan: CorePlan, apply?: Apply) {
    this.projectSlug = plan.project_slug;
    this.workloadSlug = plan.workload_slug;
    this.action = plan.action;
    this.changes = plan.changes;
    this.conflicts = plan.conflicts;
    this.unmanaged = plan.unmanaged;
    this.notes = plan.notes;
    const { before, after } = plan.max_hourly_cost_usd;
    if (after !== null) this.maxHourlyCostUsd = after;
    if (before !== null) this.maxHourlyCostUsdBefore = before;
    this.#base = plan.base;
    this.#apply = apply;
  }

  /** Is there anything to do? */
  get hasChanges(): boolean {
    return this.action !== "unchanged";
  }

  /**
   * Do what the plan says: that spec, as it was then, to that workload, as it was then.
   *
   * Rejects with `PlanStale` (`plan`: as it would be now) if the workload has changed since; nothing is written then.
   */
  apply(options: ApplyOptions = {}): Promise<EndpointRef> {
    if (this.#apply === undefined) {
      const words = "apply: the plan of an error cannot be applied";
      const hint = "make it anew with `plan`";
      return Promise.reject(new ConfigurationError(words, { code: "configuration", operation: "apply", hint }));
    }
    return this.#apply(this.#base, options);
  }

  /** The plan as a diff, as Python prints it: what would change, what it costs, and the counts. */
  toString(): string {
    return planLines(this).join("\n");
  }
}
