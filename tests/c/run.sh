#!/usr/bin/env bash
# Builds the C programs against libinferencekey and runs them.
#
#     tests/c/run.sh                  everything
#     tests/c/run.sh exports          names, constants, SONAME and header of the library
#     tests/c/run.sh plain            the programs as they are, against the library as it is shipped
#     tests/c/run.sh memcheck         the same under valgrind
#     tests/c/run.sh asan             with AddressSanitizer (and its leak check) in program and core, UBSan in the program
#     tests/c/run.sh tsan             with ThreadSanitizer in both
#
# main needs a platform: the one that the INFERENCEKEY_ variables name, else it starts an embedded one for itself.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Each program, and the ways in which it runs. One that finds itself in trouble ends by its own alarm.
PROGRAMS='
pointers    plain memcheck asan
requests    plain memcheck asan
ownership   plain memcheck asan
callbacks   plain memcheck asan tsan
threads     plain memcheck asan tsan
forked      plain memcheck asan
native      plain memcheck asan tsan
throwing    plain
failing     plain
panics                     asan tsan
main        plain memcheck asan
'

BUILD=build/c
TARGET=${CARGO_TARGET_DIR:-$PWD/core/target}
WARNINGS=(-Wall -Wextra -Wpedantic -Werror)
FLAGS=(-D_GNU_SOURCE "${WARNINGS[@]}" -g -pthread -Iinclude)
CC=${CC:-cc}
CXX=${CXX:-c++}
VALGRIND=(valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite
    --errors-for-leak-kinds=definite)

# Sanitizers of the core need a compiler flag that is not stable; they ship with every toolchain all the same. The feature
# adds an operation that panics.
SANITIZED=(--profile sanitized --features test-panic)
declare -A SANITIZER=([asan]=address [tsan]=thread)
declare -A CORE_FLAGS=([asan]=-Zsanitizer=address
    [tsan]='-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer')
# Traps instead of a runtime of its own: there is room for one sanitizer's runtime, which is the core's.
UNDEFINED=(-fsanitize=undefined -fno-sanitize-recover=all -fsanitize-undefined-trap-on-error)
export RUST_BACKTRACE=0 # panics.c has many
export ASAN_OPTIONS=detect_stack_use_after_return=1
export TSAN_OPTIONS=halt_on_error=1:suppressions=$PWD/tests/c/tsan.supp

installed() { # on a contributor's machine a missing tool is said aloud; CI has to have it
    command -v "$1" > /dev/null && return
    echo "skipped: $1 is not installed" >&2
    [[ -z ${CI:-} ]] || exit 1
    return 1
}

# --- The library, and what is true of it before anything runs ----------------------------------------------------

SHIPPED=
shipped() { # the library as it is shipped, under the name that programs will look for
    [[ -z $SHIPPED ]] || return 0
    mkdir -p "$BUILD"
    SHIPPED=$(place "$(python3 build_library.py)" "$BUILD")
}

sanitized() { # sanitized WAY: the library with a sanitizer in it
    local host link=()
    host=$(rustc --version --verbose | sed -n 's/^host: //p')
    mkdir -p "$BUILD/$1"
    if [[ $1 == tsan ]]; then
        tell_tsan_about_std
        mapfile -t link < "$BUILD/tsan/link-args"
    fi
    (cd core && RUSTC_BOOTSTRAP=1 RUSTFLAGS=${CORE_FLAGS[$1]} cargo rustc --quiet --locked --package inferencekey-ffi \
        "${SANITIZED[@]}" --target "$host" --target-dir "$TARGET/$1" -- "${link[@]}")
    place "$TARGET/$1/$host/sanitized/libinferencekey.so" "$BUILD/$1"
}

tell_tsan_about_std() { # makes tsan_std.o, and the arguments that put it around three functions of the standard library
    local std name symbol defines=()
    std=$(echo "$(rustc --print target-libdir)"/libstd-*.rlib)
    readelf --symbols --wide "$std" 2> /dev/null > "$BUILD/tsan/std-symbols"
    for name in LOCK=Mutex14lock_contended WAIT=Condvar4wait WAIT_TIMEOUT=Condvar12wait_timeout; do
        symbol=$(awk -v end="${name#*=}\$" '$4 == "FUNC" && $8 ~ "3sys4sync.*5futex.*" end {print $8}' "$BUILD/tsan/std-symbols")
        if [[ -z $symbol ]]; then
            echo "error: this toolchain's standard library has no ${name#*=}: see tests/c/tsan_std.c" >&2
            exit 1
        fi
        defines+=("-D${name%%=*}=$symbol")
        echo "-Clink-arg=-Wl,--wrap=$symbol"
    done > "$BUILD/tsan/link-args"
    "$CC" -O1 -fPIC -c "${defines[@]}" tests/c/tsan_std.c -o "$BUILD/tsan/tsan_std.o"
    echo "-Clink-arg=$PWD/$BUILD/tsan/tsan_std.o" >> "$BUILD/tsan/link-args"
}

place() { # place FILE DIRECTORY: prints where the library is now
    local soname
    soname=$(readelf --dynamic --wide "$1" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
    cp "$1" "$2/$soname"
    echo "$2/$soname"
}

exports() {
    shipped
    nm --dynamic --defined-only "$SHIPPED" | awk '{print $3}' | LC_ALL=C sort | diff include/inferencekey.symbols -
    # Within one ABI version, constants keep their numbers: what stands in the list stands in the header.
    constants | diff tests/c/constants.txt - ||
        { echo "error: add new constants to tests/c/constants.txt; others may not change" >&2; exit 1; }
    local abi
    abi=$(awk '$2 == "IKEY_ABI_VERSION" {print $3}' include/inferencekey.h)
    if [[ $SHIPPED != *"/libinferencekey.so.$abi" ]]; then
        echo "error: $SHIPPED is not for ABI $abi: edit core/ffi/build.rs" >&2
        exit 1
    fi
    if grep --quiet 'as the test asks' "$SHIPPED"; then
        echo "error: $SHIPPED has the feature test-panic" >&2
        exit 1
    fi
    echo '#include "inferencekey.h"' | "$CC" -std=c99 "${WARNINGS[@]}" -Iinclude -fsyntax-only -x c -
    if installed "$CXX"; then
        echo '#include "inferencekey.h"' | "$CXX" -std=c++11 "${WARNINGS[@]}" -Iinclude -fsyntax-only -x c++ -
    fi
    echo "exports: $(wc -l < include/inferencekey.symbols) functions, $(basename "$SHIPPED")"
}

constants() {
    awk '$1 == "#define" && $2 ~ /^IKEY_/ {print $2, $3}' include/inferencekey.h
}

pointers() { # function and parameter of each pointer in the header, but for err: every call is made with and without it
    sed -e 's|//.*||' -e '/^#/d' -e '/^extern/d' include/inferencekey.h | tr '\n' ' ' | tr ';' '\n' |
        awk -F '[(),]' '!/typedef/ {
            n = split($1, function_words, /[ *]+/)
            for (at = 2; at < NF; at++) {
                m = split($at, words, /[ *]+/)
                if ($at ~ /\*|ikey_on_event|ikey_wake/ && words[m] != "err") print function_words[n], words[m]
            }
        }'
}

# --- The programs ----------------------------------------------------------------------------------

compiler() { # compiler PROGRAM: the command that compiles it, as words in COMPILE; SOURCE is its file
    SOURCE=tests/c/$1.c
    COMPILE=("$CC" -std=c11 "${FLAGS[@]}")
    if [[ ! -e $SOURCE ]]; then
        SOURCE=tests/c/$1.cpp
        COMPILE=("$CXX" -std=c++17 "${FLAGS[@]}")
    fi
}

compile() { # compile PROGRAM: against the library as it is shipped
    compiler "$1"
    "${COMPILE[@]}" "$SOURCE" -o "$BUILD/$1" "$SHIPPED" '-Wl,-rpath,$ORIGIN' -ldl
}

compile_sanitized() { # compile_sanitized WAY PROGRAM LIBRARY: with the core's own runtime, so that both speak to the same one
    local runtime
    runtime=$(echo "$(rustc --print target-libdir)"/librustc*_rt."$1".a)
    compiler "$2"
    "${COMPILE[@]}" "-fsanitize=${SANITIZER[$1]}" "${UNDEFINED[@]}" -fno-omit-frame-pointer -c "$SOURCE" -o "$BUILD/$1/$2.o"
    "${COMPILE[@]}" "$BUILD/$1/$2.o" -o "$BUILD/$1/$2" -Wl,--whole-archive "$runtime" -Wl,--no-whole-archive \
        -Wl,--export-dynamic "$3" '-Wl,-rpath,$ORIGIN' -ldl -lrt -lm -lresolv
}

programs() { # programs WAY: those that run in this way
    awk -v way="$1" '{for (at = 2; at <= NF; at++) if ($at == way) print $1}' <<< "$PROGRAMS"
}

run() { # run DIRECTORY PROGRAM RUNNER...
    if [[ $2 == main && -z ${INFERENCEKEY_BASE_URL:-} ]]; then
        .venv/bin/inferencekey local exec -- "${@:3}" "$1/$2"
    else
        "${@:3}" "$1/$2"
    fi
}

# --- The ways --------------------------------------------------------------------------------------

plain() {
    shipped
    for program in $(programs plain); do
        compile "$program"
        run "$BUILD" "$program"
    done
    diff <(pointers | sort) <("$BUILD/pointers" --list | sort) ||
        { echo "error: the table in tests/c/pointers.c is not the header's" >&2; exit 1; }
}

memcheck() {
    installed valgrind || return 0
    shipped
    for program in $(programs memcheck); do
        compile "$program"
        run "$BUILD" "$program" "${VALGRIND[@]}"
    done
}

with_sanitizer() { # with_sanitizer WAY
    local library
    library=$(sanitized "$1")
    for program in $(programs "$1"); do
        compile_sanitized "$1" "$program" "$library"
        # A build without the sanitizer, on either side, would pass everything.
        [[ $(nm "$BUILD/$1/$program") == *"__$1_init"* && $(nm --dynamic "$library") == *"U __$1_"* ]]
        run "$BUILD/$1" "$program"
    done
}

asan() { with_sanitizer asan; }
tsan() { with_sanitizer tsan; }

if [[ $# == 0 ]]; then
    set -- exports plain memcheck asan tsan
fi
for step in "$@"; do
    "$step"
done
