"""Builds `libinferencekey` as it is shipped, and prints where it is: `python build_library.py`.

The compiler is told which code is hot if `core/profiles` has a file for the very release of rustc
at hand: another one names functions otherwise, and builds without it (docs/adr/0002).
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

CORE = Path(__file__).resolve().parent / "core"
MANIFEST = CORE / "Cargo.toml"


class BuildError(Exception):
    """The library cannot be built; says what to do."""


def build_library() -> Path:
    """Path of the shared library, built in release mode from the committed lock file."""
    check_cargo()
    command = ["cargo", "build", "--release", "--locked", "--package", "inferencekey-ffi"]
    command += ["--manifest-path", str(MANIFEST), "--message-format", "json-render-diagnostics"]
    if profile := unpacked_profile():
        # RUSTFLAGS of the environment win over this.
        command += ["--config", f"build.rustflags = {json.dumps([f'-Cprofile-use={profile}'])}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BuildError(f"cargo could not build the Rust core (exit status {done.returncode})")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and "cdylib" in message["target"]["kind"]:
            return Path(message["filenames"][0])
    raise BuildError("cargo built no shared library: the crate inferencekey-ffi names no cdylib")


def check_cargo() -> None:
    """Says in one sentence what is missing, before anything is compiled."""
    needed = in_manifest("rust-version")
    advice = f"install Rust {needed} or newer from https://rustup.rs and try again"
    answer = asked("cargo", advice)
    found = re.search(r"\d+(\.\d+)+", answer)
    if found is None or version(found[0]) < version(needed):
        raise BuildError(f"inferencekey has a Rust core and {answer} is too old for it: {advice}")


def in_manifest(key: str) -> str:
    """What the workspace says of all its crates."""
    found = re.search(rf'^{key} = "(.+)"', MANIFEST.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise BuildError(f"{MANIFEST} names no {key}")
    return found[1]


def asked(tool: str, advice: str) -> str:
    """What a tool says of its version."""
    try:
        answer = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(
            f"inferencekey has a Rust core and {tool} was not found: {advice}"
        ) from error
    return answer.stdout.strip()


def version(text: str) -> tuple[int, ...]:
    """`1.95.0` as numbers that compare."""
    return tuple(int(part) for part in text.split("."))


def unpacked_profile() -> Path | None:
    """The profile for the compiler at hand, as that reads it; None if there is none."""
    release = asked(os.environ.get("RUSTC", "rustc"), "install it beside cargo").split()[1]
    packed = CORE / "profiles" / f"{in_manifest('version')}-rustc-{release}.profdata.gz"
    if not packed.exists():
        return None
    content = gzip.decompress(packed.read_bytes())
    path = CORE / "target" / "profiles" / packed.stem
    # Cargo builds again when it is written.
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return path


if __name__ == "__main__":
    try:
        print(build_library())
    except BuildError as error:
        sys.exit(f"error: {error}")
