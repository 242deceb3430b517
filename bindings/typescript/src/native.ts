/** The addon: handles and JSON. Only this module imports it. */
import { types } from "node:util";

import addon = require("../native.cjs");

import { fromCore, InferenceKeyError, InternalError } from "./errors";

export type NativeClient = addon.NativeClient;
export type NativeEvent = addon.NativeEvent;
export type NativePort = addon.NativePort;
export type NativeNote = addon.NativeNote;
export const { NativeClient, NativeNote, NativePort, readSpecFile } = addon;

/** What `work` gives; what it throws becomes an error of this package. */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translated(error);
  }
}

function translated(error: unknown): unknown {
  if (error instanceof InferenceKeyError) return error;
  // No `instanceof`: under a test runner the addon's errors may be of another realm.
  const { code, message } = Object(error) as NodeJS.ErrnoException;
  if (code === "IKEY") return fromCore(JSON.parse(message));
  if (types.isNativeError(error)) return new InternalError(`the addon failed: ${message}`, { cause: error });
  return error;
}
