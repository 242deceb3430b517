/** A workload's way to `ready`, on stderr: a line that is drawn again and again on a terminal, else a line per change. */
import { clearLine, cursorTo } from "node:readline";

import type { ReadinessEvent } from "./results";

const HEARTBEAT_MS = 30_000;
// Server text may hold what moves a cursor, and then no line is what it seems.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

export class Display {
  readonly #slug: string;
  readonly #out = process.stderr;
  readonly #began = Date.now();
  readonly #timer: NodeJS.Timeout;
  /** A closed stderr is no failure of the wait. */
  readonly #quiet = (): void => clearInterval(this.#timer);
  #last: string | undefined;
  #line = "";

  constructor(slug: string) {
    this.#slug = slug;
    const pause = this.#out.isTTY ? 1000 : HEARTBEAT_MS;
    this.#timer = setInterval(() => this.#draw(), pause);
    this.#timer.unref();
    this.#out.on("error", this.#quiet);
  }

  /** Shows an event if it says something new. */
  show({ phase, step, message }: ReadinessEvent): void {
    const place = step === undefined ? phase : `${phase} [${step}]`;
    const line = message === "" ? place : `${place}: ${message}`;
    if (line === this.#last) return;
    this.#last = line;
    this.#line = line.replaceAll(UNPRINTABLE, " ");
    this.#draw();
  }

  /** Leaves what was shown last. */
  end(): void {
    clearInterval(this.#timer);
    const last = this.#out.isTTY && this.#line !== "" ? "\n" : "";
    this.#out.write(last, () => this.#out.off("error", this.#quiet));
  }

  #draw(): void {
    if (this.#line === "") return;
    const seconds = Math.floor((Date.now() - this.#began) / 1000);
    const clock = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    const line = `${this.#slug}  ${clock}  ${this.#line}`;
    if (!this.#out.isTTY) {
      this.#out.write(`${line}\n`);
      return;
    }
    cursorTo(this.#out, 0);
    clearLine(this.#out, 1);
    this.#out.write(line.slice(0, Math.max(20, this.#out.columns - 1)));
  }
}
