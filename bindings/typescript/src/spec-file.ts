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

/**
 * The workload of a file in YAML, TOML or JSON; with `slug`, that one of many. `${NAME}` and `${NAME:-default}` in it
 * come from the environment, now.
 *
 * Rejects with `ValidationError` (`line`, `column`, `problems`), and with `ConfigurationError` `secret_in_spec`.
 */
export async function specFromFile(path: string, options: { slug?: string } = {}): Promise<WorkloadSpec> {
  const [spec] = await read(path, { ...options, one: true });
  return spec as WorkloadSpec;
}

/** Every workload of a file, in the file's order. */
export function specsFromFile(path: string): Promise<WorkloadSpec[]> {
  return read(path, {});
}

async function read(path: string, options: { slug?: string; one?: boolean }): Promise<WorkloadSpec[]> {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    const words = `${path}: the name must end with one of ${Object.keys(FORMATS).join(", ")}`;
    throw new ValidationError(words, { code: "invalid_argument", field: "path" });
  }
  const content = await contentOf(path);
  const request = { ...options, name: path, format, environment: process.env };
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
