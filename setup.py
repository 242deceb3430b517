"""Builds the Rust library with cargo, and the Python module that is linked against it.

All else about the package stands in `pyproject.toml`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import ExecError, PlatformError

ROOT = Path(__file__).resolve().parent
MANIFEST = ROOT / "core" / "Cargo.toml"


class BuildNative(build_ext):
    """Builds `libinferencekey` first, links against it, and puts it beside the module."""

    library: Path

    def run(self) -> None:
        """Asks cargo at every build: it knows best whether a Rust source changed."""
        self.library = build_library()
        for extension in self.extensions:
            extension.library_dirs.append(str(self.library.parent))
            # Without this line an edit in Rust would leave the old module linked.
            extension.depends.append(str(self.library))
        super().run()
        for module in map(Path, super().get_outputs()):
            module.parent.mkdir(parents=True, exist_ok=True)
            self._put_beside(module)
        if self.inplace:
            self._put_beside(Path(self.get_ext_fullpath("inferencekey._native")))

    def build_extensions(self) -> None:
        """Links without the run paths of the machine on which this Python was built."""
        linker = self.compiler.linker_so
        self.compiler.linker_so = [word for word in linker if not word.startswith("-Wl,-rpath")]
        super().build_extensions()

    def _put_beside(self, module: Path) -> None:
        shutil.copy2(self.library, module.with_name(shared_name(self.library)))

    def get_outputs(self) -> list[str]:
        """The module, and the library beside it."""
        modules = super().get_outputs()
        if not hasattr(self, "library"):
            return modules
        name = shared_name(self.library)
        return [*modules, *(str(Path(module).with_name(name)) for module in modules)]


def build_library() -> Path:
    """Path of the shared library, built in release mode from the committed lock file."""
    check_cargo()
    command = ["cargo", "build", "--release", "--locked", "--package", "inferencekey-ffi"]
    command += ["--manifest-path", str(MANIFEST), "--message-format", "json-render-diagnostics"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise ExecError(f"cargo could not build the Rust core (exit status {done.returncode})")
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and "cdylib" in message["target"]["kind"]:
            return Path(message["filenames"][0])
    raise ExecError("cargo built no shared library: the crate inferencekey-ffi names no cdylib")


def check_cargo() -> None:
    """Says in one sentence what is missing, before anything is compiled."""
    needed = re.search(r'^rust-version = "(.+)"', MANIFEST.read_text("utf-8"), re.MULTILINE)
    if needed is None:
        raise PlatformError(f"{MANIFEST} names no rust-version")
    advice = f"install Rust {needed[1]} or newer from https://rustup.rs and try again"
    try:
        answer = subprocess.run(["cargo", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PlatformError(
            f"inferencekey has a Rust core and cargo was not found: {advice}"
        ) from error
    found = re.search(r"\d+(\.\d+)+", answer.stdout)
    if found is None or version(found[0]) < version(needed[1]):
        raise PlatformError(
            f"inferencekey has a Rust core and {answer.stdout.strip()} is too old for it: {advice}"
        )


def version(text: str) -> tuple[int, ...]:
    """`1.95.0` as numbers that compare."""
    return tuple(int(part) for part in text.split("."))


def shared_name(library: Path) -> str:
    """The file name under which the loader looks for the library: its SONAME."""
    if sys.platform != "linux":
        return library.name
    dynamic = subprocess.run(
        ["readelf", "--dynamic", "--wide", str(library)], capture_output=True, text=True, check=True
    )
    soname = re.search(r"\(SONAME\).*\[(.+)\]", dynamic.stdout)
    return soname[1] if soname else library.name


setup(
    cffi_modules=["build_ffi.py:ffibuilder"],
    cmdclass={"build_ext": BuildNative},
    # One wheel serves every CPython from 3.10 on: the module uses the stable ABI only.
    options={"bdist_wheel": {"py_limited_api": "cp310"}},
)
