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


# What `_ffi.py` keeps in boxes: variables of C that hold one handle, and free it when they go. They
# do so in C, because a signal handler may run, and raise, in whatever Python code runs then; there
# the exception would be lost, and Ctrl-C with it.
BOXED = ("client", "op", "event", "error")
FREE_BOXED = "static void free_boxed_{0}(ikey_{0} **box)"


def _nesting(directive: str) -> int:
    if re.match(r"#\s*if", directive):
        return 1
    return -1 if re.match(r"#\s*endif", directive) else 0


def ffibuilder() -> FFI:
    """The module's description, as `setup.py` hands it to cffi."""
    ffi = FFI()
    ffi.cdef(declarations(HEADER.read_text(encoding="utf-8")))
    signatures = [FREE_BOXED.format(kind) for kind in BOXED]
    ffi.cdef("".join(f"{signature};\n" for signature in signatures))
    bodies = [f"{{ (void)ikey_{kind}_free(*box); }}" for kind in BOXED]
    functions = [f"{signature} {body}" for signature, body in zip(signatures, bodies, strict=True)]
    origin = "@loader_path" if sys.platform == "darwin" else "$ORIGIN"
    ffi.set_source(
        "inferencekey._native",
        "\n".join(['#include "inferencekey.h"', *functions]),
        include_dirs=[str(HEADER.parent)],
        libraries=["inferencekey"],
        depends=[str(HEADER), str(ROOT / "build_ffi.py"), str(ROOT / "setup.py")],
        # The library ships beside the module, wherever the package is installed.
        extra_compile_args=["-g0"],
        extra_link_args=[f"-Wl,-rpath,{origin}"],
    )
    return ffi
