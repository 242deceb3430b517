/** The way of a workload to `ready`. */
import { Display } from "./display";
import { ValidationError } from "./errors";
import { READINESS, WAIT } from "./names";
import { type Course, next, Operation } from "./operation";
import { milliseconds, renamed } from "./options";
import { type ReadinessEvent, type ReadinessHead, readinessEvent } from "./results";

export interface ReadinessOptions {
  project?: string | undefined;
  /** From this call; reconnects and pauses count. Default 600,000; 0 fails at once, `Infinity` waits for ever. */
  timeoutMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface WaitOptions extends ReadinessOptions {
  /** Gets every event, in place of the display; what it throws comes out unchanged. */
  onProgress?: ((event: ReadinessEvent) => void) | undefined;
  /** No display. */
  silent?: boolean | undefined;
}

type Courses = (signal: AbortSignal | undefined) => Course;

/** Refuses what is wrong about a wait before anything is sent. */
export function checkWait({ onProgress, timeoutMs }: WaitOptions): void {
  if (timeoutMs !== undefined) milliseconds("timeoutMs", timeoutMs);
  if (onProgress == null || typeof onProgress === "function") return;
  throw new ValidationError("`onProgress` must be a function", { code: "invalid_argument", field: "onProgress" });
}

/** Resolves when the workload is ready. */
export async function waitUntilReady(
  courses: Courses,
  workloadSlug: string,
  options: WaitOptions | undefined,
): Promise<void> {
  const { on_progress: onProgress, silent, ...request } = renamed("options", options, WAIT);
  checkWait(options ?? {});
  const events = followed(courses, workloadSlug, request);
  if (onProgress != null || silent === true) {
    for await (const event of events) (onProgress as WaitOptions["onProgress"])?.(event);
    return;
  }
  const display = new Display(workloadSlug);
  try {
    for await (const event of events) display.show(event);
  } finally {
    display.end();
  }
}

/** The events, the last one `ready`. */
export async function* readiness(
  courses: Courses,
  workloadSlug: string,
  options: ReadinessOptions | undefined,
): AsyncGenerator<ReadinessEvent, void, unknown> {
  yield* followed(courses, workloadSlug, renamed("options", options, READINESS));
}

async function* followed(
  courses: Courses,
  workloadSlug: string,
  given: Record<string, unknown>,
): AsyncGenerator<ReadinessEvent, void, unknown> {
  const { signal, timeout_ms: timeout = 600_000, ...request } = given;
  const limit = milliseconds("timeoutMs", timeout);
  const operation = new Operation(courses(signal as AbortSignal | undefined), "wait_until_ready", {
    ...request,
    workload_slug: workloadSlug,
    timeout_ms: timeout === Infinity ? null : limit,
  });
  try {
    for (let event = await next(operation); event !== undefined; event = await next(operation)) {
      yield readinessEvent(JSON.parse(event.head) as ReadinessHead);
    }
  } finally {
    operation.free();
  }
}
