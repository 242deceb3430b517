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
      if (words !== undefined) throw refused(operation, this === request ? callersPath(key) : key, words);
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

function refused(operation: string, key: string, words: string): ValidationError {
  const field = key.startsWith("ik_") ? "arguments" : key;
  return new ValidationError(`${operation}: \`${field}\` ${words}`, {
    code: "invalid_argument",
    operation,
    field,
    hint: "give a finite number, a string, a boolean, an array or an object",
  });
}
