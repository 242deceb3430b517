/** Files of specs: found and read here; what stands in them is the core's business. */
import { readFile } from "node:fs/promises";
import { extname } from "node:path";

import { ValidationError } from "./errors";
import { encode } from "./json";
import { guarded, readSpecFile } from "./native";
import { specFromCore, type WorkloadSpec } from "./spec";

/** How a file is written, by the end of its name. */
const FORMATS: Readonly<Record<string, string>> = {
  ".yaml": "yaml",
  ".yml": "yaml",
  ".toml": "toml",
  ".json": "json",
};

export interface SpecFileOptions {
  /** What `${NAME}` in the file means. Default: `process.env`. */
  environment?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * The workload of a file in YAML, TOML or JSON; with `slug`, that one of many. `${NAME}` and `${NAME:-default}` in it
 * come from the environment.
 *
 * Rejects with `ValidationError` (`line`, `column`, `problems`), and with `ConfigurationError` `secret_in_spec`.
 */
export async function specFromFile(
  path: string,
  options: SpecFileOptions & { slug?: string } = {},
): Promise<WorkloadSpec> {
  const [spec] = await read(path, { ...options, one: true });
  return spec as WorkloadSpec;
}

/** Every workload of a file, in the file's order. */
export function specsFromFile(path: string, options: SpecFileOptions = {}): Promise<WorkloadSpec[]> {
  return read(path, options);
}

type Reading = SpecFileOptions & { slug?: string; one?: boolean };

async function read(path: string, options: Reading): Promise<WorkloadSpec[]> {
  if (typeof path !== "string") {
    throw new ValidationError("`path` must be a string", { code: "invalid_argument", field: "path" });
  }
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    const words = `${path}: the name must end with one of ${Object.keys(FORMATS).join(", ")}`;
    throw new ValidationError(words, { code: "invalid_argument", field: "path" });
  }
  const content = await contentOf(path);
  const request = { environment: process.env, ...options, name: path, format };
  const answer = guarded(() => readSpecFile(content, encode("spec_file", request)));
  return (JSON.parse(answer) as { specs: Record<string, unknown>[] }).specs.map(specFromCore);
}

async function contentOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const words = `${path}: cannot be read: ${(cause as Error).message}`;
    throw new ValidationError(words, { code: "invalid_argument", field: "path", cause });
  }
}
