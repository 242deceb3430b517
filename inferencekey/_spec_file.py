"""Files of specs: found and read here; what stands in them is the core's business."""

from __future__ import annotations

import os

from inferencekey import _ffi, _marshal
from inferencekey._errors import InferenceKeyError, ValidationError
from inferencekey._secret import Secret, environment, with_secrets
from inferencekey._spec import WorkloadSpec

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# How a file is written, by the end of its name.
_FORMATS = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".json": "json"}
# The core refuses a larger file; more of it need not be read.
_MOST_BYTES = 2 * 1024 * 1024 + 1


def load(
    path: str | os.PathLike[str], *, slug: str | None = None, one: bool = False
) -> list[WorkloadSpec]:
    """The workloads of a file; with `slug` that one, with `one` the only one."""
    content, format = read(path)
    return parse(content, name=os.fsdecode(path), format=format, slug=slug, one=one)


def read(path: str | os.PathLike[str]) -> tuple[Secret, str]:
    """The content of a file, and its format."""
    if not isinstance(path, (str, os.PathLike)):
        _refuse(f"`path` must be a path, not {type(path).__name__}", "give a str or a Path")
    name = os.fsdecode(path)
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        words = f"ends with `{suffix}`" if suffix else "has no suffix"
        _refuse(f"{name}: the name {words}; known: {known}", "rename the file to what it holds")
    return _content(name), _FORMATS[suffix]


def parse(
    content: Secret, *, name: str, format: str, slug: str | None = None, one: bool = False
) -> list[WorkloadSpec]:
    """The workloads of a text; `name` is what errors call it, `format` yaml, toml or json."""
    shown = name.encode("utf-8", "replace").decode()
    request = _marshal.Request(name=shown, format=format, slug=slug, one=one)
    try:
        options = with_secrets(
            _marshal.encode("spec_file", request), {"environment": environment(b"")}
        )
        found = _marshal.decode(_ffi.spec_file_read(content, options))
    except InferenceKeyError as error:
        # The frames below hold what was refused.
        raise error.with_traceback(None) from None
    return [WorkloadSpec.from_answer(fields) for fields in found["specs"]]


def _content(name: str) -> Secret:
    """The file's bytes: a token may stand in them, and then no traceback is to show it."""
    try:
        with open(name, "rb") as file:
            return Secret(file.read(_MOST_BYTES))
    except IsADirectoryError:
        _refuse(f"{name}: it is a directory", "give the path of a file in it")
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        _refuse(f"{name}: cannot be read: {cause}", "check the path and who may read it")


def _refuse(words: str, hint: str) -> NoReturn:
    # What could disturb a terminal, and lone surrogates, are escaped.
    line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)
    raise ValidationError(line, field="path", hint=hint) from None
