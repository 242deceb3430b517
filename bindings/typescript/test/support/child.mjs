/** A program of its own, for what ends a process. */
import { spawn } from "node:child_process";
import { once } from "node:events";

const SDK = new URL("../../index.mjs", import.meta.url).href;

/** Starts `source` as a module that has the SDK's names and `url`; gives the process and, at its end, what came of it. */
export function start(source, url, flags = []) {
  const program = `import * as sdk from ${JSON.stringify(SDK)};\nconst url = ${JSON.stringify(url)};\n${source}`;
  const child = spawn(process.execPath, [...flags, "--input-type=module", "--eval", program]);
  const seen = { out: "", err: "" };
  child.stdout.on("data", (data) => (seen.out += data));
  child.stderr.on("data", (data) => (seen.err += data));
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, ...seen }));
  return { child, ended, seen };
}

/** The same, run to its end. */
export const run = (source, url, flags) => start(source, url, flags).ended;
