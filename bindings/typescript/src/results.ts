/** What calls give back. */

/** Tokens as the server counted them; absent what it does not tell, nothing is made up. */
export interface Usage {
  readonly inputTokens?: number;
  readonly outputTokens?: number;
  readonly totalTokens?: number;
}

/** How long an answer took, in milliseconds from the start of the call, on a monotonic clock. */
export interface Timing {
  /** To the first content of a stream. */
  readonly firstTokenMs?: number;
  /** To the last byte of the answer. */
  readonly totalMs: number;
  /** `usage.outputTokens` over the total time; absent where the server does not count. */
  readonly tokensPerSecond?: number;
}

/** What every answer tells beside its content. */
export interface Account {
  readonly usage?: Usage;
  /** The server's name for this request: what its operators want to know about it. */
  readonly requestId?: string;
  readonly timing?: Timing;
}

/** A whole answer. */
export interface TextResult extends Account {
  readonly text: string;
  /** What answered, in the server's words. */
  readonly model: string;
  /** Why the model stopped. */
  readonly finishReason?: string;
  /** The decoded answer, read when it is touched. */
  readonly raw: unknown;
}

/** A piece of a streamed answer. */
export interface TextChunk {
  readonly text: string;
  /** Why the model stopped, on the chunk that says so. */
  readonly finishReason?: string;
  /** The decoded chunk, read when it is touched. */
  readonly raw: unknown;
}

/** One embedding for each input, in the order of the inputs. */
export interface EmbedResult extends Account {
  /** Rows of numbers, exact to the last bit; made when first read. */
  readonly embeddings: number[][];
  /** The same numbers, row after row in one buffer. */
  readonly values: Float64Array;
  /** Numbers of one row. */
  readonly columns: number;
  readonly model: string;
  /** The decoded answer, read when it is touched. */
  readonly raw: unknown;
}

export type ReadinessPhase = "scheduling" | "provisioning" | "bootstrapping" | "ready" | "error";

/** One step of a workload on its way to `ready` (wire.md 2.11). */
export interface ReadinessEvent {
  /** A newer platform may have newer words. */
  readonly phase: ReadinessPhase;
  /** What the platform says about it; perhaps "". */
  readonly message: string;
  /** Milliseconds since the platform started on it, by the platform's clock. */
  readonly elapsedMs: number;
  /** A finer part of the phase, if the platform names one. */
  readonly step?: string;
}

export interface AccountHead {
  usage?: { input_tokens: number | null; output_tokens: number | null; total_tokens: number | null } | null;
  request_id?: string | null;
  timing?: { first_token_us: number | null; total_us: number; tokens_per_second: number | null };
}

/** The object without what is absent: what the core tells as null, TypeScript knows as `undefined`. */
type Present<T> = { [K in keyof T]?: Exclude<T[K], null> };
export function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  ) as Present<T>;
}

/** Usage, id and timing out of the core's head. */
export function account(head: AccountHead): Account {
  const { usage, timing } = head;
  return present({
    usage:
      usage &&
      present({
        inputTokens: usage.input_tokens,
        outputTokens: usage.output_tokens,
        totalTokens: usage.total_tokens,
      }),
    requestId: head.request_id,
    timing: timing && {
      totalMs: timing.total_us / 1000,
      ...present({
        firstTokenMs: timing.first_token_us === null ? null : timing.first_token_us / 1000,
        tokensPerSecond: timing.tokens_per_second,
      }),
    },
  });
}

/** Bytes of JSON that the core has, perhaps in pieces. */
interface Kept {
  bytes(): Uint8Array;
}

/** Bytes of JSON, decoded when somebody asks. */
class Raw {
  #bytes: Uint8Array | Kept | undefined;
  #value: unknown;

  constructor(bytes: Uint8Array | Kept | undefined) {
    this.#bytes = bytes;
  }

  get raw(): unknown {
    const bytes = this.#bytes;
    if (bytes !== undefined) {
      this.#value = parsed("bytes" in bytes ? bytes.bytes() : bytes);
      this.#bytes = undefined;
    }
    return this.#value;
  }

  /** With what is made only when it is touched. */
  toJSON(): object {
    return { ...this, raw: this.raw };
  }
}

function parsed(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
}

export type TextHead = AccountHead & { text: string; model: string; finish_reason: string | null };

/** A whole answer, out of the core's head and the answer's bytes. */
export class Text extends Raw implements TextResult {
  readonly text: string;
  readonly model: string;
  declare readonly finishReason?: string;
  declare readonly usage?: Usage;
  declare readonly requestId?: string;
  declare readonly timing?: Timing;

  constructor(head: TextHead, raw: Uint8Array | undefined) {
    super(raw);
    this.text = head.text;
    this.model = head.model;
    if (head.finish_reason !== null) this.finishReason = head.finish_reason;
    Object.assign(this, account(head));
  }
}

/** A piece of a streamed answer. */
export class Chunk extends Raw implements TextChunk {
  readonly text: string;
  declare readonly finishReason?: string;

  constructor(text: string, finishReason: string | null, raw: Uint8Array | undefined) {
    super(raw);
    this.text = text;
    if (finishReason !== null) this.finishReason = finishReason;
  }
}

export type EmbedHead = AccountHead & {
  model: string;
  rows: number;
  columns: number;
};

/** Embeddings, out of the core's head, its numbers and the answer's bytes. */
export class Embeddings extends Raw implements EmbedResult {
  readonly model: string;
  readonly columns: number;
  declare readonly usage?: Usage;
  declare readonly requestId?: string;
  declare readonly timing?: Timing;
  readonly #values: Float64Array;
  #rows: number[][] | undefined;

  constructor(head: EmbedHead, values: Float64Array | undefined, raw: Kept | undefined) {
    super(raw);
    this.model = head.model;
    this.columns = head.columns;
    this.#values = values ?? new Float64Array(0);
    Object.assign(this, account(head));
  }

  get values(): Float64Array {
    return this.#values;
  }

  get embeddings(): number[][] {
    return (this.#rows ??= this.#made());
  }

  #made(): number[][] {
    const rows: number[][] = [];
    for (let start = 0; start < this.#values.length; start += this.columns) {
      // A plain loop: `Array.from` asks the view for an iterator, number by number.
      const row = new Array<number>(this.columns);
      for (let column = 0; column < this.columns; column++) row[column] = this.#values[start + column] as number;
      rows.push(row);
    }
    return rows;
  }

  override toJSON(): object {
    return { ...this, embeddings: this.embeddings, raw: this.raw };
  }
}

export type ReadinessHead = {
  phase: ReadinessPhase;
  message: string;
  elapsed_ms: number;
  step: string | null;
};

/** A readiness event, out of the core's head. */
export function readinessEvent(head: ReadinessHead): ReadinessEvent {
  const { phase, message, elapsed_ms: elapsedMs, step } = head;
  return step === null ? { phase, message, elapsedMs } : { phase, message, elapsedMs, step };
}
