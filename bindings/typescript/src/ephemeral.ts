/** A workload for the time of a block. */
import { Endpoint } from "./data";
import { ConfigurationError, ValidationError } from "./errors";
import { encode } from "./json";
import { Lease } from "./lease";
import { EPHEMERAL } from "./names";
import { guarded, type NativeClient } from "./native";
import type { Course } from "./operation";
import { checkSignal, milliseconds, refuseUnknown, renamed } from "./options";
import { checkWait, type WaitOptions, waitUntilReady } from "./readiness";
import type { Retry } from "./retry";
import { specToCore, type WorkloadSpec } from "./spec";

export interface EphemeralOptions extends WaitOptions {
  /** Data key of the endpoint; default: `INFERENCEKEY_API_KEY`. */
  apiKey?: string | undefined;
  /** Delete the workload after so many milliseconds, even if the block still runs. */
  maxLifetimeMs?: number | undefined;
  /** Keep the workload if the block throws, to look at it. Only with a block: beside `await using`, call `keep()`. */
  keepOnError?: boolean | undefined;
}

/** The workload's endpoint; `await using`, or `delete()`, deletes the workload if this call created it. */
export interface Ephemeral extends Endpoint, AsyncDisposable {
  /** True if this call removed it; false if it was there before, or is gone already. */
  delete(): Promise<boolean>;
  /** The workload stays after the block. If it has a `maxLifetimeMs`, `gc` deletes it afterwards. */
  keep(): void;
}

export type Block<T> = (bot: Ephemeral) => T | PromiseLike<T>;

type Courses = (signal: AbortSignal | undefined) => Course;

/** Clients beside that of the caller, with its configuration: the caller may close its own at any time. */
interface Clients {
  control: () => NativeClient;
  data: (project: string | undefined, apiKey: string | undefined) => NativeClient;
  onRetry: ((retry: Retry) => void) | undefined;
}

/** Creates the workload if it is absent, and waits until it is ready; with a block, deletes it after it. */
export async function ephemeral<T>(
  courses: Courses,
  clients: Clients,
  spec: WorkloadSpec,
  options: EphemeralOptions | undefined,
  block: Block<T> | undefined,
): Promise<Ephemeral | T> {
  renamed("options", options, EPHEMERAL);
  refuseUnknown("ephemeral", options ?? {}, EPHEMERAL);
  const { keepOnError, ...others } = options ?? {};
  checkBlock(block, keepOnError);
  const bot = await entered(courses, clients, spec, others);
  return block === undefined ? bot : run(bot, block, keepOnError === true);
}

async function entered(
  courses: Courses,
  clients: Clients,
  spec: WorkloadSpec,
  options: EphemeralOptions,
): Promise<Ephemeral> {
  const { apiKey, project, signal, maxLifetimeMs, ...wait } = options;
  const fields = specToCore(spec);
  checkWait(wait);
  const lifetime = checkedLifetime(maxLifetimeMs);
  checkSignal(signal);
  signal?.throwIfAborted();
  const client = clients.data(project ?? spec.project, apiKey);
  const address = encode("endpoint", { workload_slug: spec.slug });
  const endpoint = new Endpoint(
    guarded(() => client.endpoint(address)),
    clients.onRetry,
  );
  const lease = new Lease(clients.control());
  try {
    const made = await lease.create(courses(signal), { spec: fields, project, maxLifetimeMs: lifetime });
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
    keep: () => lease.keep(),
    [Symbol.asyncDispose]: async () => void (await leave()),
  });
}

/** The block's own failure is what comes out, whatever the clean-up does. */
async function run<T>(bot: Ephemeral, block: Block<T>, keepOnError: boolean): Promise<T> {
  let result: T;
  try {
    result = await block(bot);
  } catch (error) {
    if (keepOnError) bot.keep();
    await bot.delete().catch(warn);
    throw error;
  }
  await bot.delete();
  return result;
}

function warn(error: unknown): void {
  process.emitWarning(`after the block had failed: ${String(error)}`, "EphemeralWarning");
}

function checkBlock(block: unknown, keepOnError: unknown): void {
  if (block !== undefined && typeof block !== "function") {
    throw new ValidationError("`block` must be a function", { code: "invalid_argument", field: "block" });
  }
  if (keepOnError !== undefined && typeof keepOnError !== "boolean") {
    throw new ValidationError("`keepOnError` must be true or false", {
      code: "invalid_argument",
      field: "keepOnError",
    });
  }
  if (keepOnError !== true || block !== undefined) return;
  throw new ConfigurationError("`keepOnError` needs to see the block fail, and there is none", {
    code: "configuration",
    field: "keepOnError",
    hint: "give the block as the third argument, or call `keep()` on what `ephemeral` gives",
  });
}

/** `undefined` for a lifetime without end. */
function checkedLifetime(given: number | undefined): number | undefined {
  if (given === undefined) return undefined;
  milliseconds("maxLifetimeMs", given);
  if (given > 0) return given === Infinity ? undefined : given;
  throw new ValidationError("`maxLifetimeMs` must be more than 0", {
    code: "invalid_argument",
    field: "maxLifetimeMs",
    hint: "leave it out for a workload that lives as long as its block",
  });
}
