#!/usr/bin/env bash
# Notes what of the library is hot: runs the benchmark over an instrumented one, and keeps how often what ran, for the
# compiler at hand, in core/profiles. Needs what `make profile` makes ready, and llvm-profdata of the compiler's LLVM.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$PWD/build/profile
version=$(sed -n 's/^version = "\(.*\)"/\1/p' core/Cargo.toml)
release=$(rustc --version | cut -d ' ' -f 2)
host=$(rustc --version --verbose | sed -n 's/^host: //p')
profdata=${LLVM_PROFDATA:-$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata}
command -v "$profdata" >/dev/null || {
    echo "error: there is no $profdata: run \`rustup component add llvm-tools\`, or name another one in LLVM_PROFDATA" >&2
    exit 1
}

rm -rf "$work/wheel" "$work/site" "$work/raw"
# What cargo runs while it builds counts as well, and is not wanted.
CARGO_TARGET_DIR=$work/target RUSTFLAGS=-Cprofile-generate LLVM_PROFILE_FILE=/dev/null \
    .venv/bin/python -m build --wheel --no-isolation --outdir "$work/wheel" . >"$work.log" 2>&1 || { cat "$work.log"; exit 1; }
.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --target "$work/site" "$work"/wheel/*.whl

# Not `start` and `size`: they look at the wheel as it is installed for the benchmark.
PYTHONPATH=$work/site LLVM_PROFILE_FILE=$work/raw/%m-%p.profraw build/bench/venv/bin/python bench \
    --clients sdk_sync,sdk_async --quick --results "$work/results.json" \
    --rows unary,parallel,stream,first,connections,paced,lists,array,base64,prompt,ensure >/dev/null

"$profdata" merge --output "$work/merged.profdata" "$work/raw"
rm -f core/profiles/*.gz
profile=core/profiles/$version-rustc-$release.profdata.gz
gzip --best --no-name <"$work/merged.profdata" >"$profile"
ls -l "$profile"
