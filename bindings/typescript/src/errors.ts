/**
 * Every way in which a call can fail (wire.md 5.1). Beside these only the reason of an aborted signal and what a
 * callback of the caller throws come out of the package.
 */
import { callersHint, callersPath, callersText } from "./names";
import { Plan } from "./plan";
import type { ReadinessEvent, TextChunk } from "./results";
import { readinessEvent } from "./results";

/** The facts of an error, as the core tells them. */
export interface ErrorFacts {
  code?: string;
  apiCode?: string;
  status?: number;
  attempts?: number;
  requestId?: string;
  retryable?: boolean;
  retryAfter?: number;
  body?: string;
  host?: string;
  operation?: string;
  field?: string;
  hint?: string;
  cause?: unknown;
}

/** What had arrived of a stream that did not become complete. */
export interface Partial {
  /** All text up to the failure. */
  readonly text: string;
  /** The chunks that the stream had given; of each only its text is kept. */
  readonly chunks: readonly Pick<TextChunk, "text">[];
}

/** The base of all errors: `message` is one line, the facts are properties. */
export class InferenceKeyError extends Error {
  /** Stable across languages (wire.md 5.2); what programs should look at. */
  readonly code: string = "internal_error";
  /** The server's own code. */
  readonly apiCode?: string;
  /** HTTP status; absent if there was no response. */
  readonly status?: number;
  /** Requests sent for this call. */
  readonly attempts?: number;
  /** The response's `x-request-id`. */
  readonly requestId?: string;
  /** May the same call sensibly be made again? */
  readonly retryable: boolean = false;
  /** Seconds after which the server would like to be asked again. */
  readonly retryAfter?: number;
  /** The answer's text, tokens masked, at most 64 KiB. */
  readonly body?: string;
  /** `host[:port]` that was spoken to. */
  readonly host?: string;
  /** `ensure`, `generate_text`, …: the names are the same in every language. */
  readonly operation?: string;
  /** The argument or spec field at fault: `maxTokens`, `config.max_model_len`. */
  readonly field?: string;
  /** What to do next. */
  readonly hint?: string;
  /** What it came from: what a getter of the caller threw, or a file that cannot be read. */
  override readonly cause?: unknown;

  constructor(message: string, facts: ErrorFacts = {}) {
    const { cause, ...others } = facts;
    super(message, cause === undefined ? undefined : { cause });
    Object.assign(this, others);
  }

  /** For logs: the facts, with the name and the message that `JSON.stringify` leaves out of errors. */
  toJSON(): Record<string, unknown> {
    return { name: this.name, message: this.message, ...(this as object) };
  }
}

// Stack traces and logs name the class that was thrown, also in code that a bundler has renamed.
const named = (kind: { prototype: Error }, name: string): void => {
  Object.defineProperty(kind.prototype, "name", { value: name, configurable: true, writable: true });
};

/** A client cannot be made or used like this: token, project, base URL. Nothing was sent. */
export class ConfigurationError extends InferenceKeyError {
  /** Where a token stands in a file of specs, from 1. */
  readonly line?: number;
  readonly column?: number;
  /** Every token in that file, each with its place. */
  readonly problems?: readonly string[];
}

/** An argument was refused: before anything was sent, or by the server with 400. */
export class ValidationError extends InferenceKeyError {
  /** Where the first problem of a file of specs stands, from 1. */
  readonly line?: number;
  readonly column?: number;
  /** All that is wrong with that file, each with its place. */
  readonly problems?: readonly string[];
}

/** The live workload differs from the spec, and may not or cannot be changed in place. */
export class DriftError extends ValidationError {
  /** What differs. */
  readonly plan?: Plan;
}

/** 401: the token is unknown, or revoked. */
export class AuthError extends InferenceKeyError {}

/** 403: the token may not do this; or a token of the other plane was given (no status). */
export class PermissionDenied extends InferenceKeyError {}

/** The platform or the way to it failed; the classes below say how. */
export class ApiError extends InferenceKeyError {
  /** What had arrived, if a stream failed after its start. */
  readonly partial?: Partial;
}

/** 404: no such project or workload. */
export class NotFound extends ApiError {}

/** 409 or 412: somebody else changed or took it. */
export class Conflict extends ApiError {}

/** The live workload moved since the plan was made; nothing was written. */
export class PlanStale extends Conflict {
  /** The plan as it would be now. */
  readonly plan?: Plan;
}

/** 429, still after the retries. */
export class RateLimited extends ApiError {}

/** 5xx, still after the retries where those are safe. */
export class ServerError extends ApiError {}

/** 503 of a workload that is still coming up, once `coldStartMs` or the total time is used up. */
export class EndpointWarming extends ServerError {}

/** Refused, not resolved, lost or reset; the message names the cause. */
export class ConnectionFailed extends ApiError {}

/** The certificate or the handshake was refused; no request was sent. */
export class TlsError extends ConnectionFailed {}

/** The proxy refused or garbled the connection. */
export class ProxyError extends ConnectionFailed {}

/** A clock ran out. */
export class Timeout extends ApiError {
  /** Which clock: `connect`, `first_token`, `idle` or `total`. */
  readonly kind?: string;
}

/** A stream gave no content in time; keep-alive bytes do not count as content. */
export class StreamStalled extends Timeout {}

/** A stream ended with neither a finish reason nor `[DONE]`: `partial` is not whole. */
export class StreamTruncated extends ApiError {}

/** The answer is not what the wire says; the connection is not used again. */
export class ProtocolError extends ApiError {}

/** The answer goes beyond a limit; the connection is not used again. */
export class LimitExceeded extends ProtocolError {
  /** The limit's name: `success_body`, `sse_event`, `json_depth`, … */
  readonly limit?: string;
}

/** The platform gave up on the workload; the message has its words. */
export class WorkloadFailed extends ApiError {
  /** `error`, or the platform's newer word for it. */
  readonly phase?: string;
  /** The step in which it failed. */
  readonly step?: string;
  /** The last events before the end, at most 20. */
  readonly events?: readonly ReadinessEvent[];
}

/** The call was ended by `close()` on its client. */
export class Cancelled extends ApiError {}

/** A handle of another process. */
export class ForkedError extends ApiError {}

/** A defect of the SDK, caught before it could do harm; worth a report. */
export class InternalError extends ApiError {}

/** The deadline of `waitUntilReady` passed. The workload goes on starting, so waiting again is sensible. */
export class WaitTimeout extends InferenceKeyError {
  /** The last phase and step seen. */
  readonly phase?: string;
  readonly step?: string;
  /** The last events before the deadline, at most 20. */
  readonly events?: readonly ReadinessEvent[];
}

const CLASSES = {
  InferenceKeyError,
  ConfigurationError,
  ValidationError,
  DriftError,
  AuthError,
  PermissionDenied,
  ApiError,
  NotFound,
  Conflict,
  PlanStale,
  RateLimited,
  ServerError,
  EndpointWarming,
  ConnectionFailed,
  TlsError,
  ProxyError,
  Timeout,
  StreamStalled,
  StreamTruncated,
  ProtocolError,
  LimitExceeded,
  WorkloadFailed,
  Cancelled,
  ForkedError,
  InternalError,
  WaitTimeout,
};
for (const [name, kind] of Object.entries(CLASSES)) named(kind, name);

/** An error as the core describes it (docs/c-api.md, "Errors"). */
export type CoreError = { class: string; message: string } & Record<string, unknown>;

const camel = (name: string): string => name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** What the core calls it, as its class; `texts` are those that the stream had given. */
export function fromCore(error: CoreError, texts: readonly string[] = []): InferenceKeyError {
  const { class: name, message, ...facts } = error;
  const kind = name in CLASSES ? CLASSES[name as keyof typeof CLASSES] : ApiError;
  const taken = Object.entries(facts)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => [camel(key), shown(key, value, texts)]);
  const said = { message, ...Object.fromEntries(taken) } as ErrorFacts & { message: string };
  const { message: words, ...attributes } = "line" in facts ? said : inCallersWords(said);
  return new kind(words, attributes);
}

/** What is the core's own is said in TypeScript's names; what a server says stays as it is, like the keys of a file. */
function inCallersWords<T extends ErrorFacts & { message: string }>(said: T): T {
  const { message, field, hint, status } = said;
  const own = status === undefined;
  return {
    ...said,
    message: own ? callersText(message) : message,
    ...(field !== undefined && { field: own ? callersPath(field) : field }),
    ...(hint !== undefined && { hint: callersHint(hint) }),
  };
}

function shown(key: string, value: unknown, texts: readonly string[]): unknown {
  switch (key) {
    case "plan":
      return new Plan(value as never);
    case "events":
      return (value as never[]).map(readinessEvent);
    case "partial":
      return { text: (value as Partial).text, chunks: texts.map((text) => ({ text })) };
    default:
      return value;
  }
}
