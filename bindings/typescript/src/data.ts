/** The data plane: text, streams and embeddings of one workload. */
import { Client, type ClientOptions, FROM_ENV, Handle } from "./client";
import { encode } from "./json";
import { checkPrompts, type MapError, type MapParams, type MapResult, mapped, type Prompt, takeWindow } from "./map";
import { CALL, CHAT, DATA_CLIENT, EMBED, ENDPOINT, MAP, type Names, STREAM } from "./names";
import { guarded, type NativeClient } from "./native";
import { call } from "./operation";
import { type Clocks, checkSignal, refuseUnknown, renamed, withClocks } from "./options";
import { Embeddings, type EmbedHead, type EmbedResult, Text, type TextHead, type TextResult } from "./results";
import type { Retry } from "./retry";
import { TextStream } from "./stream";

/** How a client of the data plane behaves. */
export interface DataClientOptions extends ClientOptions {
  /** Data key for endpoints that bring none, `ik_live_…`. */
  apiKey?: string | undefined;
  /** How long to wait for a workload that is still coming up, inside the total time. Default 600,000; 0 = not at all. */
  coldStartMs?: number | undefined;
}

/** What every call of an endpoint takes. */
export interface CallOptions extends Clocks {
  /** Ends the call, on the wire too; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface Message {
  role: string;
  content: string;
}

/** Exactly one of `prompt` and `messages`. */
export interface ChatParams extends CallOptions {
  /** One message of the user. */
  prompt?: string | undefined;
  /** The whole conversation, sent as it is: parts as content, tools and unknown keys too. */
  messages?: readonly (Message | object)[] | undefined;
  /** The engine's default if absent. */
  temperature?: number | undefined;
  /** The engine's default if absent. */
  maxTokens?: number | undefined;
}

export interface StreamParams extends ChatParams {
  /** When the stream ends before it is complete: throw `StreamTruncated` (default), warn and end, or just end. */
  onTruncated?: "raise" | "warn" | "allow" | undefined;
}

export interface EmbedParams extends CallOptions {
  /** One string is a list of one. */
  input: string | readonly string[];
  /** `base64`: float32 on the wire, less than half as long. Default: the server's own. */
  encodingFormat?: "float" | "base64" | undefined;
  /** Most inputs of one request. Default 2,048. */
  batchSize?: number | undefined;
  /** Most requests at once. Default 8. */
  concurrency?: number | undefined;
}

/** Reaches the models of a project's workloads. */
export class DataClient extends Client {
  /**
   * A client from explicit values, the environment unread (wire.md 1.1). Sends nothing.
   *
   * Throws `ConfigurationError` for a value that cannot be used.
   */
  constructor(options: DataClientOptions & { baseUrl: string; project: string });
  /** @internal */
  constructor(options: DataClientOptions, fromEnv: typeof FROM_ENV);
  constructor(options: DataClientOptions, fromEnv?: typeof FROM_ENV) {
    super("data", DATA_CLIENT, options, fromEnv);
  }

  /**
   * A client; what is not given comes from the environment as it is now: `INFERENCEKEY_BASE_URL` (default
   * `https://api.inferencekey.com`), `INFERENCEKEY_PROJECT`, `INFERENCEKEY_API_KEY`.
   */
  static fromEnv(options: DataClientOptions = {}): DataClient {
    return new DataClient(options, FROM_ENV);
  }

  /**
   * Address a workload of the project. Sends nothing: that it does not exist shows at the first call.
   *
   * Throws `ConfigurationError` (`missing_api_key`) without a key here or in the client, `PermissionDenied` for a
   * control token, `ValidationError` for a slug that cannot be one.
   */
  endpoint(workloadSlug: string, options: { apiKey?: string } = {}): Endpoint {
    const given = renamed("options", options, ENDPOINT);
    const address = encode("endpoint", { ...given, workload_slug: workloadSlug });
    return new Endpoint(
      guarded(() => this.native.endpoint(address)),
      this.onRetry,
    );
  }
}

/** The data-plane address of one workload: from `DataClient.endpoint`, closed with its client. */
export class Endpoint extends Handle {
  /** Canonical slug (wire.md 2.4), also the `model` of requests. */
  readonly workloadSlug: string;

  /** @internal */
  constructor(native: NativeClient, onRetry: ((retry: Retry) => void) | undefined) {
    super(native, onRetry);
    this.workloadSlug = this.describe().workload_slug ?? "";
  }

  /**
   * Ask the model, and wait for its whole answer (wire.md 3.1).
   *
   * Rejects with `ValidationError` unless exactly one of `prompt` and `messages` is given. A call that may have been
   * answered is never sent twice.
   */
  async generateText(params: ChatParams, options?: CallOptions): Promise<TextResult> {
    const { request, signal } = taken(params, options, CHAT);
    const event = await call(this.course(signal), "generate_text", request);
    return new Text(JSON.parse(event.head) as TextHead, event.raw);
  }

  /**
   * Ask the model, and read its answer as it is written. The request is sent by this call; chunks are read as they are
   * asked for. Breaking out of a `for await` ends it on the wire.
   *
   * What `generateText` rejects with comes from the first `next()`; later ones may throw `StreamTruncated`,
   * `StreamStalled`, `ApiError` and `ProtocolError`, all with the text so far in `partial`.
   */
  generateTextStream(params: StreamParams, options?: CallOptions): TextStream {
    return new TextStream(() => {
      const { request, signal } = taken(params, options, STREAM);
      return { course: this.course(signal), request };
    });
  }

  /**
   * Ask the model many prompts, `concurrency` at once: an item for each, as the caller iterates. `prompts` is any iterable
   * or async iterable, also without an end; one is drawn while fewer than `concurrency` wait for their items to be taken.
   * Leaving the loop ends on the wire what is on its way.
   *
   * An error has the `index` and the `prompt` that it is about. Throws `ValidationError` for a bad option at once.
   */
  map(
    prompts: Iterable<Prompt> | AsyncIterable<Prompt>,
    params?: MapParams & { onError?: "raise" },
  ): AsyncGenerator<MapResult, void, unknown>;
  map(
    prompts: Iterable<Prompt> | AsyncIterable<Prompt>,
    params: MapParams,
  ): AsyncGenerator<MapResult | MapError, void, unknown>;
  map(
    prompts: Iterable<Prompt> | AsyncIterable<Prompt>,
    params: MapParams = {},
  ): AsyncGenerator<MapResult | MapError, void, unknown> {
    checkPrompts(prompts);
    const { request, signal } = taken(params, undefined, MAP);
    refuseUnknown("map", params, MAP);
    const window = takeWindow(request);
    checkSignal(signal);
    const send = async (prompt: Prompt, stop: AbortSignal): Promise<Text> => {
      const course = this.course(stop);
      const asked = typeof prompt === "string" ? { prompt } : { messages: prompt };
      const event = await call(course, "generate_text", { ...request, ...asked });
      return new Text(JSON.parse(event.head) as TextHead, event.raw);
    };
    return mapped(send, prompts, window, signal);
  }

  /** Embed each input, in order (wire.md 3.3). More than `batchSize` inputs go out in parts, several at once. */
  async embed(params: EmbedParams, options?: CallOptions): Promise<EmbedResult> {
    const { request, signal } = taken(params, options, EMBED);
    const event = await call(this.course(signal), "embed", request);
    return new Embeddings(JSON.parse(event.head) as EmbedHead, event.values, event.kept);
  }
}

/** The request of a call, and its signal. What stands beside the parameters wins. */
function taken(
  params: CallOptions,
  options: CallOptions | undefined,
  names: Names,
): { request: Record<string, unknown>; signal: AbortSignal | undefined } {
  const given = { ...renamed("params", params, names), ...renamed("options", options, CALL) };
  const { signal, ...request } = withClocks(given);
  return { request, signal: signal as AbortSignal | undefined };
}
