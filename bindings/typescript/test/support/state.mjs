/** A folder for notes of ephemeral workloads, in place of the user's own: for this process and its children. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

export const STATE = mkdtempSync(join(tmpdir(), "inferencekey-"));
process.env.INFERENCEKEY_STATE_DIR = STATE;
after(() => rmSync(STATE, { recursive: true, force: true }));

/** What is noted down at this moment: of each file all facts, the later ones over the earlier ones. */
export function notes() {
  const folder = join(STATE, "ephemeral");
  let names = [];
  try {
    names = readdirSync(folder);
  } catch {}
  return names.map((name) => {
    const lines = readFileSync(join(folder, name), "utf8").trim().split("\n");
    return Object.assign({}, ...lines.map((line) => JSON.parse(line)));
  });
}
