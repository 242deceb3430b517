/** Requests as JSON. What JSON cannot hold is refused by its name, since no text could carry it to the core. */
import { ValidationError } from "./errors";
import { callersPath } from "./names";

/** The request of an operation. */
export type Request = Record<string, unknown>;

/** `request` as it is at this moment. */
export function encode(operation: string, request: Request): string {
  try {
    return JSON.stringify(request, function (this: unknown, key: string, value: unknown) {
      const words = unfit(value);
      if (words !== undefined) throw refused(operation, pathTo(request, this, key), words);
      return value;
    });
  } catch (error) {
    if (error instanceof ValidationError) throw error;
    // JSON.stringify tells of cycles by a TypeError, and of endless nesting by the end of the stack.
    const words =
      error instanceof TypeError || error instanceof RangeError
        ? "the arguments cannot be written as JSON: they hold themselves, or are nested too deep"
        : "the arguments cannot be written as JSON: a getter or toJSON of theirs failed";
    throw new ValidationError(`${operation}: ${words}`, {
      code: "invalid_argument",
      operation,
      hint: "break the cycle, flatten the value, or mend what failed: `cause` is the original error",
      cause: error,
    });
  }
}

/** Longer prompts go beside the JSON: the core writes them into it many times as fast as `JSON.stringify`. */
const LONG_PROMPT = 16_384;

/** The same, and the prompt by itself if it is long. */
export function encodeApart(operation: string, request: Request): [json: string, prompt?: string] {
  const { prompt, ...rest } = request;
  if (typeof prompt !== "string" || prompt.length < LONG_PROMPT) return [encode(operation, request)];
  const words = unfit(prompt);
  if (words !== undefined) throw refused(operation, "prompt", words);
  return [encode(operation, rest), prompt];
}

/** The caller's path to `key` of `holder`, which is somewhere in the request: `messages[0].content`. */
function pathTo(request: Request, holder: unknown, key: string): string {
  const seen = new Set<unknown>();
  const search = (value: unknown, path: string): string | undefined => {
    if (value === holder) return path;
    if (typeof value !== "object" || value === null || seen.has(value)) return undefined;
    seen.add(value);
    for (const [name, inner] of Object.entries(value)) {
      const found = search(inner, joined(value, path, name));
      if (found !== undefined) return found;
    }
    return undefined;
  };
  // What a toJSON gave is held by nothing of the request.
  const path = search(request, "");
  const whole = path === undefined ? key : joined(holder, path, key);
  return callersPath(whole.replace(/^spec\./, ""));
}

const joined = (holder: unknown, path: string, key: string): string => {
  if (Array.isArray(holder)) return `${path}[${key}]`;
  return path === "" ? key : `${path}.${key}`;
};

function unfit(value: unknown): string | undefined {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot hold`;
    case "string":
      return wellFormed(value) ? undefined : "holds a lone surrogate, which is no character";
    case "object":
      if (value instanceof Map || value instanceof Set) return "is a Map or a Set, which is no JSON";
      return undefined;
    case "bigint":
      return "is a BigInt, which JSON cannot hold";
    case "function":
    case "symbol":
      return `is a ${typeof value}, which is no JSON`;
    default:
      return undefined;
  }
}

/** Of every Node.js from 20 on, and newer than the types that this is written against. */
const wellFormed = (text: string): boolean => (text as unknown as { isWellFormed(): boolean }).isWellFormed();

function refused(operation: string, path: string, words: string): ValidationError {
  const field = path.includes("ik_") ? "arguments" : path;
  return new ValidationError(`${operation}: \`${field}\` ${words}`, {
    code: "invalid_argument",
    operation,
    field,
    hint: "give a finite number, a string, a boolean, an array or an object",
  });
}
