"""The cffi build of `inferencekey._native`: the C header, against `libinferencekey`.

Everything that Python may call is read from `include/inferencekey.h`, so there is no second list
of functions. Where the library lies is not known here: `setup.py` builds it and adds the folder.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parent
HEADER = ROOT / "include" / "inferencekey.h"
# What Python calls besides: the functions above in groups that are one crossing each.
OWN_HEADER = ROOT / "inferencekey" / "_native.h"
OWN_SOURCE = OWN_HEADER.with_suffix(".c")

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
DEFINE = re.compile(r"#\s*define\s+(\w+)(\([^)]*\))?[ \t]*(.*)")
# 1, -1, (-1), 0x10, UINT32_C(7), ((int32_t)3): what cffi can take as an integer constant.
INTEGER = re.compile(r"\(*\s*(\(\w+\)|\w+_C\()?\s*-?\s*(0[xX][0-9a-fA-F]+|\d+)[uUlL]*[\s)]*$")


def declarations(header: str) -> str:
    """The header's declarations in the part of C that cffi parses.

    Comments, directives and `extern "C"` go; integer constants stay, with the value left to the C
    compiler; macros that stand for attributes (`IKEY_API`) vanish from the declarations that they
    decorate.
    """
    kept: list[str] = []
    attributes: list[str] = []
    skipped_depth = 0
    text = COMMENT.sub(" ", header).replace("\\\n", " ")
    for line in text.splitlines():
        directive = line.strip()
        if skipped_depth or re.match(r"#\s*ifdef\s+__cplusplus", directive):
            skipped_depth += _nesting(directive)
        elif not directive.startswith("#"):
            kept.append(line)
        elif define := DEFINE.match(directive):
            name, parameters, value = define.groups()
            if not parameters and INTEGER.match(value):
                kept.append(f"#define {name} ...")
            else:
                attributes.append(name)
    code = "\n".join(kept)
    for name in attributes:
        code = re.sub(rf"^(\s*){name}\b(\([^)]*\))?(?!\s*\.\.\.)", r"\1", code, flags=re.MULTILINE)
    return code


def _nesting(directive: str) -> int:
    if re.match(r"#\s*if", directive):
        return 1
    return -1 if re.match(r"#\s*endif", directive) else 0


def ffibuilder() -> FFI:
    """The module's description, as `setup.py` hands it to cffi."""
    ffi = FFI()
    for header in (HEADER, OWN_HEADER):
        ffi.cdef(declarations(header.read_text(encoding="utf-8")))
    origin = "@loader_path" if sys.platform == "darwin" else "$ORIGIN"
    ffi.set_source(
        "inferencekey._native",
        "\n".join(f'#include "{file.name}"' for file in (HEADER, OWN_HEADER, OWN_SOURCE)),
        include_dirs=[str(HEADER.parent), str(OWN_HEADER.parent)],
        libraries=["inferencekey"],
        depends=[str(file) for file in (HEADER, OWN_HEADER, OWN_SOURCE, Path(__file__))]
        + [str(ROOT / "setup.py")],
        # The library ships beside the module, wherever the package is installed.
        extra_compile_args=["-g0"],
        extra_link_args=[f"-Wl,-rpath,{origin}"],
    )
    return ffi
