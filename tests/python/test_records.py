"""Results as values: frozen, comparable, picklable, and dataclasses to whoever asks."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import struct
from collections.abc import Callable
from typing import Any

import pytest

from inferencekey import (
    Change,
    EmbedResult,
    EndpointRef,
    Partial,
    Plan,
    ReadinessEvent,
    RetryPolicy,
    TextChunk,
    TextResult,
    Timeouts,
    Timing,
    Usage,
)
from inferencekey._vectors import Vectors

RECORDS = [
    EndpointRef("acme", "bot", plan=Plan("create"), changed=True),
    TextResult("Hi", "m", "stop", {"id": 1}),
    TextResult("Hi", "m", None, b'{"id": 1}'),
    TextResult("Hi", "m", usage=Usage(1, 2, 3), request_id="r1", timing=Timing(None, 0.5, 4.0)),
    Usage(1, None, 3),
    Timing(0.25, 0.5),
    TextChunk("Hi"),
    EmbedResult([[1.0, 2.0]], "m", {"data": []}),
    EmbedResult(Vectors(struct.pack("4d", 1, 2, 3, 4), 2), "m"),
    ReadinessEvent("ready", "", 12, "step"),
    Partial("Hel", [TextChunk("He"), TextChunk("l")]),
    Plan("update", [Change("model", "a", "b")], [], ["note"], 3),
    Change("config.a", None, [1]),
    Timeouts(connect=1.5),
    RetryPolicy(1, budget=7),
]
ids = [type(record).__name__ for record in RECORDS]


@pytest.mark.parametrize("record", RECORDS, ids=ids)
@pytest.mark.parametrize(
    "clone",
    [
        copy.copy,
        copy.deepcopy,
        lambda r: pickle.loads(pickle.dumps(r, 0)),
        lambda r: pickle.loads(pickle.dumps(r, 1)),
        lambda r: pickle.loads(pickle.dumps(r)),
    ],
)
def test_records_copy_and_pickle(record: Any, clone: Callable[[Any], Any]) -> None:
    """A result can go to another process, or into a cache."""
    twin = clone(record)
    assert twin == record
    assert hash(twin) == hash(record)
    assert repr(twin) == repr(record)


@pytest.mark.parametrize("record", RECORDS, ids=ids)
def test_records_never_change(record: Any) -> None:
    """A result that two threads share stays what it was."""
    for field in dataclasses.fields(record):
        with pytest.raises(dataclasses.FrozenInstanceError, match="never changes"):
            setattr(record, field.name, "other")
    with pytest.raises(AttributeError):
        record.unknown = 1


@pytest.mark.parametrize("record", RECORDS, ids=ids)
def test_records_are_dataclasses(record: Any) -> None:
    """`asdict` and `replace` work as they do on any dataclass."""
    assert dataclasses.is_dataclass(type(record))
    fields = dataclasses.asdict(record)
    assert list(fields) == [field.name for field in dataclasses.fields(record)]
    assert dataclasses.replace(record) == record


def test_a_ref_compares_by_its_address_alone() -> None:
    """Two ensures of one workload give equal refs, whatever they had to do (wire.md 6.1)."""
    first = EndpointRef("acme", "bot", plan=Plan("create"), changed=True)
    again = EndpointRef("acme", "bot", plan=Plan("unchanged"), changed=False)
    assert first == again
    assert hash(first) == hash(again)
    assert repr(first) == "EndpointRef(project_slug='acme', workload_slug='bot')"
    assert first.plan
    assert not again.plan
    assert first != EndpointRef("acme", "other")


def test_what_a_result_cost_is_not_what_it_is() -> None:
    """Two equal answers are equal, whatever they took (wire.md 6.1)."""
    made = TextResult("Hi", "m", usage=Usage(1, 2, 3), request_id="r1", timing=Timing(None, 0.5))
    assert made == TextResult("Hi", "m")
    assert hash(made) == hash(TextResult("Hi", "m"))
    assert repr(made) == repr(TextResult("Hi", "m"))
    twin = pickle.loads(pickle.dumps(made))
    assert (twin.usage, twin.request_id, twin.timing) == (made.usage, "r1", made.timing)
    # Numbers as the core hands them over.
    told = {"input_tokens": 1, "output_tokens": None, "total_tokens": 2**63}
    times = {"first_token_us": 1500, "total_us": 2500000, "tokens_per_second": 0.5}
    head = {"model": "m", "usage": told, "request_id": "r2", "timing": times}
    result = EmbedResult.from_answer(Vectors(b"", 1), head, b"{}")
    assert (result.model, result.request_id) == ("m", "r2")
    assert result.usage == Usage(1, None, 2**63)
    assert result.timing == Timing(0.0015, 2.5, 0.5)
    head["finish_reason"] = "stop"
    text = TextResult.from_answer("Hi", json.dumps(head).encode(), b"{}")
    assert (text.text, text.model, text.finish_reason) == ("Hi", "m", "stop")
    assert (text.usage, text.request_id, text.timing) == (result.usage, "r2", result.timing)
    assert pickle.loads(pickle.dumps(text)).usage == result.usage


def test_raw_is_parsed_once_and_untouched() -> None:
    """`.raw` keeps key order, unknown keys, long integers and exact floats (wire.md 3.1)."""
    long = "1" + "0" * 5000
    text = (
        f'{{"z":1,"a":{long},"f":0.1000000000000000055,"x":9007199254740993,"u":"\\ud83d\\ude00"}}'
    )
    result = TextResult("", "", None, text.encode())
    assert list(result.raw) == ["z", "a", "f", "x", "u"]
    assert result.raw["a"] == 10**5000
    assert result.raw["x"] == 2**53 + 1
    assert result.raw["f"] == 0.1
    assert result.raw["u"] == "\N{GRINNING FACE}"
    assert result.raw is result.raw


def test_embeddings_are_exact_and_made_once() -> None:
    """Rows come out of the core's buffer bit for bit."""
    numbers = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 2 / 3, 1.0]
    result = EmbedResult(Vectors(struct.pack("6d", *numbers), 3), "m")
    assert result.embeddings == [numbers[:3], numbers[3:]]
    assert str(result.embeddings[0][1]) == "-0.0"
    assert result.embeddings is result.embeddings


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (
            TextResult("Hi", "m", "stop", {"id": 1}),
            "TextResult(text='Hi', model='m', finish_reason='stop')",
        ),
        (TextChunk("Hi", raw=b'{"id": 1}'), "TextChunk(text='Hi', finish_reason=None)"),
        (
            EmbedResult(Vectors(bytes(8 * 768), 384), "m", {"data": []}),
            "EmbedResult(embeddings=<2 x 384>, model='m')",
        ),
        (EmbedResult([], "m"), "EmbedResult(embeddings=<0 x 0>, model='m')"),
    ],
)
def test_an_answer_prints_short(record: Any, shown: str) -> None:
    """A result at a prompt is one line; `.raw` and the numbers are there to be asked for."""
    assert repr(record) == shown


def test_raw_counts_in_equality() -> None:
    """What is not printed is compared all the same (wire.md 6.1)."""
    assert TextChunk("Hi", raw={"id": 1}) != TextChunk("Hi", raw={"id": 2})
    assert EmbedResult([[1.0]], "m") != EmbedResult([[2.0]], "m")


def test_match_statements_see_the_fields() -> None:
    """Records can be taken apart by position."""
    match TextChunk("Hi", "stop"):
        case TextChunk(text, reason):
            assert (text, reason) == ("Hi", "stop")


@pytest.mark.parametrize(
    ("action", "truth"),
    [("create", True), ("update", True), ("conflict", True), ("unchanged", False)],
)
def test_a_plan_is_true_if_there_is_something_to_do(action: str, truth: bool) -> None:
    """`if mgmt.plan(spec):` is the natural question."""
    assert bool(Plan(action)) is truth
