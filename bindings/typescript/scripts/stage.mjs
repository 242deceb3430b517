/**
 * Lays out the npm packages in build/npm: the root package, and one for each platform whose addon is here.
 *
 *     node scripts/stage.mjs
 *
 * The root package names every platform's as an optional dependency, so that npm installs the one that fits.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("..", import.meta.url));
const OUT = fileURLToPath(new URL("../../../build/npm", import.meta.url));

/** Rust's name of a target → what npm and the addon's loader call it. */
const PLATFORMS = {
  "x86_64-unknown-linux-gnu": { name: "linux-x64-gnu", os: "linux", cpu: "x64", libc: "glibc" },
  "aarch64-unknown-linux-gnu": { name: "linux-arm64-gnu", os: "linux", cpu: "arm64", libc: "glibc" },
  "x86_64-apple-darwin": { name: "darwin-x64", os: "darwin", cpu: "x64" },
  "aarch64-apple-darwin": { name: "darwin-arm64", os: "darwin", cpu: "arm64" },
};

const whole = JSON.parse(readFileSync(`${HERE}/package.json`, "utf-8"));
const { scripts: _, devDependencies: __, ...root } = whole;
const { version, license, engines, description, napi } = root;
const platforms = napi.targets.map((target) => PLATFORMS[target]);

rmSync(OUT, { recursive: true, force: true });
write("sdk", {
  ...root,
  optionalDependencies: Object.fromEntries(platforms.map(({ name }) => [`${root.name}-${name}`, version])),
});
// What make and the tests keep in dist is nobody's business.
const shipped = (path) => !/[/\\]dist[/\\](docs|\.built)/.test(path);
for (const file of root.files) cpSync(`${HERE}/${file}`, `${OUT}/sdk/${file}`, { recursive: true, filter: shipped });
cpSync(`${HERE}/../../LICENSE`, `${OUT}/sdk/LICENSE`);

for (const { name, os, cpu, libc } of platforms) {
  const addon = `${napi.binaryName}.${name}.node`;
  if (!existsSync(`${HERE}/${addon}`)) continue;
  write(name, {
    name: `${root.name}-${name}`,
    version,
    description: `${description} (the native part for ${name})`,
    license,
    engines,
    main: addon,
    files: [addon],
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
  });
  cpSync(`${HERE}/${addon}`, `${OUT}/${name}/${addon}`);
  cpSync(`${HERE}/../../LICENSE`, `${OUT}/${name}/LICENSE`);
  console.log(name);
}

function write(folder, content) {
  mkdirSync(`${OUT}/${folder}`, { recursive: true });
  writeFileSync(`${OUT}/${folder}/package.json`, `${JSON.stringify(content, null, 2)}\n`);
}
