/** From camelCase to the core's names. What nobody knows goes to the core as it is, which refuses it by its name. */
import { ValidationError } from "./errors";
import { callersPath, type Names, TIMEOUTS } from "./names";

/** The members of `given` under the core's names; absent ones are left out. */
export function renamed(what: string, given: object | undefined, names: Names): Record<string, unknown> {
  try {
    return taken(what, given, names);
  } catch (cause) {
    if (cause instanceof ValidationError) throw cause;
    throw new ValidationError(`${what} cannot be read: a getter or a proxy of it failed`, {
      code: "invalid_argument",
      field: what,
      hint: "mend what failed: `cause` is the original error",
      cause,
    });
  }
}

function taken(what: string, given: object | undefined, names: Names): Record<string, unknown> {
  if (given === undefined) return {};
  if (given === null || typeof given !== "object" || Array.isArray(given)) {
    throw new ValidationError(`${what} must be an object`, { code: "invalid_argument", field: what });
  }
  refuseOpaque(what, given);
  // Without a prototype, so that `__proto__` is a key like any other: an unknown one.
  const taken = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(given)) {
    const name = Object.hasOwn(names, key) ? names[key] : foreign(what, key, names);
    if (name !== undefined && value !== undefined) taken[name] = value;
  }
  return taken;
}

/** An object of some class that shows nothing, such as a signal in place of `{ signal }`, would be passed over in silence. */
function refuseOpaque(what: string, given: object): void {
  const prototype: unknown = Object.getPrototypeOf(given);
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  if (isPlain || Object.keys(given).length > 0) return;
  throw new ValidationError(`${what} must be a plain object, not ${given.constructor.name}`, {
    code: "invalid_argument",
    field: what,
    hint: "a signal is given as `{ signal: controller.signal }`",
  });
}

/** A key that is no name here. The wire's own spelling would be one for the core, and is none in TypeScript. */
function foreign(what: string, key: string, names: Names): string {
  const own = Object.keys(names).find((name) => names[name] === key);
  if (own === undefined) return key;
  throw new ValidationError(`${what}: \`${key}\` is not known here`, {
    code: "invalid_argument",
    field: key,
    hint: `did you mean \`${own}\`?`,
  });
}

/** Refuses what the core would see too late, or not at all. */
export function refuseUnknown(operation: string, given: object, names: Names): void {
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(names, key));
  if (unknown === undefined) return;
  throw new ValidationError(`${operation}: \`${unknown}\` is not known here`, {
    code: "invalid_argument",
    operation,
    field: unknown,
    hint: `known: ${Object.keys(names).join(", ")}`,
  });
}

/** A controller in place of its signal is a mistake that would leave the call without an end. */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal === null) return;
  if (typeof (signal as AbortSignal).throwIfAborted === "function") return;
  throw new ValidationError("`signal` must be an AbortSignal", {
    code: "invalid_argument",
    field: "signal",
    hint: "give `controller.signal`, or `AbortSignal.timeout(ms)`",
  });
}

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
  connectMs?: number | undefined;
  /** Streams: from the request to the first content. Default 120 s. */
  firstTokenMs?: number | undefined;
  /** Streams: between contents, without the caller's own time. Default 30 s. Others: no byte of a begun answer. */
  idleMs?: number | undefined;
  /** The operation, repeats and pauses included. Default 60 s (control), 600 s (data), never for streams. */
  totalMs?: number | undefined;
}

/** How long a call may take; the call wins over the client. */
export interface Clocks {
  /** Of a whole call; for a stream to the first content, and between contents. */
  timeoutMs?: number | undefined;
  timeouts?: Timeouts | undefined;
}

/** `options` with its clocks as the core takes them. */
export function withClocks(options: Record<string, unknown>): Record<string, unknown> {
  if (options.timeout_ms !== undefined) {
    options.timeout_ms = milliseconds("timeoutMs", options.timeout_ms);
  }
  if (options.timeouts !== undefined) {
    const clocks = renamed("timeouts", options.timeouts as object, TIMEOUTS);
    for (const [name, value] of Object.entries(clocks)) {
      clocks[name] = milliseconds(`timeouts.${callersPath(name)}`, value);
    }
    options.timeouts = clocks;
  }
  return options;
}
