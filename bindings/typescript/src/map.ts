/** Many prompts at once: the same window as Python's `map`. */

import type { ChatParams, Message } from "./data";
import { Cancelled, ConfigurationError, InferenceKeyError, ValidationError } from "./errors";
import type { TextResult } from "./results";

/** A text, or the messages of a conversation. */
export type Prompt = string | readonly (Message | object)[];

export interface MapParams extends Omit<ChatParams, "prompt" | "messages"> {
  /** From 1 to 1,000; default 32. Each request on its way is a connection. */
  concurrency?: number | undefined;
  /** Items in the order of the prompts (default), or as they arrive. */
  ordered?: boolean | undefined;
  /** `raise` (default): the first error ends the rest on the wire. `return`: it takes the item's place. */
  onError?: "raise" | "return" | undefined;
}

/** The answer to a prompt, with the place of the prompt among the prompts, from 0. */
export interface MapResult extends TextResult {
  readonly index: number;
  readonly prompt: Prompt;
}

/** An error in an item's place. */
export type MapError = InferenceKeyError & { readonly index: number; readonly prompt: Prompt };

/** Each is a connection, and processes have 1,024 descriptors unless they ask for more. */
const MOST_AT_ONCE = 1000;

export interface Window {
  concurrency: number;
  ordered: boolean;
  onError: "raise" | "return";
}

/** Takes what a map goes by out of `request`, whose other keys are those of every call; checked now, not at the first item. */
export function takeWindow(request: Record<string, unknown>): Window {
  const { concurrency, ordered, onError } = request as Partial<Window>;
  for (const name of ["concurrency", "ordered", "onError"]) delete request[name];
  return checked({ concurrency: concurrency ?? 32, ordered: ordered ?? true, onError: onError ?? "raise" });
}

function checked(window: Window): Window {
  const { concurrency, ordered, onError } = window;
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MOST_AT_ONCE) {
    throw refused("concurrency", `a whole number from 1 to ${MOST_AT_ONCE}`);
  }
  if (typeof ordered !== "boolean") throw refused("ordered", "true or false");
  if (onError !== "raise" && onError !== "return") throw refused("onError", '"raise" or "return"');
  return window;
}

const REFUSED = { code: "invalid_argument", operation: "map" };

function refused(field: string, expected: string): ValidationError {
  return new ValidationError(`map: \`${field}\` must be ${expected}`, { ...REFUSED, field });
}

type Settled = { item: MapResult } | { error: unknown };
type Send = (prompt: Prompt, signal: AbortSignal) => Promise<TextResult>;
type Prompts = Iterable<Prompt> | AsyncIterable<Prompt>;

type Item = MapResult | MapError;
type Items = AsyncGenerator<Item, void, unknown>;

/** What is shared by the loop over the items and whoever ends it. */
interface Exit {
  isLeft: boolean;
  /** Has the loop look around. */
  wake: () => void;
}

/** The items. Leaving the loop ends on the wire what is on its way. */
export function mapped(send: Send, prompts: Prompts, window: Window, signal: AbortSignal | undefined): Items {
  const exit: Exit = { isLeft: false, wake: () => {} };
  return new Leavable(generated(send, prompts, window, signal, exit), exit);
}

/** Ends at once, though an item is waited for: a generator by itself would only end behind it. */
class Leavable implements Items {
  readonly #items: Items;
  readonly #exit: Exit;

  constructor(items: Items, exit: Exit) {
    this.#items = items;
    this.#exit = exit;
  }

  next(): Promise<IteratorResult<Item, void>> {
    return this.#items.next();
  }

  return(): Promise<IteratorResult<Item, void>> {
    this.#leave();
    return this.#items.return();
  }

  throw(error: unknown): Promise<IteratorResult<Item, void>> {
    this.#leave();
    return this.#items.throw(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #leave(): void {
    this.#exit.isLeft = true;
    this.#exit.wake();
  }
}

/** A prompt is drawn while fewer than `concurrency` are drawn whose items have not been given. */
async function* generated(
  send: Send,
  prompts: Prompts,
  window: Window,
  signal: AbortSignal | undefined,
  exit: Exit,
): Items {
  const wake = (): void => exit.wake();
  const onTheirWay = new Map<number, AbortController>();
  /** Ends on the wire what is on its way behind that prompt. */
  const endBehind = (index: number, reason?: unknown): void => {
    for (const [number, stop] of onTheirWay) if (number > index) stop.abort(reason);
  };
  let aborted: { reason: unknown } | undefined;
  let hasClient = true;
  const abort = (): void => {
    aborted = { reason: signal?.reason };
    endBehind(-1, signal?.reason);
    wake();
  };
  if (signal?.aborted) throw signal.reason;
  signal?.addEventListener("abort", abort, { once: true });
  const source = iterated(prompts);
  const settled = new Map<number, Settled>();
  let [drawn, given, isDrawnOut] = [0, 0, false];

  const settle = (index: number, outcome: Settled): void => {
    settled.set(index, outcome);
    if ("error" in outcome && window.onError === "raise") {
      isDrawnOut = true;
      // What would never be given.
      endBehind(window.ordered ? index : -1);
    }
    wake();
  };
  const ask = async (index: number, prompt: Prompt): Promise<void> => {
    const stop = new AbortController();
    onTheirWay.set(index, stop);
    try {
      const item = Object.assign(await send(prompt, stop.signal), { index, prompt });
      onTheirWay.delete(index);
      settle(index, { item });
    } catch (error) {
      onTheirWay.delete(index);
      if (isOfClosedClient(error)) hasClient = false;
      settle(index, { error: error instanceof InferenceKeyError ? Object.assign(error, { index, prompt }) : error });
    }
  };
  let drawing = false;
  const draw = async (): Promise<void> => {
    const index = drawn++;
    drawing = true;
    try {
      const { value, done } = await source.next();
      if (done) [isDrawnOut, drawn] = [true, drawn - 1];
      else if (isDrawnOut) drawn -= 1;
      else void ask(index, value);
    } catch (error) {
      // The caller's own. It comes out in its place, behind what was drawn before it.
      isDrawnOut = true;
      settle(index, { error });
    }
    drawing = false;
    wake();
  };

  try {
    for (;;) {
      if (exit.isLeft) return;
      if (aborted !== undefined) throw aborted.reason;
      if (!hasClient) throw clientClosed();
      if (!isDrawnOut && !drawing && drawn - given < window.concurrency) void draw();
      const turn = window.ordered ? given : settled.keys().next().value;
      const outcome = turn === undefined ? undefined : settled.get(turn);
      if (outcome !== undefined) {
        settled.delete(turn as number);
        given += 1;
        if ("item" in outcome) yield outcome.item;
        else if (window.onError === "return" && isMapError(outcome.error)) yield outcome.error;
        else throw outcome.error;
      } else if (isDrawnOut && !drawing && drawn === given) {
        return;
      } else {
        await new Promise<void>((resolve) => (exit.wake = resolve));
      }
    }
  } finally {
    isDrawnOut = true;
    signal?.removeEventListener("abort", abort);
    endBehind(-1);
    // A source that is still being asked answers when it likes, and its own failure would hide the first one.
    const returned = (async () => source.return?.())().catch(() => {});
    if (!drawing) await returned;
  }
}

/** What its end did to a call, or what it says to a new one: no other prompt would fare better. */
function isOfClosedClient(error: unknown): boolean {
  return error instanceof Cancelled || error instanceof ConfigurationError;
}

function clientClosed(): ConfigurationError {
  const hint = "make a new client, or close this one later";
  return new ConfigurationError("map: the client is closed", { code: "client_closed", operation: "map", hint });
}

function isMapError(error: unknown): error is MapError {
  return error instanceof InferenceKeyError;
}

/** Refuses what is no iterable of prompts; one text is none. */
export function checkPrompts(prompts: unknown): void {
  const isIterable =
    typeof prompts === "object" && prompts !== null && (Symbol.iterator in prompts || Symbol.asyncIterator in prompts);
  if (!isIterable) throw refused("prompts", "an iterable of prompts; a single one goes into an array");
}

function iterated(prompts: Prompts): AsyncIterator<Prompt> | Iterator<Prompt> {
  return Symbol.asyncIterator in prompts ? prompts[Symbol.asyncIterator]() : prompts[Symbol.iterator]();
}
