/** What the clients of both planes have in common. */
import { inspect } from "node:util";

import { ConfigurationError } from "./errors";
import { encode } from "./json";
import type { Names } from "./names";
import { guarded, NativeClient } from "./native";
import type { Course } from "./operation";
import { type Clocks, milliseconds, renamed, withClocks } from "./options";
import { type Retry, type RetryPolicy, retriesToCore } from "./retry";

const { version } = require("../package.json") as { version: string };

/** How a client behaves, on either plane. */
export interface ClientOptions extends Clocks {
  /** Origin of the platform, perhaps with a path prefix. */
  baseUrl?: string | undefined;
  /** Project slug. */
  project?: string | undefined;
  /** Sends after the first, where a repeat is safe; or a policy. Default 2. */
  retries?: number | RetryPolicy | undefined;
  /** Called before a request goes out again; what it throws ends the call and comes out unchanged. */
  onRetry?: ((retry: Retry) => void) | undefined;
  /** PEM file of the roots to trust, instead of the system's. */
  caBundle?: string | undefined;
  /** Permit plain http to hosts other than loopback. */
  allowHttp?: boolean | undefined;
}

/** The facts of a client that may be shown. */
interface Description {
  base_url: string;
  project: string | null;
  workload_slug: string | null;
  token: string | null;
}

/** A handle of the core, and what its calls share. */
export abstract class Handle {
  readonly #native: NativeClient;
  readonly #onRetry: ((retry: Retry) => void) | undefined;

  protected constructor(native: NativeClient, onRetry: ((retry: Retry) => void) | undefined) {
    this.#native = native;
    this.#onRetry = onRetry;
  }

  protected get native(): NativeClient {
    return this.#native;
  }

  protected get onRetry(): ((retry: Retry) => void) | undefined {
    return this.#onRetry;
  }

  protected course(signal: AbortSignal | undefined): Course {
    return { client: this.#native, onRetry: this.#onRetry, signal };
  }

  protected describe(): Description {
    return JSON.parse(this.#native.describe()) as Description;
  }

  /** For logs and debuggers: the token is shown by its beginning alone. */
  [inspect.custom](): string {
    const { base_url, project, workload_slug, token } = this.describe();
    const facts = [base_url, project, workload_slug, token].filter((fact) => fact !== null);
    return `<${this.constructor.name} ${facts.join(" ")}>`;
  }
}

/** Says that what is not given comes from the environment. */
export const FROM_ENV = Symbol("from the environment");

/** A client of one plane: `close()`, or `using`, ends its calls. Without it nothing is left open that a program waits for. */
export abstract class Client extends Handle {
  readonly #options: Record<string, unknown>;

  protected constructor(plane: "control" | "data", names: Names, options: object, source: symbol | undefined) {
    const given = renamed("options", options, names);
    const { on_retry: onRetry, ...others } = given;
    if (onRetry !== undefined && typeof onRetry !== "function") {
      throw new ConfigurationError("`onRetry` must be a function", { code: "configuration", field: "onRetry" });
    }
    const whole = coreOptions(plane, others, source === FROM_ENV);
    super(made(whole), onRetry as (retry: Retry) => void);
    this.#options = whole;
  }

  /** A client of the core with the same options, but for `changes`; closing this one does not end it. */
  protected twin(changes: Record<string, unknown> = {}): NativeClient {
    return made({ ...this.#options, ...changes });
  }

  /** Ends what runs on the client and its endpoints, and refuses new calls. Closing again does nothing. */
  close(): void {
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

function made(options: Record<string, unknown>): NativeClient {
  return guarded(() => new NativeClient(encode("client", options)));
}

function coreOptions(plane: string, given: Record<string, unknown>, fromEnv: boolean): Record<string, unknown> {
  const options = withClocks(given);
  if (options.retries !== undefined) options.retries = retriesToCore(options.retries);
  if (options.cold_start_ms !== undefined) {
    options.cold_start_ms = milliseconds("coldStartMs", options.cold_start_ms);
  }
  return {
    ...options,
    plane,
    from_env: fromEnv,
    environment: environment(),
    notices: true,
    user_agent: `inferencekey-typescript/${version}`,
  };
}

const OWN = /^(INFERENCEKEY_.*|SSL_CERT_FILE|SSL_CERT_DIR|REQUEST_METHOD|.*_proxy)$/i;

/** The variables that a client may read, as they are now: a worker thread has an environment of its own. */
function environment(): Record<string, string> {
  const entries = Object.entries(process.env).filter(([name]) => OWN.test(name));
  return Object.fromEntries(entries) as Record<string, string>;
}
