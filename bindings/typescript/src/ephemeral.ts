/** A workload for the time of a block. */
import { randomUUID } from "node:crypto";

import { Endpoint } from "./data";
import {
  AuthError,
  ConfigurationError,
  Conflict,
  NotFound,
  PermissionDenied,
  RateLimited,
  ValidationError,
} from "./errors";
import { encode } from "./json";
import { EPHEMERAL } from "./names";
import { guarded, type NativeClient } from "./native";
import { ask, type Course } from "./operation";
import { renamed } from "./options";
import { checkWait, type WaitOptions, waitUntilReady } from "./readiness";
import type { Retry } from "./retry";
import { onExitSignals } from "./signals";
import { specToCore, type WorkloadSpec } from "./spec";

export interface EphemeralOptions extends WaitOptions {
  /** Data key of the endpoint; default: `INFERENCEKEY_API_KEY`. */
  apiKey?: string | undefined;
}

/** The workload's endpoint; `await using`, or `delete()`, deletes the workload if this call created it. */
export interface Ephemeral extends Endpoint, AsyncDisposable {
  /** True if this call removed it; false if it was there before, or is gone already. */
  delete(): Promise<boolean>;
}

type Courses = (signal: AbortSignal | undefined) => Course;

/** Clients beside that of the caller, with its configuration: the caller may close its own at any time. */
interface Clients {
  control: () => NativeClient;
  data: (project: string | undefined, apiKey: string | undefined) => NativeClient;
  onRetry: ((retry: Retry) => void) | undefined;
}

interface Created {
  project_slug: string;
  workload_slug: string;
  created: boolean;
  id: string | null;
}

/** Milliseconds in which a create that was cut off may still appear. */
const APPEARS_WITHIN_MS = 5000;
/** Milliseconds that a deletion may take. */
const CLEAN_UP_MS = 30_000;
/** What a create rejects with when it is certain that it created nothing. */
const REFUSALS = [AuthError, ConfigurationError, Conflict, NotFound, PermissionDenied, RateLimited, ValidationError];

/** Creates the workload if it is absent, and waits until it is ready. */
export async function ephemeral(
  courses: Courses,
  clients: Clients,
  spec: WorkloadSpec,
  options: EphemeralOptions | undefined,
): Promise<Ephemeral> {
  renamed("options", options, EPHEMERAL);
  const { apiKey, project, signal, ...wait } = options ?? {};
  const fields = specToCore(spec);
  checkWait(wait);
  signal?.throwIfAborted();
  const client = clients.data(project ?? spec.project, apiKey);
  const address = encode("endpoint", { workload_slug: spec.slug });
  const endpoint = new Endpoint(
    guarded(() => client.endpoint(address)),
    clients.onRetry,
  );
  const lease = new Lease(clients.control(), spec.slug);
  try {
    const made = await lease.create(courses(signal), fields, project);
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

/** What this process created, and has to delete. */
class Lease {
  readonly #client: NativeClient;
  readonly #mark = randomUUID().replaceAll("-", "");
  #slug: string;
  #project: string | undefined;
  #id: string | undefined;
  #isOurs = false;
  /** Could a create of ours whose answer was lost still take effect? */
  #mayAppear = true;
  #deletion: Promise<boolean> | undefined;
  #forget: (() => void) | undefined;

  constructor(client: NativeClient, slug: string) {
    this.#client = client;
    this.#slug = slug;
  }

  async create(course: Course, spec: Record<string, unknown>, project: string | undefined): Promise<Created> {
    this.#project = project ?? (spec.project as string | undefined);
    const request = { spec, project, on_drift: "fail", mark: this.#mark };
    const told = { ...course, onCreating: () => this.#creating() };
    const created = await ask<Created>(told, "ensure", request).catch((error: unknown) => {
      if (REFUSALS.some((kind) => error instanceof kind)) this.#mayAppear = false;
      throw error;
    });
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
    return (this.#deletion ??= this.#delete().catch((error: unknown) => {
      // It can be tried again.
      this.#deletion = undefined;
      throw error;
    }));
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
      appears_within_ms: this.#id === undefined && this.#mayAppear ? APPEARS_WITHIN_MS : 0,
      timeout_ms: CLEAN_UP_MS,
    };
    const { deleted } = await ask<{ deleted: boolean }>({ client: this.#client }, "delete", request);
    this.#done();
    return deleted;
  }

  #done(): void {
    this.#forget?.();
    this.#forget = undefined;
  }
}
