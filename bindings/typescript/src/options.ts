/** From camelCase to the core's names. A name that nobody knows is refused: a typing error is never passed over. */
import { ValidationError } from "./errors";

/** What callers write → what the core reads. */
export type Names = Readonly<Record<string, string>>;

/** The members of `given` under the core's names; absent ones are left out. */
export function renamed(what: string, given: object | undefined, names: Names): Record<string, unknown> {
  if (given === undefined) return {};
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new ValidationError(`${what} must be an object`, { code: "invalid_argument", field: what });
  }
  const taken: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) {
    const name = Object.hasOwn(names, key) ? names[key] : undefined;
    if (name === undefined) throw unknown(what, key, names);
    if (value !== undefined) taken[name] = value;
  }
  return taken;
}

function unknown(what: string, key: string, names: Names): ValidationError {
  const shown = key.startsWith("ik_") ? "a token as a name" : `\`${key}\``;
  const near = Object.keys(names).find((name) => plain(name) === plain(key));
  return new ValidationError(
    `${what}: ${shown} is not known here; known: ${Object.keys(names).join(", ")}`,
    {
      code: "invalid_argument",
      field: key.startsWith("ik_") ? what : key,
      hint: near === undefined ? `remove ${shown}` : `did you mean \`${near}\`?`,
    },
  );
}

const plain = (name: string): string => name.replaceAll(/[_-]/g, "").toLowerCase();

/** JSON has no infinity, and null would mean "as the client has it": 285,000 years. */
const NEVER_MS = 2 ** 53;

/** A length of time in milliseconds, `Infinity` for never. */
export function milliseconds(field: string, value: unknown): number {
  if (typeof value !== "number" || !(value >= 0)) {
    const words = `\`${field}\` must be 0 or more milliseconds (Infinity for never), not ${String(value)}`;
    throw new ValidationError(words, { code: "invalid_argument", field });
  }
  return Math.min(value, NEVER_MS);
}

/** The clocks of a call (wire.md 3.2), in milliseconds: absent is as the client has it, `Infinity` is never. */
export interface Timeouts {
  /** DNS, TCP and TLS, all addresses and tries together. Default 10 s. */
  connectMs?: number;
  /** Streams: from the request to the first content. Default 120 s. */
  firstTokenMs?: number;
  /** Streams: between contents, without the caller's own time. Default 30 s. Others: no byte of a begun answer. */
  idleMs?: number;
  /** The operation, repeats and pauses included. Default 60 s (control), 600 s (data), never for streams. */
  totalMs?: number;
}

/** How long a call may take; the call wins over the client. */
export interface Clocks {
  /** Of a whole call; for a stream to the first content, and between contents. */
  timeoutMs?: number;
  timeouts?: Timeouts;
}

const TIMEOUTS: Names = {
  connectMs: "connect_ms",
  firstTokenMs: "first_token_ms",
  idleMs: "idle_ms",
  totalMs: "total_ms",
};

/** Names of every call's options. */
export const CALL: Names = { timeoutMs: "timeout_ms", timeouts: "timeouts", signal: "signal" };

/** `options` with its clocks as the core takes them. */
export function withClocks(options: Record<string, unknown>): Record<string, unknown> {
  if (options["timeout_ms"] !== undefined) {
    options["timeout_ms"] = milliseconds("timeoutMs", options["timeout_ms"]);
  }
  if (options["timeouts"] !== undefined) {
    const clocks = renamed("timeouts", options["timeouts"] as object, TIMEOUTS);
    for (const [name, value] of Object.entries(clocks)) {
      clocks[name] = milliseconds(`timeouts.${name}`, value);
    }
    options["timeouts"] = clocks;
  }
  return options;
}
