#!/usr/bin/env bash
# Writes include/inferencekey.h and include/inferencekey.symbols from the sources of core/ffi.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --quiet --locked --package inferencekey-header -- "$@"
