/** A workload for the time of a block. */
import { randomUUID } from "node:crypto";

import { DataClient, Endpoint } from "./data";
import { ask, type Course } from "./operation";
import { EPHEMERAL } from "./names";
import { renamed } from "./options";
import { waitUntilReady, type WaitOptions } from "./readiness";
import { onExitSignals } from "./signals";
import { specToCore, type WorkloadSpec } from "./spec";

export interface EphemeralOptions extends WaitOptions {
  /** Data key of the endpoint; default: `INFERENCEKEY_API_KEY`. */
  apiKey?: string;
}

/** The workload's endpoint; `await using`, or `delete()`, deletes the workload if this call created it. */
export interface Ephemeral extends Endpoint, AsyncDisposable {
  /** True if this call removed it; false if it was there before, or is gone already. */
  delete(): Promise<boolean>;
}

type Courses = (signal: AbortSignal | undefined) => Course;

/** Where the client of the control plane is, for the one of the data plane beside it. */
interface Beside {
  baseUrl: string;
  project: string | null;
}

interface Created {
  project_slug: string;
  workload_slug: string;
  created: boolean;
  id: string | null;
}

/** Milliseconds in which a create that was cut off may still appear. */
const APPEARS_WITHIN_MS = 5000;

/** Creates the workload if it is absent, and waits until it is ready. */
export async function ephemeral(
  courses: Courses,
  beside: Beside,
  spec: WorkloadSpec,
  options: EphemeralOptions | undefined,
): Promise<Ephemeral> {
  renamed("options", options, EPHEMERAL);
  const { apiKey, project, signal, ...wait } = options ?? {};
  const client = dataClient(beside, project ?? spec.project, apiKey);
  const endpoint = client.endpoint(spec.slug);
  const lease = new Lease(courses, spec.slug);
  try {
    const made = await lease.create(specToCore(spec), project, signal);
    const where = { ...wait, project: made.project_slug, ...(signal && { signal }) };
    await waitUntilReady(courses, made.workload_slug, where);
  } catch (error) {
    client.close();
    await lease.deleteQuietly();
    throw error;
  }
  const leave = async (): Promise<boolean> => {
    client.close();
    return lease.delete();
  };
  return Object.assign(endpoint, {
    delete: leave,
    [Symbol.asyncDispose]: async () => void (await leave()),
  });
}

function dataClient(beside: Beside, project: string | undefined, apiKey?: string): DataClient {
  const slug = project ?? beside.project;
  return DataClient.fromEnv({
    baseUrl: beside.baseUrl,
    ...(slug !== null && { project: slug }),
    ...(apiKey !== undefined && { apiKey }),
  });
}

/** What this process created, and has to delete. */
class Lease {
  readonly #courses: Courses;
  readonly #mark = randomUUID().replaceAll("-", "");
  #slug: string;
  #project: string | undefined;
  #id: string | undefined;
  #isOurs = false;
  #deletion: Promise<boolean> | undefined;
  #forget: (() => void) | undefined;

  constructor(courses: Courses, slug: string) {
    this.#courses = courses;
    this.#slug = slug;
  }

  async create(
    spec: Record<string, unknown>,
    project: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Created> {
    this.#project = project ?? (spec["project"] as string | undefined);
    const course = { ...this.#courses(signal), onCreating: () => this.#creating() };
    const request = { spec, project, on_drift: "fail", mark: this.#mark };
    const created = await ask<Created>(course, "ensure", request);
    this.#slug = created.workload_slug;
    this.#project = created.project_slug;
    this.#isOurs = created.created;
    if (created.id !== null) this.#id = created.id;
    if (!this.#isOurs) this.#done();
    return created;
  }

  /** The create is about to be sent: from here on somebody has to delete the workload. */
  #creating(): void {
    this.#isOurs = true;
    this.#forget = onExitSignals(() => this.deleteQuietly());
  }

  /** Deletes it, once. */
  delete(): Promise<boolean> {
    return (this.#deletion ??= this.#delete());
  }

  /** Where another failure is on its way out already. */
  async deleteQuietly(): Promise<void> {
    try {
      await this.delete();
    } catch (error) {
      process.emitWarning(`${this.#slug} could not be deleted: ${String(error)}`, "EphemeralWarning");
    }
  }

  async #delete(): Promise<boolean> {
    if (!this.#isOurs) return false;
    const only = this.#id === undefined ? { mark: this.#mark } : { id: this.#id, mark: this.#mark };
    const request = {
      workload_slug: this.#slug,
      project: this.#project,
      only,
      appears_within_ms: this.#id === undefined ? APPEARS_WITHIN_MS : 0,
    };
    try {
      return (await ask<{ deleted: boolean }>(this.#courses(undefined), "delete", request)).deleted;
    } finally {
      this.#done();
    }
  }

  #done(): void {
    this.#forget?.();
    this.#forget = undefined;
  }
}
