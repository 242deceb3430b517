/** One workload that this process created, or may have created: the duty to delete it. */
import { randomUUID } from "node:crypto";

import { Cancelled } from "./errors";
import { atExit } from "./exit";
import { encode } from "./json";
import { guarded, type NativeClient, NativeNote } from "./native";
import { ask, type Course } from "./operation";
import type { Notice } from "./retry";
import { type Stop, within } from "./timer";

/** What a lease begins with. */
export interface Wish {
  spec: Record<string, unknown>;
  project: string | undefined;
  maxLifetimeMs: number | undefined;
}

export interface Created {
  project_slug: string;
  workload_slug: string;
  created: boolean;
  id: string | null;
}

/** Milliseconds in which a create that was cut off may still appear. */
const APPEARS_WITHIN_MS = 5000;
/** Milliseconds that a deletion may take, and one that the end of the process waits for. */
const CLEAN_UP_MS = 30_000;
const AT_EXIT_MS = 10_000;

const INTERRUPTED = "its create was interrupted, and it may still appear";

export class Lease {
  readonly #client: NativeClient;
  readonly #mark = randomUUID().replaceAll("-", "");
  #maxLifetimeMs: number | undefined;
  #project = "";
  #slug = "";
  #id: string | undefined;
  /** On disk from before the create until nobody has to delete the workload any more. */
  #note: NativeNote | undefined;
  /** Is there nothing to delete, as before the create? */
  #isOver = true;
  #deletion: Promise<boolean> | undefined;
  #stops: Stop[] = [];

  /** `client`: one of its own, for the caller may close theirs. */
  constructor(client: NativeClient) {
    this.#client = client;
  }

  /** Creates the workload if there is none with its slug. */
  async create(course: Course, wish: Wish): Promise<Created> {
    const { spec, project, maxLifetimeMs } = wish;
    this.#maxLifetimeMs = maxLifetimeMs;
    const told = { ...course, onCreate: (notice: Notice) => this.#noticed(notice) };
    const request = { spec, project, on_drift: "fail", mark: this.#mark };
    const answer = await ask<Created>(told, "ensure", request);
    if (answer.created) await this.#created(answer);
    else this.#withdraw();
    return answer;
  }

  /** Deletes it, once; true if this call removed it. After a failure it can be tried again, and `gc` may do so too. */
  delete(milliseconds = CLEAN_UP_MS): Promise<boolean> {
    if (this.#isOver) return this.#deletion ?? Promise.resolve(false);
    this.#deletion ??= this.#delete(milliseconds).catch((error: unknown) => {
      this.#deletion = undefined;
      this.#note?.release();
      throw error;
    });
    return this.#deletion;
  }

  /** Where another failure is on its way out already, which this one must not hide. */
  async deleteQuietly(milliseconds?: number): Promise<void> {
    try {
      const isOwed = !this.#isOver;
      const isDeleted = await this.delete(milliseconds);
      if (isOwed && !isDeleted && this.#id === undefined) this.#tell(`may be left: ${INTERRUPTED}`);
    } catch (error) {
      this.#tell(`may be left: ${String(error)}`);
    }
  }

  /** The workload stays; if it has a lifetime, `gc` deletes it afterwards. */
  keep(): void {
    if (this.#maxLifetimeMs === undefined) this.#withdraw();
    else this.#end((note) => note.keep());
  }

  #noticed({ notice, project_slug, workload_slug }: Notice): void {
    if (notice === "not_created") return this.#withdraw();
    this.#project = project_slug;
    this.#slug = workload_slug;
    this.#note = this.#written();
    this.#isOver = false;
    this.#stops.push(atExit(() => this.#deleteAtExit()));
    const lifetime = this.#maxLifetimeMs;
    if (lifetime !== undefined) this.#stops.push(within(lifetime, () => this.delete()));
  }

  /** From here on somebody has to delete the workload, and knows of it if this process cannot. */
  #written(): NativeNote {
    const facts = {
      base_url: (JSON.parse(this.#client.describe()) as { base_url: string }).base_url,
      project_slug: this.#project,
      workload_slug: this.#slug,
      mark: this.#mark,
      max_lifetime: this.#maxLifetimeMs === undefined ? null : this.#maxLifetimeMs / 1000,
    };
    return guarded(() => new NativeNote(encode("ephemeral", facts)));
  }

  async #created({ id }: Created): Promise<void> {
    this.#id = id ?? undefined;
    if (id !== null) this.#note?.created(id);
    if (!this.#isOver) return;
    // A signal, or the end of its lifetime, came while the create was on its way.
    await this.#remove(CLEAN_UP_MS);
    const words = `ephemeral: the workload \`${this.#slug}\` was deleted again while it was being created`;
    throw new Cancelled(words, { code: "cancelled", operation: "ephemeral" });
  }

  async #delete(milliseconds: number): Promise<boolean> {
    const wasKnown = this.#id !== undefined;
    const isDeleted = await this.#remove(milliseconds);
    // The create was answered in the meantime.
    if (!isDeleted && !wasKnown && this.#id !== undefined) return this.#delete(milliseconds);
    if (isDeleted || wasKnown) this.#withdraw();
    else this.#end((note) => note.release());
    return isDeleted;
  }

  /** Deletes what is proven to be created by this lease, and nothing else. */
  async #remove(milliseconds: number): Promise<boolean> {
    const isKnown = this.#id !== undefined;
    const request = {
      workload_slug: this.#slug,
      project: this.#project,
      only: isKnown ? { id: this.#id, mark: this.#mark } : { mark: this.#mark },
      appears_within_ms: isKnown ? 0 : Math.min(APPEARS_WITHIN_MS, milliseconds / 2),
      timeout_ms: milliseconds,
    };
    return (await ask<{ deleted: boolean }>({ client: this.#client }, "delete", request)).deleted;
  }

  async #deleteAtExit(): Promise<void> {
    if (!this.#note?.isCollected) await this.deleteQuietly(AT_EXIT_MS);
  }

  #withdraw(): void {
    this.#end((note) => note.remove());
  }

  #end(leave: (note: NativeNote) => void): void {
    this.#isOver = true;
    if (this.#note !== undefined) leave(this.#note);
    for (const stop of this.#stops.splice(0)) stop();
  }

  #tell(what: string): void {
    const id = this.#id === undefined ? "" : ` (${this.#id})`;
    const words = `the workload \`${this.#slug}\`${id} of project \`${this.#project}\` ${what}; \`inferencekey gc\` deletes it`;
    process.emitWarning(words, "EphemeralWarning");
  }
}
