/** The TypeScript in the documentation: the blocks of a page are one program, which is type-checked and run. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

const pages = readdirSync(root("docs"), { recursive: true })
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`);

/** The blocks of a page as one module; an import that stands in several blocks is made once. */
function program(page) {
  const text = readFileSync(root(page), "utf-8").replaceAll(/<!-- notation:[^>]*-->\n```ts\n.*?^```$/gms, "");
  const blocks = text.matchAll(/^( *)```ts\n(.*?)^ *```$/gms);
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

const OPTIONS = ["--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2023,esnext.disposable", "--types", "node"];

describe("the documentation's programs", { skip: !process.env.INFERENCEKEY_SDK_TOKEN && "no platform runs" }, () => {
  for (const page of ["README.md", "bindings/typescript/README.md", ...pages]) {
    const source = program(page);
    if (source === undefined) continue;
    test(page, async () => {
      // Inside the package, where its own name leads to it.
      const name = here(`dist/docs/${page.replaceAll("/", "-").replace(/\.md$/, "")}`);
      mkdirSync(here("dist/docs"), { recursive: true });
      writeFileSync(`${name}.mts`, source);
      const checked = await run(here("node_modules/.bin/tsc"), [...OPTIONS, `${name}.mts`], { cwd: here("") }).catch((error) => error);
      assert.equal(checked.stdout, "");
      const ran = await run(process.execPath, [`${name}.mjs`], { timeout: 50_000 });
      assert.match(ran.stdout, /\S/);
    });
  }
  for (const example of readdirSync(here("examples"))) {
    test(example, async () => {
      const { stdout } = await run(process.execPath, [here(`examples/${example}`)], { timeout: 50_000 });
      assert.match(stdout, /deleted: true/);
    });
  }
});
