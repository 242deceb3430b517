/** The addon: handles and JSON. Only this module, `handle.ts` and `port.ts` import it. */
import addon = require("../native.cjs");

import { fromCore, InternalError } from "./errors";

export type NativeClient = addon.NativeClient;
export type NativeEvent = addon.NativeEvent;
export type NativePort = addon.NativePort;
export const { NativeClient, NativePort, readSpecFile } = addon;

/** What `work` gives; what it throws becomes an error of this package. */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw translated(error);
  }
}

function translated(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code === "IKEY") return fromCore(JSON.parse(error.message));
  return new InternalError(`the addon failed: ${error.message}`, { cause: error });
}
