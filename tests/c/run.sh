#!/usr/bin/env bash
# Builds the C programs against libinferencekey and runs them.
#
#     tests/c/run.sh                  all of the below
#     tests/c/run.sh exports          names, SONAME and header of the library
#     tests/c/run.sh plain|asan|memcheck   each program in one way: as it is, with sanitizers, under valgrind
#
# main needs a platform: the one that the INFERENCEKEY_ variables name, else it starts an embedded one for itself.
set -euo pipefail
cd "$(dirname "$0")/../.."

PROGRAMS=(misuse concurrent main)
BUILD=build/c
VALGRIND=(valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite
    --errors-for-leak-kinds=definite)
FLAGS=(-std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -Wall -Wextra -Wpedantic -Werror -g -pthread -Iinclude)
CC=${CC:-cc}

library() { # the shared library, built from the sources as they are, under the name that programs will look for
    (cd core && cargo build --quiet --release --locked --package inferencekey-ffi)
    local built=${CARGO_TARGET_DIR:-core/target}/release/libinferencekey.so
    local soname
    soname=$(readelf --dynamic --wide "$built" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
    mkdir -p "$BUILD"
    cp "$built" "$BUILD/$soname"
    echo "$BUILD/$soname"
}

installed() { # on a contributor's machine a missing tool is said aloud; CI has to have it
    command -v "$1" > /dev/null && return
    echo "skipped: $1 is not installed" >&2
    [[ -z ${CI:-} ]] || exit 1
    return 1
}

exports() {
    nm --dynamic --defined-only "$LIBRARY" | awk '{print $3}' | LC_ALL=C sort | diff include/inferencekey.symbols -
    local abi
    abi=$(awk '$2 == "IKEY_ABI_VERSION" {print $3}' include/inferencekey.h)
    if [[ $LIBRARY != *"/libinferencekey.so.$abi" ]]; then
        echo "error: $LIBRARY is not for ABI $abi: edit core/ffi/build.rs" >&2
        exit 1
    fi
    echo '#include "inferencekey.h"' | "$CC" -std=c99 "${FLAGS[@]:3}" -fsyntax-only -x c -
    if installed "${CXX:-c++}"; then
        echo '#include "inferencekey.h"' | "${CXX:-c++}" -std=c++11 "${FLAGS[@]:3}" -fsyntax-only -x c++ -
    fi
    echo "exports: $(wc -l < include/inferencekey.symbols) functions, $(basename "$LIBRARY")"
}

compile() { # compile SUFFIX FLAG...
    for program in "${PROGRAMS[@]}"; do
        "$CC" "${FLAGS[@]}" "${@:2}" "tests/c/$program.c" -o "$BUILD/$program$1" "$LIBRARY" '-Wl,-rpath,$ORIGIN'
    done
}

run() { # run SUFFIX RUNNER...: a broken program ends by itself after some minutes
    "${@:2}" "$BUILD/misuse$1"
    "${@:2}" "$BUILD/concurrent$1"
    on_platform "${@:2}" "$BUILD/main$1"
}

on_platform() {
    if [[ -n ${INFERENCEKEY_BASE_URL:-} ]]; then
        "$@"
    else
        .venv/bin/inferencekey local exec -- "$@"
    fi
}

plain() {
    compile ""
    run ""
    documented
}

documented() { # the program of docs/c-api.md
    awk '/^```c$/ {copy = 1; next} /^```$/ {copy = 0} copy' docs/c-api.md > "$BUILD/documented.c"
    "$CC" "${FLAGS[@]}" "$BUILD/documented.c" -o "$BUILD/documented" "$LIBRARY" '-Wl,-rpath,$ORIGIN'
    on_platform "$BUILD/documented" | grep --fixed-strings '{"workloads":['
}

asan() {
    compile -asan -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
    # A build without the sanitizer would pass everything.
    [[ $(nm "$BUILD/misuse-asan") == *__asan_init* ]]
    run -asan
}

memcheck() {
    installed valgrind || return 0
    compile ""
    run "" "${VALGRIND[@]}"
}

LIBRARY=$(library)
if [[ $# == 0 ]]; then
    set -- exports plain asan memcheck
fi
for step in "$@"; do
    "$step"
done
