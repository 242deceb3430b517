/** Where the operations of an event loop run: the core's queue, one native thread, one wake-up per burst of events. */
import { guarded, type NativeClient, type NativeEvent, NativePort } from "./native";

/** Whose events come through the port. */
export interface Receiver {
  /** Takes an event. Throws nothing. */
  receive(event: NativeEvent): void;
}

/** Events taken in one crossing. */
const BATCH = 64;

class Port {
  readonly #native = guarded(() => new NativePort(() => this.#rung()));
  readonly #receivers = new Map<number, Receiver>();
  #lastTag = 0;
  #waiting = 0;

  /** Starts an operation, whose events the receiver gets; its tag. Throws what is wrong with the request. */
  submit(client: NativeClient, operation: string, request: [string, string?], receiver: Receiver): number {
    const tag = this.#freeTag();
    guarded(() => this.#native.submit(client, operation, tag, ...request));
    this.#receivers.set(tag, receiver);
    return tag;
  }

  /** Ends an operation on the wire; no more of its events are given to anybody. */
  cancel(tag: number): void {
    if (this.#receivers.delete(tag)) this.#native.cancel(tag);
  }

  /** Keeps an operation from reading on, or lets it go on. */
  pause(tag: number, paused: boolean): void {
    this.#native.pause(tag, paused);
  }

  /** Somebody awaits an event: the process lives on until it is there. */
  hold(): void {
    if (this.#waiting++ === 0) this.#native.hold(true);
  }

  /** Nobody does any more. */
  release(): void {
    if (--this.#waiting === 0) this.#native.hold(false);
  }

  #rung(): void {
    let events: NativeEvent[];
    do {
      events = this.#native.take(BATCH);
      for (const event of events) {
        const receiver = this.#receivers.get(event.tag);
        if (event.kind === "end" || event.kind === "error") this.#receivers.delete(event.tag);
        receiver?.receive(event);
      }
    } while (events.length > 0);
  }

  #freeTag(): number {
    do {
      this.#lastTag = (this.#lastTag + 1) >>> 0;
    } while (this.#receivers.has(this.#lastTag));
    return this.#lastTag;
  }
}

let port: Port | undefined;

/** The port of this thread's event loop. */
export function ports(): Port {
  return (port ??= new Port());
}

export type { Port };
