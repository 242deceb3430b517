/** The TypeScript in the documentation: the blocks of a page are one program, which is type-checked and run. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { ManagementClient } from "../index.mjs";
import "./support/state.mjs";

const run = promisify(execFile);
const mgmt = process.env.INFERENCEKEY_SDK_TOKEN && ManagementClient.fromEnv();
const root = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const pages = readdirSync(root("docs"), { recursive: true })
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);

/** The blocks of a page as one module; an import that stands in several blocks is made once. */
function program(page) {
  const text = readFileSync(root(page), "utf-8").replaceAll(/<!-- notation:[^>]*-->\n```ts\n.*?^```$/gms, "");
  const blocks = text.matchAll(/^( *)```ts[^\n]*\n(.*?)^ *```$/gms);
  const names = new Set();
  const code = [...blocks].map(([, indent, block]) =>
    block
      .replaceAll(new RegExp(`^${indent}`, "gm"), "")
      .replaceAll(/^import \{([^}]*)\} from "@inferencekey\/sdk";$/gm, (_, list) => {
        for (const name of list.split(",")) if (name.trim() !== "") names.add(name.trim());
        return "";
      }),
  );
  if (code.length === 0) return undefined;
  return `import { ${[...names].join(", ")} } from "@inferencekey/sdk";\n${code.join("\n")}`;
}

/** The files that a page shows, by their names: they stand where its program runs. */
function files(page) {
  const blocks = readFileSync(root(page), "utf-8").matchAll(/^```(?:yaml|toml|json) title="([^"]+)"\n(.*?)^```$/gms);
  return [...blocks].map(([, title, text]) => [title, text]);
}

/** A program of a page may have tests of its own, which report to nobody here. */
const { NODE_TEST_CONTEXT: _, ...ENVIRONMENT } = process.env;

const GIVEN = { "support-bot": "inferencekey-tiny", embedder: "inferencekey-tiny-embed" };

/** The workloads that a reader of the page already has, by its comments. */
async function give(page) {
  const text = readFileSync(root(page), "utf-8");
  const slugs = [...text.matchAll(/<!-- given: (.*?) -->/g)].flatMap(([, names]) => names.split(" "));
  for (const slug of slugs) {
    const taskType = slug === "embedder" ? "embedding" : "text2text";
    await mgmt.ensure({ name: "Bot", slug, model: GIVEN[slug], backend: "llamacpp", taskType });
    await mgmt.waitUntilReady(slug, { silent: true });
  }
}

/** Pages use the same names, so each begins without them. What is called `ts-…` belongs to other tests. */
async function clear() {
  for (const { slug } of await mgmt.list()) if (!slug.startsWith("ts-")) await mgmt.delete(slug);
}

const OPTIONS = [
  "--strict",
  "--module",
  "nodenext",
  "--target",
  "es2022",
  "--lib",
  "es2023,esnext.disposable",
  "--types",
  "node",
];

const skip = !process.env.INFERENCEKEY_SDK_TOKEN && "no platform runs";

describe("the documentation's programs", { skip }, () => {
  const programs = ["README.md", "bindings/typescript/README.md", ...pages]
    .map((page) => [page, program(page)])
    .filter(([, source]) => source !== undefined);
  // Inside the package, where its own name leads to it.
  const file = (page) => here(`dist/docs/${page.replaceAll("/", "-").replace(/\.md$/, "")}`);

  before(async () => {
    mkdirSync(here("dist/docs"), { recursive: true });
    for (const [page, source] of programs) {
      writeFileSync(`${file(page)}.mts`, source);
      mkdirSync(file(page), { recursive: true });
      for (const [title, text] of files(page)) {
        mkdirSync(dirname(join(file(page), title)), { recursive: true });
        writeFileSync(join(file(page), title), text);
      }
    }
    const sources = programs.map(([page]) => `${file(page)}.mts`);
    const checked = await run(here("node_modules/.bin/tsc"), [...OPTIONS, ...sources], { cwd: here("") }).catch(
      (error) => error,
    );
    assert.equal(checked.stdout, "");
  });
  for (const [page] of programs) {
    test(page, async () => {
      await clear();
      await give(page);
      const ran = await run(process.execPath, [`${file(page)}.mjs`], {
        timeout: 50_000,
        cwd: file(page),
        env: ENVIRONMENT,
      });
      assert.match(ran.stdout, /\S/);
    });
  }
  for (const example of readdirSync(here("examples"))) {
    test(example, async () => {
      await clear();
      const { stdout } = await run(process.execPath, [here(`examples/${example}`)], { timeout: 50_000 });
      assert.match(stdout, /deleted: true/);
    });
  }
});
