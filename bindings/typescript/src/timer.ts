/** Timers that keep no process alive. */

/** Ends what was begun. */
export type Stop = () => void;

/** What `setTimeout` can count to: 24.8 days. */
const LONGEST_MS = 2 ** 31 - 1;
/** Between two tries. */
const PAUSE_MS = 10_000;

/** Runs `act` in so many milliseconds, and again as long as it fails. */
export function within(milliseconds: number, act: () => Promise<unknown>): Stop {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const wait = (left: number): void => {
    if (isStopped) return;
    const now = Math.min(left, LONGEST_MS);
    const then = (): void => (left > now ? wait(left - now) : void act().catch(() => wait(PAUSE_MS)));
    timer = setTimeout(then, now).unref();
  };
  wait(milliseconds);
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
