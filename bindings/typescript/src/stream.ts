/** A streamed answer. */

import type { Request } from "./json";
import type { NativeEvent } from "./native";
import { type Course, next, Operation } from "./operation";
import { type Account, type AccountHead, account, Chunk, type TextChunk, type Timing, type Usage } from "./results";

interface BatchHead extends AccountHead {
  text: string[];
  finish_reason: (string | null)[];
  raw_length: number[];
  warning?: string;
}

type Result = IteratorResult<TextChunk, void>;

/** Ends streams on the wire whose readers have gone without a word. */
const forgotten = new FinalizationRegistry((operation: Operation) => operation.free());

/**
 * The chunks of one answer, in order: an async generator that is open once it is made.
 *
 *     for await (const chunk of stream) process.stdout.write(chunk.text);
 *
 * Breaking out, `return()`, `close()` and `await using` end it on the wire. `requestId` is known once the first chunk is
 * there, `usage` and `timing` when the iteration has ended by itself.
 */
export class TextStream implements AsyncGenerator<TextChunk, void, unknown> {
  readonly #operation: Operation | undefined;
  readonly #texts: string[] = [];
  readonly #signal: AbortSignal | undefined;
  #chunks: Chunk[] = [];
  #taken = 0;
  #failure: { reason: unknown } | undefined;
  #turn: Promise<unknown> | undefined;
  #account: Account = {};

  /** @internal `prepare` checks the arguments. */
  constructor(prepare: () => { course: Course; request: Request }) {
    try {
      const { course, request } = prepare();
      this.#signal = course.signal;
      this.#operation = new Operation(course, "generate_text_stream", request);
      this.#operation.givenTexts = this.#texts;
      forgotten.register(this, this.#operation, this);
    } catch (reason) {
      // As of every async generator: what is wrong shows when it is read.
      this.#failure = { reason };
    }
  }

  get usage(): Usage | undefined {
    return this.#account.usage;
  }

  get requestId(): string | undefined {
    return this.#account.requestId;
  }

  get timing(): Timing | undefined {
    return this.#account.timing;
  }

  next(): Promise<Result> {
    // Calls that overlap take their turns, as those of a generator do.
    if (this.#turn === undefined && !this.#signal?.aborted && this.#taken < this.#chunks.length) {
      return Promise.resolve(this.#given());
    }
    const turn = (this.#turn ?? Promise.resolve()).then(() => this.#next());
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#turn = settled;
    void settled.then(() => {
      if (this.#turn === settled) this.#turn = undefined;
    });
    return turn;
  }

  /** Ends the stream, on the wire too. */
  return(): Promise<Result> {
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  throw(error: unknown): Promise<Result> {
    this.close();
    return Promise.reject(error);
  }

  /** Ends the stream, on the wire too. Closing again does nothing. */
  close(): void {
    this.#chunks = [];
    this.#taken = 0;
    this.#failure = undefined;
    this.#operation?.free();
    forgotten.unregister(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #given(): Result {
    const value = this.#chunks[this.#taken++] as Chunk;
    this.#texts.push(value.text);
    return { value, done: false };
  }

  async #next(): Promise<Result> {
    // What had arrived before an abort is not given after it.
    if (this.#signal?.aborted) this.#taken = this.#chunks.length;
    while (this.#taken >= this.#chunks.length) {
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure !== undefined) throw failure.reason;
      const event = this.#operation && (await next(this.#operation));
      if (event === undefined) {
        forgotten.unregister(this);
        return { value: undefined, done: true };
      }
      this.#take(event);
    }
    return this.#given();
  }

  #take(event: NativeEvent): void {
    const head = JSON.parse(event.head) as BatchHead;
    if (event.kind === "open") {
      this.#account = account(head);
      return;
    }
    if (head.timing !== undefined) this.#account = { ...this.#account, ...account(head) };
    if (head.warning !== undefined) process.emitWarning(head.warning, "TruncatedWarning");
    this.#chunks = chunks(head, event.raw);
    this.#taken = 0;
  }
}

/** The chunks of a batch; each has its own piece of the bytes. */
function chunks(head: BatchHead, raw: Uint8Array | undefined): Chunk[] {
  let end = 0;
  return head.text.map((text, index) => {
    const start = end;
    end += head.raw_length[index] ?? 0;
    return new Chunk(text, head.finish_reason[index] ?? null, raw?.subarray(start, end));
  });
}
