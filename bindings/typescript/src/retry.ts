/** How often a client tries again, and what it tells about it. */
import { type CoreError, fromCore, type InferenceKeyError } from "./errors";
import { callersPath, RETRIES } from "./names";
import { milliseconds, renamed } from "./options";

/** How often and how long a client tries again, where a repeat is safe (wire.md 5.5). */
export interface RetryPolicy {
  /** Sends after the first. Default 2. */
  retries?: number | undefined;
  /** Longest first pause: the real one is drawn between a fifth of it and it; the next ones double. Default 500. */
  firstPauseMs?: number | undefined;
  /** Where the doubling ends. Default 8,000. */
  longestPauseMs?: number | undefined;
  /** A `retry-after` beyond this is not waited for: the error comes at once. Default 120,000. */
  longestPushbackMs?: number | undefined;
  /** Tokens that all calls of the client share: a repeat costs 5, after a timeout 10; a success brings 1 back. Default 100. */
  budget?: number | undefined;
}

/** A request is about to go out again: what `onRetry` is given. */
export interface Retry {
  /** `ensure`, `generate_text`, … */
  readonly operation: string;
  /** Requests sent for this call up to now. */
  readonly attempts: number;
  readonly pauseMs: number;
  /** Why: what the call would have thrown. */
  readonly error: InferenceKeyError;
  /** `retry`, `warming` (of an endpoint), or `reopen` (readiness is asked for again). */
  readonly reason: "retry" | "warming" | "reopen";
}

/** The core's option `retries`. */
export function retriesToCore(retries: unknown): unknown {
  if (typeof retries !== "object" || retries === null) return retries;
  const policy = renamed("retries", retries, RETRIES);
  for (const [name, value] of Object.entries(policy)) {
    if (name.endsWith("_ms")) policy[name] = milliseconds(`retries.${callersPath(name)}`, value);
  }
  return policy;
}

type Notice = {
  notice: string;
  pause_ms: number;
  error: CoreError;
  project_slug: string;
  workload_slug: string;
};

/** Gives a notice of the core to the hook, if it tells of a repeat. */
export function tellRetry(notice: Notice, onRetry: (retry: Retry) => unknown): unknown {
  const { notice: reason } = notice;
  if (reason !== "retry" && reason !== "warming" && reason !== "reopen") return undefined;
  const error = fromCore(notice.error);
  return onRetry({
    operation: error.operation ?? "",
    attempts: error.attempts ?? 0,
    pauseMs: notice.pause_ms,
    error,
    reason,
  });
}

export type { Notice };
