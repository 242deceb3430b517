"""Requests become JSON, answers become Python values.

What JSON cannot hold is refused here with the path of the place, because no JSON text could carry
it to the core; every other rule is the core's.
"""

from __future__ import annotations

import json

from inferencekey._errors import ValidationError

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

# Python's own stack has to end somewhere; the core's limit is the same (wire.md 1.4).
_DEPTH = 128
_LONG_KEY = 40


def encode(operation: str, request: Mapping[str, object]) -> bytes:
    """Compact UTF-8 JSON of `request` as it is at this moment.

    Raises ValidationError with the path in `.field`: `config.rope.factor`, `messages[0].content`.
    """
    taken = {}
    for name, value in request.items():
        # A spec's fields are known to callers under their own names.
        taken[name] = _Snapshot(operation).take(value, "" if name == "spec" else name)
    return json.dumps(taken, ensure_ascii=False, separators=(",", ":")).encode()


def decode(text: bytes) -> Any:
    """The value of a JSON text that the core has checked; integers of any length are exact."""
    try:
        return json.loads(text)
    except ValueError:
        # Python refuses to read integers of more than 4300 digits in one go.
        return json.loads(text, parse_int=_long_integer)


def _long_integer(digits: str) -> int:
    from decimal import Decimal

    return int(Decimal(digits))


class _Snapshot:
    """Copies a value into dicts, lists, and exactly those scalars that JSON has.

    Later changes by the caller, or at the same time by another thread, do not reach the copy:
    containers are copied in one step each before their items are looked at.
    """

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.around: list[object] = []

    def take(self, value: object, path: str) -> object:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return self._text(str.__str__(value), path)
        if isinstance(value, int):
            return self._integer(int(value), path)
        if isinstance(value, float):
            return self._number(float(value), path)
        if isinstance(value, (dict, list, tuple)):
            return self._container(value, path)
        kind = type(value).__name__
        words = "bytes, and JSON holds text" if kind == "bytes" else f"{kind}, which is no JSON"
        return self._refuse(path, f"is {words}")

    def _text(self, text: str, path: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            place = f"at position {error.start}"
            self._refuse(path, f"holds a lone surrogate {place}, which is no character")
        return text

    def _integer(self, number: int, path: str) -> int:
        try:
            int.__repr__(number)
        except ValueError:
            self._refuse(path, f"is an integer of {number.bit_length()} bits, too long to write")
        return number

    def _number(self, number: float, path: str) -> float:
        if number - number != 0:
            self._refuse(path, f"is {number!r}, which JSON cannot hold")
        return number

    def _container(self, value: dict[Any, Any] | list[Any] | tuple[Any, ...], path: str) -> object:
        if any(value is other for other in self.around):
            self._refuse(path, "holds itself")
        if len(self.around) == _DEPTH:
            self._refuse(path, f"is nested deeper than {_DEPTH}")
        self.around.append(value)
        taken = self._dict(value, path) if isinstance(value, dict) else self._list(value, path)
        self.around.pop()
        return taken

    def _dict(self, value: dict[Any, Any], path: str) -> dict[str, object]:
        taken = {}
        for key, item in list(value.items()):
            if not isinstance(key, str):
                kind = type(key).__name__
                self._refuse(path, f"has a key of type {kind}, and JSON keys are strings")
            name = self._text(str.__str__(key), path)
            # Long keys are cut, because one may be a token in the wrong place.
            step = name if len(name) <= _LONG_KEY else f"{name[:12]}…"
            taken[name] = self.take(item, f"{path}.{step}" if path else step)
        return taken

    def _list(self, value: list[Any] | tuple[Any, ...], path: str) -> list[object]:
        return [self.take(item, f"{path}[{index}]") for index, item in enumerate(tuple(value))]

    def _refuse(self, path: str, words: str) -> NoReturn:
        # repr escapes what would disturb a terminal.
        shown = repr(path[:200])[1:-1]
        raise ValidationError(
            f"{self.operation}: `{shown}` {words}", field=path, operation=self.operation
        )
