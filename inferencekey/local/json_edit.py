"""Change one value at the top of a JSON object and leave every other byte as it is.

The proxy needs another `model` in a body whose numbers, key order and spacing are the caller's
own."""

from __future__ import annotations

import json
import re

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


def replace_value(text: str, key: str, value: str) -> str:
    """`text` with the string `value` under `key`, which is added where it is missing.

    Raises ValueError where `text` is not one JSON object."""
    if not isinstance(json.loads(text), dict):
        raise ValueError("not a JSON object")
    new = json.dumps(value, ensure_ascii=False)
    spans = [span for name, span in _members(text) if name == key]
    for start, end in reversed(spans):
        text = text[:start] + new + text[end:]
    if spans:
        return text
    head, _, rest = text.partition("{")
    separator = "" if rest[_skip_space(rest, 0)] == "}" else ","
    return f"{head}{{{json.dumps(key)}:{new}{separator}{rest}"


def _members(text: str) -> list[tuple[str, tuple[int, int]]]:
    """Each key of the object with the place of its value. `text` is known to be a valid object."""
    members = []
    at = _skip_space(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        start = _skip_space(text, _skip_space(text, at) + 1)
        _, end = _DECODER.raw_decode(text, start)
        members.append((name, (start, end)))
        at = _skip_space(text, end)
        if text[at] == ",":
            at = _skip_space(text, at + 1)
    return members


def _skip_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
