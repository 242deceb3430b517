/** SIGINT, SIGTERM and SIGHUP delete what this process created, and then do what they did before. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** A second signal meanwhile does not wait for the clean-up. */
let isEnding = false;
const cleanUps = new Set<() => Promise<void>>();

/** Runs `cleanUp` before such a signal ends the process; gives what forgets it. */
export function onExitSignals(cleanUp: () => Promise<void>): () => void {
  if (cleanUps.size === 0) for (const signal of SIGNALS) process.prependListener(signal, handle);
  cleanUps.add(cleanUp);
  return () => {
    cleanUps.delete(cleanUp);
    if (cleanUps.size === 0) for (const signal of SIGNALS) process.off(signal, handle);
  };
}

function handle(signal: NodeJS.Signals): void {
  // Whoever else listens decides what the signal does, as without us. We are asked first: a `once` of theirs still counts.
  const alone = process.listenerCount(signal) === 1;
  if (alone && isEnding) return end(signal);
  isEnding = true;
  void Promise.all([...cleanUps].map((cleanUp) => cleanUp())).then(() => {
    isEnding = false;
    if (alone) end(signal);
  });
}

/** By the signal itself, so that whoever waits for the process sees what ended it. */
function end(signal: NodeJS.Signals): void {
  for (const name of SIGNALS) process.off(name, handle);
  process.kill(process.pid, signal);
}
