"""Specs as source text: what `from_file` or Python reads back as an equal spec."""

from __future__ import annotations

import json
import re

from inferencekey import _marshal
from inferencekey._enums import _Text
from inferencekey._spec import WorkloadSpec, named

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_WIDTH = 88
# Text that no reader of YAML, old or new, takes for anything else without quotes.
_PLAIN = re.compile(r"[A-Za-z/](?:[ ]?(?:[\w./@+=,()'-]|:(?=[\w/])))*", re.ASCII)
_OTHER_TYPES = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
# A key of YAML that is longer needs a question mark before it.
_LONGEST_KEY = 1000


def to_yaml(spec: WorkloadSpec) -> str:
    """The spec as a spec file in YAML."""
    return _joined(_yaml_lines(_without_references(_fields("to_yaml", spec))))


def to_json(spec: WorkloadSpec) -> str:
    """The spec as a spec file in JSON."""
    fields = _without_references(_fields("to_json", spec))
    return json.dumps(fields, ensure_ascii=False, indent=2) + "\n"


def to_python(spec: WorkloadSpec) -> str:
    """The spec as an expression in Python."""
    arguments = [
        f"{name}={_python(named(name, value), len(name) + 5)},"
        for name, value in _fields("to_python", spec).items()
    ]
    return _joined(["WorkloadSpec(", *_indented("\n".join(arguments).split("\n"), 4), ")"])


def _fields(operation: str, spec: WorkloadSpec) -> dict[str, Any]:
    """What is set, as plain values; what cannot be written is refused as when it is sent."""
    values = {name: getattr(spec, name) for name in WorkloadSpec.__dataclass_fields__}
    given = _marshal.Request((name, value) for name, value in values.items() if value is not None)
    encoded = _marshal.encode(operation, _marshal.Request(spec=given))
    fields: dict[str, Any] = _marshal.decode(encoded.json)["spec"]
    return fields


def _without_references(value: Any) -> Any:
    """With `$${` for each `${` of a text, since files refer to the environment by that."""
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list):
        return [_without_references(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_references(item) for key, item in value.items()}
    return value


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _indented(lines: Iterable[str], width: int = 2) -> list[str]:
    return [" " * width + line if line else line for line in lines]


def _quoted(text: str) -> str:
    """Text in double quotes, by rules that YAML and Python share: JSON, and nothing invisible."""
    return "".join(
        char if char == " " or char.isprintable() else _escape(char)
        for char in json.dumps(text, ensure_ascii=False)
    )


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _yaml_lines(value: dict[str, Any] | list[Any]) -> list[str]:
    lines: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            written = _yaml_text(key)
            head = f"{written}:" if len(written) <= _LONGEST_KEY else f"? {written}\n:"
            lines += _yaml_entry(head, item)
        return "\n".join(lines).split("\n")
    for item in value:
        if isinstance(item, (dict, list)) and item:
            first, *others = _yaml_lines(item)
            lines += [f"- {first}", *_indented(others)]
        else:
            lines += _yaml_entry("-", item)
    return lines


def _yaml_entry(head: str, value: Any) -> list[str]:
    if isinstance(value, (dict, list)) and value:
        return [head, *_indented(_yaml_lines(value))]
    if isinstance(value, str) and _reads_well_as_block(value):
        keeps_end = value.endswith("\n")
        lines = value.removesuffix("\n").split("\n")
        return [f"{head} {'|' if keeps_end else '|-'}", *_indented(lines)]
    return [f"{head} {_yaml_scalar(value)}"]


def _reads_well_as_block(text: str) -> bool:
    """More than one line, and all of it visible: no tabs, no blanks that only count lines."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) == 1 or not lines[-1]:
        return False
    starts_at_once = lines[0][:1] not in ("", " ")
    return starts_at_once and all(line.isprintable() and line == line.rstrip() for line in lines)


def _yaml_scalar(value: Any) -> str:
    if isinstance(value, str):
        return _yaml_text(value)
    if isinstance(value, float):
        # Older readers want the point also in front of an exponent.
        mantissa, mark, exponent = repr(value).partition("e")
        return f"{mantissa if '.' in mantissa else f'{mantissa}.0'}{mark}{exponent}"
    return json.dumps(value)


def _yaml_text(text: str) -> str:
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _OTHER_TYPES
    return text if is_plain else _quoted(text)


def _python(value: Any, column: int) -> str:
    """The value as a literal that begins at this column; broken over lines where it is long."""
    if isinstance(value, _Text):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, str):
        lines = value.splitlines(keepends=True)
        if len(lines) > 1:
            return _broken("(", (_quoted(line) for line in lines), ")", "")
        return _quoted(value)
    if not isinstance(value, (dict, list)):
        return repr(value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    items = _python_items(value)
    flat = f"{opening}{', '.join(items)}{closing}"
    if not items or (column + len(flat) < _WIDTH and "\n" not in flat):
        return flat
    return _broken(opening, items, closing, ",")


def _python_items(value: dict[str, Any] | list[Any]) -> list[str]:
    if isinstance(value, list):
        return [_python(item, 4) for item in value]
    return [f"{_quoted(key)}: {_python(item, 6 + len(key))}" for key, item in value.items()]


def _broken(opening: str, items: Iterable[str], closing: str, comma: str) -> str:
    lines = "\n".join(f"{item}{comma}" for item in items).split("\n")
    return "\n".join([opening, *_indented(lines, 4), closing])
