"""Builds the Rust library, and the Python module that is linked against it.

All else about the package stands in `pyproject.toml`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import ExecError

# pip runs this file without its folder on the path.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from build_library import BuildError, build_library


class BuildNative(build_ext):
    """Builds `libinferencekey` first, links against it, and puts it beside the module."""

    library: Path

    def run(self) -> None:
        """Asks cargo at every build: it knows best whether a Rust source changed."""
        try:
            self.library = build_library()
        except BuildError as error:
            raise ExecError(str(error)) from error
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
