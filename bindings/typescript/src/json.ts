/** Requests as JSON. What JSON cannot hold is refused by its name, since no text could carry it to the core. */
import { ValidationError } from "./errors";

/** The request of an operation. */
export type Request = Record<string, unknown>;

/** `request` as it is at this moment. */
export function encode(operation: string, request: Request): string {
  try {
    return JSON.stringify(request, (key, value: unknown) => {
      const words = unfit(value);
      if (words !== undefined) throw refused(operation, key, words);
      return value;
    });
  } catch (error) {
    if (error instanceof ValidationError) throw error;
    // JSON.stringify tells of cycles by a TypeError, and of endless nesting by the end of the stack. What a getter or
    // toJSON of the caller threw is the cause.
    const words = "the arguments cannot be written as JSON: they hold themselves, or are nested too deep";
    throw new ValidationError(`${operation}: ${words}`, {
      code: "invalid_argument",
      operation,
      hint: "break the cycle, or flatten the value",
      cause: error,
    });
  }
}

function unfit(value: unknown): string | undefined {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? undefined : `is ${value}, which JSON cannot hold`;
    case "bigint":
      return "is a BigInt, which JSON cannot hold";
    case "function":
    case "symbol":
      return `is a ${typeof value}, which is no JSON`;
    default:
      return undefined;
  }
}

const CAMEL = /_([a-z])/g;

function refused(operation: string, key: string, words: string): ValidationError {
  const field = key.startsWith("ik_") ? "arguments" : key.replace(CAMEL, (_, letter: string) => letter.toUpperCase());
  return new ValidationError(`${operation}: \`${field}\` ${words}`, {
    code: "invalid_argument",
    operation,
    field,
    hint: "give a finite number, a string, a boolean, an array or an object",
  });
}
