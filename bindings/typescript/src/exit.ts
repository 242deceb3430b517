/**
 * What is done before the process ends: on SIGINT, SIGTERM and SIGHUP, which then do what they did before, and when
 * there is nothing more to do. What neither of them sees (`process.exit`, a crash) is left to `gc`.
 */
import type { Stop } from "./timer";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const cleanUps = new Set<() => Promise<void>>();
let isWatching = false;

/** Runs `cleanUp`, which throws nothing, before the process ends; gives what forgets it. */
export function atExit(cleanUp: () => Promise<void>): Stop {
  watch();
  cleanUps.add(cleanUp);
  return () => forget(cleanUp);
}

function forget(cleanUp: () => Promise<void>): void {
  cleanUps.delete(cleanUp);
  // A signal that has arrived, but was not told of yet, would be lost with its listener.
  setImmediate(() => {
    if (cleanUps.size === 0) unwatch();
  });
}

function watch(): void {
  if (isWatching) return;
  isWatching = true;
  for (const signal of SIGNALS) process.prependListener(signal, handle);
  process.on("beforeExit", cleanUpAll);
}

function unwatch(): void {
  isWatching = false;
  for (const signal of SIGNALS) process.off(signal, handle);
  process.off("beforeExit", cleanUpAll);
}

async function cleanUpAll(): Promise<void> {
  await Promise.all(
    [...cleanUps].map(async (cleanUp) => {
      await cleanUp();
      // Once is enough: what failed would fail for ever.
      forget(cleanUp);
    }),
  );
}

function handle(signal: NodeJS.Signals): void {
  // Whoever else listens decides what the signal does, as without us. We are asked first: a `once` of theirs still
  // counts. A second signal meanwhile waits for the same clean-up, which has an end.
  const isAlone = process.listenerCount(signal) === 1;
  void cleanUpAll().then(() => {
    // Warnings are written before the next turn of the loop.
    if (isAlone) setImmediate(end, signal);
  });
}

/** By the signal itself, so that whoever waits for the process sees what ended it. */
function end(signal: NodeJS.Signals): void {
  unwatch();
  process.kill(process.pid, signal);
}
