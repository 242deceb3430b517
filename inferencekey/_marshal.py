"""Requests become JSON, answers become Python values.

What JSON cannot hold is refused here with the path of the place, because no JSON text could carry
it to the core; every other rule is the core's.
"""

from __future__ import annotations

from inferencekey._errors import ValidationError
from inferencekey._json_in_c import quoted, scanned, written

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, NoReturn

# Python's own stack has to end somewhere; the core's limit is the same (wire.md 1.4).
_DEPTH = 128
# A key may be a token in the wrong place, and then no part of it may be shown.
_LONG_KEY, _TOKEN = 40, "ik_"
_TEXT_AT = len('{"text":')


def _finite(number: float) -> str:
    if number - number != 0:
        raise ValueError
    return float.__repr__(number)


# Texts from here on are escaped letter by letter of the alphabet, not of the text.
_LONG_TEXT = 16384


def _escapes(letters: Iterable[str]) -> list[tuple[bytes, bytes]]:
    return [(letter.encode(), quoted(letter)[1:-1].encode()) for letter in letters]


# The backslash first: the other escapes have one.
_USUAL = _escapes('\\"\t\n\r')
_CONTROLS = _escapes(letter for letter in map(chr, range(32)) if letter not in "\t\n\r")


def _escaped(text: bytes) -> bytes:
    """A long text as it stands in a JSON string, ten times as fast as the encoder of `json`."""
    # Who has a long text to send has loaded the library.
    from inferencekey import _ffi

    for letter, escape in _USUAL + _CONTROLS if _ffi.has_controls(text) else _USUAL:
        # To look for one is much faster than to count them.
        if letter in text:
            text = text.replace(letter, escape)
    return text


class _Scalars(dict[type, "Callable[[Any], str]"]):
    """How scalars are written. No other thread can change them meanwhile: no copy is made."""

    __slots__ = ()

    def __missing__(self, kind: type) -> Callable[[Any], str]:
        if issubclass(kind, str):  # An enum's member, for example.
            return quoted
        raise KeyError(kind)


_SCALARS = _Scalars(
    {
        str: quoted,
        int: int.__repr__,
        float: _finite,
        bool: {True: "true", False: "false"}.__getitem__,
        type(None): lambda _: "null",
    }
)


class Request(dict[str, object]):
    """The arguments of a call: refused ones may hold a token, which no traceback is to show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<request: {', '.join(self)}>"


class Encoded:
    """A request as JSON, with the same care."""

    # It is not of the type bytes, since such a type could only be made of a copy.
    __slots__ = ("json",)

    def __init__(self, json: bytes) -> None:
        self.json = json

    def __reduce__(self) -> tuple[type[Encoded], tuple[bytes]]:
        # A client takes its configuration along; slots alone have no place in protocols 0 and 1.
        return Encoded, (self.json,)

    def __repr__(self) -> str:
        return f"<{len(self.json)} bytes of JSON>"


def encode(operation: str, request: Mapping[str, object] | Encoded) -> Encoded:
    """Compact UTF-8 JSON of `request` as it is at this moment; nothing is left to do for JSON.

    Raises ValidationError with the path in `.field`: `config.rope.factor`, `messages[0].content`.
    """
    if isinstance(request, Encoded):
        return request
    try:
        return _encoded(operation, request)
    except ValidationError as error:
        # The frames below hold what was refused, piece by piece.
        raise error.with_traceback(None) from None


def extended(operation: str, request: Encoded, more: Mapping[str, object]) -> Encoded:
    """The JSON of a request that has members, with `more` of them behind."""
    if not more:
        return request
    return Encoded(b"".join((request.json[:-1], b",", encode(operation, more).json[1:])))


def _flat(request: Request) -> str:
    """A request inside a request, such as a spec; its names may be the caller's own."""
    members = [f"{quoted(name)}:{_SCALARS[type(value)](value)}" for name, value in request.items()]
    return "{" + ",".join(members) + "}"


_SCALARS[Request] = _flat


def _encoded(operation: str, request: Mapping[str, object]) -> Encoded:
    try:
        # Most requests are a few scalars, which take a fifth of the encoder's time this way.
        done: list[bytes] = []
        pieces, before = ["{"], '"'
        for name, value in request.items():
            if type(value) is str and len(value) >= _LONG_TEXT:
                pieces += before, name, '":"'
                done += "".join(pieces).encode(), _escaped(value.encode())
                pieces = ['"']
            else:
                pieces += before, name, '":', _SCALARS[type(value)](value)
            before = ',"'
        pieces.append("}")
        rest = "".join(pieces).encode()
        return Encoded(b"".join((*done, rest)) if done else rest)
    except (KeyError, TypeError, ValueError):
        pass  # There is a container among them, or what JSON cannot hold: a snapshot says where.
    taken = Request()
    for name, value in request.items():
        # A spec's fields are known to callers under their own names.
        taken[name] = _Snapshot(operation).take(value, "" if name == "spec" else name)
    return Encoded(written(taken).encode())


def decode(text: bytes) -> Any:
    """The value of a JSON text that the core has checked; integers of any length are exact."""
    try:
        # Without the blanks around it that `json.loads` would allow, and much faster.
        return scanned(text.decode(), 0)[0]
    except (ValueError, StopIteration):
        # Blanks, or an integer of more than 4300 digits, which Python does not read in one go.
        import json

        return json.loads(text, parse_int=_long_integer)


def parted(head: bytes, last: bytes) -> tuple[Any, bytes]:
    """The object without its last member, which stays JSON until somebody wants it.

    last: how it begins, `,"plan":`. No text in the object can be taken for that: in JSON its quotes
    would be escaped.
    """
    first, _, rest = head.partition(last)
    return decode(first + b"}"), rest[:-1]


def leading_text(head: bytes) -> str:
    """The text of a head that has it first (docs/c-api.md, "Data plane"); the rest is not read."""
    text: str = scanned(head.decode(), _TEXT_AT)[0]
    return text


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
        words = f"is of type {_kind(value)}, which is no JSON"
        return self._refuse(path, words, _conversion(value))

    def _text(self, text: str, path: str) -> str:
        # Most text is ASCII, which is known without looking at it.
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError as error:
                words = f"holds a lone surrogate at position {error.start}, which is no character"
                self._refuse(path, words, "decode the text with errors='replace'")
        return text

    def _integer(self, number: int, path: str) -> int:
        try:
            int.__repr__(number)
        except ValueError:
            words = f"is an integer of {number.bit_length()} bits, too long to write"
            self._refuse(path, words, "give it as text")
        return number

    def _number(self, number: float, path: str) -> float:
        if number - number != 0:
            words = f"is {number!r}, which JSON cannot hold"
            self._refuse(path, words, "give a finite number, or leave it out")
        return number

    def _container(self, value: dict[Any, Any] | list[Any] | tuple[Any, ...], path: str) -> object:
        if any(value is other for other in self.around):
            self._refuse(path, "holds itself", "break the cycle")
        if len(self.around) == _DEPTH:
            self._refuse(path, f"is nested deeper than {_DEPTH} levels", "flatten the value")
        self.around.append(value)
        taken = self._dict(value, path) if isinstance(value, dict) else self._list(value, path)
        self.around.pop()
        return taken

    def _dict(self, value: dict[Any, Any], path: str) -> dict[str, object]:
        taken: dict[str, object] = {}
        for key, item in list(value.items()):
            if not isinstance(key, str):
                words = f"has a key of type {_kind(key)}, and JSON keys are strings"
                self._refuse(path, words, "make the key a string")
            name = self._text(str.__str__(key), path)
            if item is None:  # Like most fields of a spec: it needs no path.
                taken[name] = None
                continue
            step = "…" if len(name) > _LONG_KEY or _TOKEN in name else name
            taken[name] = self.take(item, f"{path}.{step}" if path else step)
        return taken

    def _list(self, value: list[Any] | tuple[Any, ...], path: str) -> list[object]:
        return [self.take(item, f"{path}[{index}]") for index, item in enumerate(tuple(value))]

    def _refuse(self, path: str, words: str, hint: str) -> NoReturn:
        # repr escapes what would disturb a terminal.
        shown = repr(path[:200])[1:-1]
        raise ValidationError(
            f"{self.operation}: `{shown}` {words}",
            field=path,
            operation=self.operation,
            hint=hint,
        )


def _kind(value: object) -> str:
    """The type's name, with its module where that says something: `numpy.float32`."""
    kind = type(value)
    builtin = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if builtin else f"{kind.__module__}.{kind.__qualname__}"


def _conversion(value: object) -> str:
    """What makes JSON of the value, judged by its type alone: the caller's code is not run."""
    kind = type(value)
    if issubclass(kind, (bytes, bytearray)):
        return "decode it: JSON holds text"
    for attribute, advice in (
        ("tolist", "convert it with its .tolist()"),
        ("__dataclass_fields__", "convert it with dataclasses.asdict()"),
        ("keys", "convert it with dict()"),
        ("__iter__", "convert it with list()"),
        ("__float__", "convert it with float() or str()"),
    ):
        if hasattr(kind, attribute):
            return advice
    return "JSON holds None, booleans, numbers, text, lists and dicts with string keys"
