#!/usr/bin/env bash
# Packs the npm packages, installs them into an empty project, and calls the core from there: as ESM, as CommonJS, from TypeScript.
set -euo pipefail
cd "$(dirname "$0")/../.."
sources="$PWD/bindings/typescript"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

platform=$(node "$sources/scripts/stage.mjs")
for package in sdk "$platform"; do
    (cd "build/npm/$package" && npm pack --silent --pack-destination "$work")
done
odd=$(tar -tf "$work"/inferencekey-sdk-0*.tgz | grep -vE '^package/(dist/[a-z-]+\.(d\.ts|js)|(index|native)\.[a-z.]+|package\.json|README\.md|LICENSE)$' || true)
[ -z "$odd" ] || { echo "the package has what nobody needs: $odd"; exit 1; }
du -h "$work"/*.tgz | sed "s|$work/||"

mkdir "$work/project" && cd "$work/project"
echo '{ "name": "project", "private": true }' >package.json
# By file, as the registry does not have them: nothing else is asked for.
npm install --silent --no-audit --no-fund --omit optional "$work"/*.tgz

cat >main.mts <<'TS'
import { ManagementClient, PermissionDenied, type WorkloadSpec } from "@inferencekey/sdk";

const spec: WorkloadSpec = { name: "N", slug: "s", model: "m", backend: "vllm" };
try {
  new ManagementClient({ baseUrl: "https://example.test", sdkToken: "ik_live_x" });
} catch (error) {
  if (!(error instanceof PermissionDenied) || error.code !== "wrong_credential_type") throw error;
  console.log(`from TypeScript, ${spec.slug}: called`);
}
TS
cat >main.cjs <<'JS'
const { ManagementClient, PermissionDenied } = require("@inferencekey/sdk");
import("@inferencekey/sdk").then((esm) => {
  // One set of classes, however the package is loaded.
  if (esm.PermissionDenied !== PermissionDenied) throw new Error("two kinds of classes");
  try {
    new ManagementClient({ baseUrl: "https://example.test", sdkToken: "ik_live_x" });
  } catch (error) {
    if (!(error instanceof esm.PermissionDenied)) throw error;
    console.log("from CommonJS and ESM: called");
  }
});
JS
node main.cjs
"$sources/node_modules/.bin/tsc" --strict --module nodenext --target es2022 --lib es2023,esnext.disposable \
    --typeRoots "$sources/node_modules/@types" --types node --skipLibCheck false main.mts
node main.mjs
