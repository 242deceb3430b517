/** One running call of the core. */
import { fromCore, InferenceKeyError } from "./errors";
import { encodeApart, type Request } from "./json";
import type { NativeClient, NativeEvent } from "./native";
import { checkSignal } from "./options";
import { ports, type Receiver } from "./port";
import { type Notice, type Retry, tellRetry } from "./retry";

/** What a call goes by, besides its request. */
export interface Course {
  readonly client: NativeClient;
  readonly onRetry?: ((retry: Retry) => void) | undefined;
  /** Called before an ephemeral workload is created, and if it was not. */
  readonly onCreate?: (notice: Notice) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Events that nobody has asked for yet: with so many an operation stops reading, with so few it goes on. */
const MOST_WAITING = 4;
const FEW_WAITING = 1;

const CREATE = ["creating", "not_created"];

type Waiter = PromiseWithResolvers<NativeEvent | undefined>;
type PromiseWithResolvers<T> = {
  resolve: (value: T) => void;
  reject: (reason: unknown) => void;
};

/** The events of one call; it ends at its end, with `free`, or when its signal is aborted. */
export class Operation implements Receiver {
  readonly #course: Course;
  readonly #tag: number;
  readonly #events: NativeEvent[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #abort = (): void => this.#fail(this.#course.signal?.reason);
  #forget: (() => void) | undefined;
  #failure: { reason: unknown } | undefined;
  #ended = false;
  #paused = false;
  /** The texts that its stream has given, for the error that tells of them. */
  givenTexts: readonly string[] = [];

  /** Checks the request and sends it. Throws what is wrong with it, and the reason of a signal that is aborted. */
  constructor(course: Course, name: string, request: Request) {
    checkSignal(course.signal);
    course.signal?.throwIfAborted();
    this.#course = course;
    this.#tag = ports().submit(course.client, name, encodeApart(name, request), this);
    if (course.signal) this.#forget = onAbort(course.signal, this.#abort);
  }

  receive(event: NativeEvent): void {
    switch (event.kind) {
      case "notice":
        return this.#tell(JSON.parse(event.head) as Notice);
      case "error":
        return this.#end({ reason: fromCore(JSON.parse(event.head), this.givenTexts) });
      case "end":
        return this.#end(undefined);
      default:
        return this.#give(event);
    }
  }

  /** The next event; `undefined` after the end. An error is given once. */
  next(): Promise<NativeEvent | undefined> {
    const event = this.#events.shift();
    if (event !== undefined) {
      if (this.#paused && this.#events.length <= FEW_WAITING) this.#pause(false);
      return Promise.resolve(event);
    }
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) return Promise.reject(failure.reason);
    if (this.#ended) return Promise.resolve(undefined);
    ports().hold();
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Ends it on the wire too, if it was not over. */
  free(): void {
    this.#events.length = 0;
    if (this.#ended) return;
    ports().cancel(this.#tag);
    this.#end(undefined);
  }

  #give(event: NativeEvent): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      ports().release();
      return waiter.resolve(event);
    }
    this.#events.push(event);
    if (!this.#paused && this.#events.length >= MOST_WAITING) this.#pause(true);
  }

  /** A hook that throws ends the call. */
  #tell(notice: Notice): void {
    try {
      if (CREATE.includes(notice.notice)) this.#course.onCreate?.(notice);
      const { onRetry } = this.#course;
      const told: unknown = onRetry === undefined ? undefined : tellRetry(notice, onRetry);
      // A hook that is an async function fails later.
      if (told instanceof Promise) told.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(reason: unknown): void {
    if (this.#ended) return;
    ports().cancel(this.#tag);
    this.#events.length = 0;
    this.#end({ reason });
  }

  #end(failure: { reason: unknown } | undefined): void {
    this.#ended = true;
    this.#forget?.();
    this.#failure = failure;
    for (const waiter of this.#waiters.splice(0)) {
      ports().release();
      const reason = this.#failure;
      this.#failure = undefined;
      if (reason !== undefined) waiter.reject(reason.reason);
      else waiter.resolve(undefined);
    }
  }

  #pause(paused: boolean): void {
    this.#paused = paused;
    ports().pause(this.#tag, paused);
  }
}

/** What is to be done when a signal is aborted. One listener for all: Node warns of the eleventh of a signal. */
const watched = new WeakMap<AbortSignal, Set<() => void>>();

function onAbort(signal: AbortSignal, act: () => void): () => void {
  let acts = watched.get(signal);
  if (acts === undefined) {
    const all = new Set<() => void>();
    watched.set(signal, (acts = all));
    const actAll = (): void => {
      for (const one of all) one();
    };
    signal.addEventListener("abort", actAll, { once: true });
  }
  const set = acts.add(act);
  return () => void set.delete(act);
}

/** The next event of an operation. An error's stack begins where the event is awaited, not where it arrived. */
export async function next(operation: Operation): Promise<NativeEvent | undefined> {
  try {
    return await operation.next();
  } catch (error) {
    if (error instanceof InferenceKeyError) Error.captureStackTrace(error);
    throw error;
  }
}

/** The one event of an operation that gives exactly one. */
export async function call(course: Course, name: string, request: Request): Promise<NativeEvent> {
  const event = await next(new Operation(course, name, request));
  if (event === undefined) throw new Error(`${name}: the operation ended without an answer`);
  return event;
}

/** The same, with its head decoded. */
export async function ask<T>(course: Course, name: string, request: Request): Promise<T> {
  return JSON.parse((await call(course, name, request)).head) as T;
}
