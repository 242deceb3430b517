"""What goes into a request: JSON and nothing else, named by its path where it is not."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import OrderedDict, UserDict
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
from clients import endpoint, management
from double import Double
from hypothesis import given
from hypothesis import strategies as st

from inferencekey import Backend, Timeouts, ValidationError
from inferencekey._marshal import Request, decode, encode, parted
from inferencekey._timeouts import clock_options, milliseconds

# Any character but lone surrogates, which are no characters.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=30,
)


def cyclic() -> dict[str, Any]:
    """A dict that holds itself two levels down."""
    outer: dict[str, Any] = {}
    outer["inner"] = [outer]
    return outer


def nested(depth: int) -> list[Any]:
    """That many lists, each in the next."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


class Level(IntEnum):
    """An integer with a name."""

    LOW = 1


class Text(str):
    """A string of somebody's own class."""


# Name, value of `config`, path, words of the complaint.
REFUSED: list[tuple[str, object, str, str]] = [
    ("NaN", {"a": [1.0, math.nan]}, "config.a[1]", "is nan, which JSON cannot hold"),
    ("infinity", {"a": -math.inf}, "config.a", "is -inf, which JSON cannot hold"),
    ("a key that is a number", {"a": {1: 2}}, "config.a", "has a key of type int"),
    ("a key that is None", {None: 2}, "config", "has a key of type NoneType"),
    ("a cycle", cyclic(), "config.inner[0]", "holds itself"),
    ("bytes", {"a": b"x"}, "config.a", "is of type bytes, which is no JSON"),
    ("a set", {"a": {1}}, "config.a", "is of type set, which is no JSON"),
    ("an object", object(), "config", "is of type object, which is no JSON"),
    ("a generator", (i for i in "ab"), "config", "is of type generator, which is no JSON"),
    ("a lone surrogate", {"a": "x\ud800"}, "config.a", "holds a lone surrogate at position 1"),
    ("one in a key", {"\udfff": 1}, "config", "holds a lone surrogate at position 0"),
    ("128 levels in a spec", nested(128), "config" + "[0]" * 127, "is nested deeper than 128"),
    ("an integer of many digits", {"a": 10**5000}, "config.a", "is an integer of 16610 bits"),
]


@pytest.mark.parametrize(
    ("value", "path", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_json_cannot_hold_is_named_by_its_path(value: object, path: str, words: str) -> None:
    """The complaint leads to the place in a large config (wire.md 1.4)."""
    with pytest.raises(ValidationError) as caught:
        encode("ensure", {"spec": {"name": "x", "config": value}})
    error = caught.value
    assert words in str(error)
    assert str(error).startswith("ensure: `config")
    assert (error.field, error.code, error.operation) == (path, "invalid_argument", "ensure")
    assert str(error).isprintable()
    assert error.hint


def test_arguments_are_named_by_their_own_names() -> None:
    """Outside of a spec the path starts with the parameter."""
    with pytest.raises(ValidationError, match=r"generate_text: `messages\[0\]\.content` is nan"):
        encode("generate_text", {"messages": [{"role": "user", "content": math.nan}]})


@pytest.mark.parametrize("key", ["ik_sdk_0123abcd_" + "f" * 64, "ik_live_ffff", "f" * 64])
def test_a_token_in_the_place_of_a_key_is_not_repeated(key: str) -> None:
    """A complaint never shows a token, wherever it was put, nor its first characters."""
    with pytest.raises(ValidationError) as caught:
        encode("ensure", {"spec": {"config": {key: math.nan}}})
    assert caught.value.field == "config.…"
    assert "ff" not in str(caught.value)


class Scalar:
    """What a number of numpy looks like."""

    def tolist(self) -> float:
        """Never called by us."""
        raise AssertionError

    __module__ = "numpy"


@dataclass
class Message:
    """A message as somebody's own class."""

    role: str


# Name, value, type as named, words of the hint.
CONVERSIONS: list[tuple[str, object, str, str]] = [
    ("a generator", (i for i in "ab"), "generator", "list()"),
    ("a set", {1}, "set", "list()"),
    ("a range", range(2), "range", "list()"),
    ("a view of a dict", {"a": 1}.values(), "dict_values", "list()"),
    ("a mapping", UserDict(a=1), "collections.UserDict", "dict()"),
    ("a read-only dict", MappingProxyType({}), "mappingproxy", "dict()"),
    ("a dataclass", Message("user"), "test_marshal.Message", "dataclasses.asdict()"),
    ("an array or number of numpy", Scalar(), "numpy.Scalar", ".tolist()"),
    ("a decimal", Decimal(1), "decimal.Decimal", "float()"),
    ("bytes", b"x", "bytes", "decode"),
    ("a class", object, "type", "JSON holds"),
]


@pytest.mark.parametrize(
    ("value", "kind", "hint"), [row[1:] for row in CONVERSIONS], ids=[row[0] for row in CONVERSIONS]
)
def test_what_is_no_json_is_named_with_what_makes_json_of_it(
    value: object, kind: str, hint: str
) -> None:
    """A generator is not run, an array not copied: the caller says what it shall be."""
    with pytest.raises(ValidationError) as caught:
        encode("embed", {"input": value})
    assert str(caught.value) == f"embed: `input` is of type {kind}, which is no JSON"
    assert hint in (caught.value.hint or "")


@given(JSON)
def test_every_json_value_arrives_as_it_is(value: object) -> None:
    """Integers of any size, floats bit for bit, every character, order of keys."""
    text = encode("ensure", {"config": value}).json
    assert decode(text) == {"config": value}
    # repr tells 1 from 1.0 and from True, and 0.0 from -0.0; equality does not.
    assert repr(decode(text)) == repr({"config": value})


@given(JSON)
def test_requests_are_compact_utf8(value: object) -> None:
    """What is sent has no blank and no escape that it does not need (wire.md 2.2)."""
    text = encode("ensure", {"config": value}).json.decode()
    assert text == json.dumps({"config": value}, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("letter", [*map(chr, range(32)), '"', "\\", "\x7f", "é", "\U0001f600"])
def test_long_texts_are_written_as_short_ones(letter: str) -> None:
    """Whatever stands in them, wherever: they are looked through many bytes at a time."""
    plain = "word " * 4000
    for text in (letter + plain, plain + letter, plain[:70] + letter * 3 + plain, letter * 20_000):
        request = {"before": 1, "prompt": text, "input": f"{plain}\\n", "after": True}
        expected = json.dumps(request, ensure_ascii=False, separators=(",", ":"))
        assert encode("generate_text", request).json == expected.encode()


def test_long_texts_with_half_a_character_are_refused() -> None:
    """As short ones are."""
    with pytest.raises(ValidationError, match="lone surrogate at position 20000"):
        encode("generate_text", {"prompt": "x" * 20_000 + "\ud800"})


def test_128_levels_are_allowed() -> None:
    """The limit itself is no error."""
    assert (
        encode("ensure", {"config": nested(128)}).json
        == b'{"config":' + b"[" * 128 + b"]" * 128 + b"}"
    )


def test_kin_of_json_types_are_taken_for_their_value() -> None:
    """Enums, tuples and subclasses of the builtins are what they hold."""
    value = {
        "enum": Backend.VLLM,
        "level": Level.LOW,
        "text": Text("x"),
        "tuple": (1, 2),
        "ordered": OrderedDict(b=1, a=2),
    }
    assert decode(encode("ensure", {"config": value}).json) == {
        "config": {
            "enum": "vllm",
            "level": 1,
            "text": "x",
            "tuple": [1, 2],
            "ordered": {"b": 1, "a": 2},
        }
    }


def test_the_same_value_twice_is_no_cycle() -> None:
    """Sharing is fine; only holding oneself is not."""
    shared = {"a": 1}
    assert decode(encode("ensure", {"config": [shared, shared]}).json) == {
        "config": [shared, shared]
    }


# Seconds, milliseconds.
LENGTHS = [(0, 0), (0.0001, 0.1), (1, 1000), (2.5, 2500), (math.inf, 2**53), (1e300, 2**53)]


@pytest.mark.parametrize(("seconds", "expected"), [*LENGTHS, (10**400, 2**53)])
def test_seconds_become_milliseconds(seconds: float, expected: float) -> None:
    """Floats are seconds; `math.inf` becomes longer than any clock."""
    assert milliseconds("timeout", seconds) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "not NoneType"),
        ("5", "not str"),
        (True, "not bool"),
        (math.nan, "not nan"),
        (-1, "not -1"),
        (-0.001, "not -0.001"),
    ],
)
def test_what_is_no_length_of_time_is_refused(seconds: object, words: str) -> None:
    """None, NaN and negative times are errors of the caller (wire.md 1.4)."""
    with pytest.raises(ValidationError, match=words) as caught:
        milliseconds("timeout", seconds)
    assert caught.value.field == "timeout"


def test_a_timeout_is_a_number_or_four_clocks() -> None:
    """What is not given is not sent, so that the core's own values hold (wire.md 3.2)."""
    assert clock_options(None) == {}
    assert clock_options(1.5) == {"timeout_ms": 1500}
    assert clock_options(Timeouts(idle=2, total=math.inf)) == {
        "timeouts": {"idle_ms": 2000, "total_ms": 2**53}
    }
    with pytest.raises(
        ValidationError, match=r"`timeout\.connect` must be 0 or more seconds, not -1"
    ):
        clock_options(Timeouts(connect=-1))


WITHOUT_PARTS = """
import sys
if sys.argv[1] == "without":
    sys.modules["_json"] = None
from inferencekey._marshal import decode, encode
print(encode("x", {"text": "ä\\n\\x7f", "all": [1, 2.5, None, True, {"a": []}]}).json)
print(decode(b'{"a":[1,2.50,1e400,-0,"\\\\u00e4",null,true]}'))
"""


def test_a_python_without_the_parts_in_c_of_json_works_too() -> None:
    """They are no public names of Python's, so a client has to do without them."""
    with_, without = (
        subprocess.run(
            [sys.executable, "-c", WITHOUT_PARTS, which], capture_output=True, check=True
        ).stdout
        for which in ("with", "without")
    )
    assert with_ == without
    assert len(with_.splitlines()) == 2


@pytest.mark.parametrize("text", ["", "p", ',"plan":', '\\","plan":{}', "é\n"])
def test_the_last_member_of_an_object_is_told_from_texts_that_look_like_it(text: str) -> None:
    """What `ensure` gives at once must not end inside of a slug."""
    whole = {"project_slug": text, "changed": False, "plan": {"notes": [text], "plan": text}}
    first, plan = parted(encode("ensure", whole).json, b',"plan":')
    assert {**first, "plan": decode(plan)} == whole


def test_the_attributes_of_a_spec_are_written_like_any_text() -> None:
    """Those that are no fields go along too, so that the core can name them."""
    spec = Request({"name": 'a"\n', 'odd"\\': Backend.VLLM, "n": 1.5, "f": True})
    assert json.loads(encode("plan", {"spec": spec}).json) == {"spec": spec}


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("generate_text", lambda mgmt, bot: bot.generate_text(prompt="Hi", timeout=-1)),
        ("generate_text_stream", lambda mgmt, bot: bot.generate_text_stream(prompt="", timeout="")),
        ("embed", lambda mgmt, bot: bot.embed(input="Hi", timeout=-1)),
        ("map", lambda mgmt, bot: bot.map(["Hi"], timeout=-1)),
        ("list", lambda mgmt, bot: mgmt.list(timeout=Timeouts(total=-1))),
        ("wait_until_ready", lambda mgmt, bot: mgmt.wait_until_ready("bot", timeout=-1)),
    ],
)
def test_a_refused_timeout_names_the_operation(operation: str, call: Any) -> None:
    """In the words and in the attribute (wire.md 5.3)."""
    with Double() as double, pytest.raises(ValidationError, match=f"^{operation}: ") as caught:
        call(management(double), endpoint(double))
    assert caught.value.operation == operation
    assert (caught.value.field or "").startswith("timeout")
    assert double.journal.requests == []
