"""A 200 with a bad body (faults.md 3.5): never a half-right result, never a foreign exception."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clients import LIVE, SPEC, completion, endpoint, management
from double import Double, answer
from hypothesis import given
from hypothesis import strategies as st

from inferencekey import (
    ApiError,
    InferenceKeyError,
    LimitExceeded,
    NotFound,
    ProtocolError,
    TextResult,
    Workload,
)


def chat(body: object) -> TextResult:
    """What a chat call makes of this body; it is one request whatever happens."""
    with Double(answer(body)) as double:
        try:
            return endpoint(double).generate_text(prompt="Hi")
        finally:
            assert len(double.journal.requests) == 1


def embed(body: object, inputs: int = 2) -> list[list[float]]:
    """What an embeddings call makes of this body."""
    with Double(answer(body)) as double:
        try:
            return endpoint(double).embed(input=["x"] * inputs).embeddings
        finally:
            assert len(double.journal.requests) == 1


def list_workloads(body: object) -> list[Workload]:
    """What a list call makes of this body."""
    with Double(answer(body)) as double:
        try:
            return management(double).list()
        finally:
            assert len(double.journal.requests) == 1


CALLS: dict[str, Callable[[object], object]] = {
    "chat": chat,
    "embed": embed,
    "list": list_workloads,
}

DEEP = 100_000
GOOD = json.dumps(completion("Hi")).encode()

# Neither JSON of the right kind nor anything else that an answer could be.
NO_ANSWERS: list[tuple[str, bytes]] = [
    ("a captive portal", b"<!DOCTYPE html><html><title>Log in</title></html>"),
    ("nothing", b""),
    ("blanks", b" \r\n"),
    ("a string", b'"ok"'),
    ("a number", b"7"),
    ("true", b"true"),
    ("an empty object", b"{}"),
    ("two documents", GOOD + GOOD),
    ("a tail", GOOD + b"x"),
    ("half of one", GOOD[: len(GOOD) // 2]),
    ("deep lists", b"[" * DEEP + b"]" * DEEP),
    ("deep lists without an end", b"[" * DEEP),
    ("deep objects", b'{"data":' * DEEP + b"1" + b"}" * DEEP),
    ("invalid UTF-8", b'{"data": "\xff", "choices": "\xff", "workloads": "\xff"}'),
    ("a lone surrogate", b'{"data": "\\ud800", "choices": "\\ud800", "workloads": "\\ud800"}'),
    ("NaN", b'{"choices": NaN, "data": NaN, "workloads": NaN}'),
    ("a NUL", b"\x00"),
    ("a byte order mark alone", b"\xef\xbb\xbf"),
    ("UTF-16", GOOD.decode().encode("utf-16")),
]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("body", [row[1] for row in NO_ANSWERS], ids=[r[0] for r in NO_ANSWERS])
def test_what_is_no_answer_is_a_protocol_error(
    call: Callable[[object], object], body: bytes
) -> None:
    """One request, one typed error, with the status."""
    with pytest.raises(ProtocolError) as caught:
        call(body)
    assert (caught.value.status, caught.value.attempts) == (200, 1)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("call", [("generate_text", "prompt"), ("embed", "input")])
def test_a_page_in_place_of_a_model_is_named_and_says_what_to_check(call: tuple[str, str]) -> None:
    """A wrong base URL, or somebody's login page."""
    name, argument = call
    page = answer(b"<html>Log in</html>", headers={"content-type": "text/html; charset=utf-8"})
    with Double(page) as double, pytest.raises(ProtocolError) as caught:
        getattr(endpoint(double), name)(**{argument: "Hi"})
    assert "not JSON (expected value); it is labelled `text/html`" in str(caught.value)
    assert caught.value.hint is not None
    assert "check `base_url`" in caught.value.hint


@pytest.mark.parametrize("body", [b"[]", b"null", b"[1]", b"[null]"])
@pytest.mark.parametrize("call", [chat, embed])
def test_a_list_is_no_answer_of_the_data_plane(
    call: Callable[[object], object], body: bytes
) -> None:
    """Of the control plane it is one (wire.md 2.5)."""
    with pytest.raises(ProtocolError):
        call(body)


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (chat, b'{"choices":' + b"[" * 1000 + b"]" * 1000 + b"}"),
        (chat, GOOD[:-1] + b',"x":' + b"[" * 200 + b"]" * 200 + b"}"),
        (embed, b'{"data":[],"x":' + b"[" * 200 + b"]" * 200 + b"}"),
        (list_workloads, b"[" * 200 + b"]" * 200),
    ],
    ids=["in the answer", "beside the answer", "beside embeddings", "in a list"],
)
def test_nesting_ends_at_a_named_limit(call: Callable[[object], object], body: bytes) -> None:
    """128 levels, which every language's own reader can take."""
    with pytest.raises(LimitExceeded, match="limit `json_depth`") as caught:
        call(body)
    assert caught.value.limit == "json_depth"


def replaced(node: Any, value: object) -> Iterator[tuple[str, Any]]:
    """The document with each of its nodes in turn replaced, and the path of that node."""
    yield "", value
    entries = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, child in entries:
        for path, changed in replaced(child, value):
            copy = dict(node) if isinstance(node, dict) else list(node)
            copy[key] = changed
            step = f"[{key}]" if isinstance(node, list) else f".{key}"
            yield f"{step}{path}", copy


ODD: list[object] = [None, True, 7, -1.5, "x", "", [], [None], {}, {"x": 1}]

# What is allowed to stand where (wire.md 3.1), so that the rest has to be an error.
CHAT_FREE = {".id", ".model", ".choices[0].index", ".choices[0].message.role",
             ".choices[0].finish_reason"}  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=json.dumps)
def test_every_node_of_a_chat_answer_replaced(value: object) -> None:
    """The error names the path, or the node does not matter; nothing else comes out."""
    for path, document in replaced(completion("Hi"), value):
        if path in CHAT_FREE:
            assert chat(document).text == "Hi", path
            continue
        if path == ".choices[0].message.content":
            texts = {"null": "", '"x"': "x", '""': "", "[]": ""}
            if (expected := texts.get(json.dumps(value))) is not None:
                assert chat(document).text == expected
                continue
        with pytest.raises(ProtocolError) as caught:
            chat(document)
        if path.startswith(".choices"):
            assert "`choices" in str(caught.value), (path, value)


EMBEDDINGS = {
    "object": "list",
    "model": "m-1",
    "data": [{"index": 0, "embedding": [0.5, 1]}, {"index": 1, "embedding": [2, 3]}],
    "usage": {"total_tokens": 3},
}


@pytest.mark.parametrize("value", ODD, ids=json.dumps)
def test_every_node_of_an_embeddings_answer_replaced(value: object) -> None:
    """As for chat: every number and every index has to be right."""
    for path, document in replaced(EMBEDDINGS, value):
        if path.startswith((".object", ".model", ".usage")):
            assert embed(document) == [[0.5, 1], [2, 3]]
            continue
        if ".embedding[" in path and isinstance(value, (int, float)) and value is not True:
            assert value in [number for row in embed(document) for number in row]
            continue
        with pytest.raises(ProtocolError) as caught:
            embed(document)
        if path.startswith(".data["):
            assert "`data" in str(caught.value), (path, value, str(caught.value))


@pytest.mark.parametrize("value", ODD, ids=json.dumps)
def test_every_node_of_a_list_replaced(value: object) -> None:
    """An odd workload never breaks the others, and is never taken for another."""
    other = {**LIVE, "id": "wl_2", "slug": "other"}
    for path, document in replaced({"workloads": [LIVE, other]}, value):
        with Double(answer(document)) as double:
            mgmt = management(double)
            try:
                found = mgmt.get("other")
            except (ProtocolError, NotFound):
                assert not path.startswith(".workloads[0]"), (path, value)
            else:
                assert found["id"] == "wl_2" or path.endswith("[1].id")
            assert all(request.method == "GET" for request in double.journal.requests)


@pytest.mark.parametrize("body", [row[1] for row in NO_ANSWERS], ids=[r[0] for r in NO_ANSWERS])
def test_nothing_is_created_on_the_strength_of_a_bad_list(body: bytes) -> None:
    """An unreadable list does not say that the workload is absent."""
    with Double(lambda _: answer(body)) as double:
        with pytest.raises(ProtocolError):
            management(double).ensure(SPEC)
        assert [request.method for request in double.journal.requests] == ["GET"]


FINE: list[tuple[str, object, str]] = [
    ("null content", {"role": "assistant", "content": None}, ""),
    ("tool calls alone", {"role": "assistant", "tool_calls": [{"id": "t"}]}, ""),
    ("parts", {"content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}, "Hi"),
    ("other parts", {"content": [{"type": "image"}, {"type": "text", "text": "i"}]}, "i"),
    ("unknown fields", {"content": "Hi", "x": {"y": [1, None]}, "reasoning": "because"}, "Hi"),
    ("a surrogate pair", {"content": "\U0001f600 \u2028"}, "\U0001f600 \u2028"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "text"), [row[1:] for row in FINE], ids=[r[0] for r in FINE])
def test_unusual_messages_are_fine(message: object, text: str) -> None:
    """What the platform's engines really send."""
    result = chat({"choices": [{"message": message, "x": 1}], "error": None, "extra": {"a": [1]}})
    assert (result.text, result.model, result.finish_reason) == (text, "", None)


@pytest.mark.parametrize("filler", ["null", '""', "[ ]", "{ }", "{}"])
def test_an_error_key_with_nothing_in_it_is_no_error(filler: str) -> None:
    """Some engines send the key along."""
    body = GOOD[:-1] + b', "error": ' + filler.encode() + b"}"
    assert chat(body).text == "Hi"


@pytest.mark.parametrize("call", [chat, embed, list_workloads])
def test_an_error_object_in_a_200_is_an_error_with_its_words(
    call: Callable[[object], object],
) -> None:
    """A gateway that answers 200 whatever happens."""
    with pytest.raises(ApiError) as caught:
        call({"error": {"code": "model_died", "message": "out of memory"}})
    assert "out of memory" in str(caught.value)
    assert (caught.value.api_code, caught.value.status) == ("model_died", 200)


def row(index: object, *numbers: object) -> dict[str, object]:
    """One element of `data`."""
    return {"index": index, "embedding": list(numbers)}


ROWS: list[tuple[str, str, list[object]]] = [
    ("one is missing", "1 embeddings for 2 inputs", [row(0, 1.0)]),
    ("one too many", "3 embeddings for 2 inputs", [row(0, 1.0), row(1, 2.0), row(2, 3.0)]),
    ("one is there twice", "data[1].index", [row(0, 1.0), row(0, 2.0)]),
    ("an index out of range", "data[1].index", [row(0, 1.0), row(2, 2.0)]),
    ("an index is missing", "data[1].index", [row(0, 1.0), {"embedding": [2.0]}]),
    ("an index is no integer", "data[0].index", [row(0.5, 1.0), row(1, 2.0)]),
    ("lengths differ", "data[1].embedding", [row(0, 1.0), row(1, 2.0, 3.0)]),
    ("no numbers", "data[0].embedding", [row(0), row(1)]),
    ("null is no number", "data[1].embedding[1]", [row(0, 1.0, 1.0), row(1, 2.0, None)]),
    ("true is no number", "data[0].embedding[0]", [row(0, True), row(1, 2.0)]),
    ("NaN is no number", "data[0].embedding[1]", [row(0, 1.0, math.nan), row(1, 2.0, 1.0)]),
    ("infinity is no number", "data[0].embedding[0]", [row(0, math.inf), row(1, 2.0)]),
]


@pytest.mark.parametrize(("words", "rows"), [one[1:] for one in ROWS], ids=[one[0] for one in ROWS])
def test_a_wrong_row_is_an_error_that_names_its_path(words: str, rows: list[object]) -> None:
    """No vector is guessed, dropped or moved to another text."""
    with pytest.raises(ProtocolError) as caught:
        embed({"data": rows})
    assert words in str(caught.value)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e309"])
def test_a_number_beyond_float64_is_an_error(number: str) -> None:
    """It would become infinity."""
    with pytest.raises(ProtocolError, match=r"data\[0\]\.embedding\[0\]"):
        embed(b'{"data":[{"index":0,"embedding":[%b]}]}' % number.encode(), inputs=1)


def test_rows_are_put_in_the_order_of_their_inputs() -> None:
    """By `index`, however they arrive; without any index, as they arrive."""
    shuffled = list(range(50))
    random.Random(7).shuffle(shuffled)
    rows: list[object] = [row(index, index, -index) for index in shuffled]
    assert embed({"data": rows}, 50) == [[index, -index] for index in range(50)]
    bare: list[object] = [{"embedding": [index]} for index in shuffled]
    assert embed({"data": bare}, 50) == [[index] for index in shuffled]


def test_float64_arrives_bit_for_bit() -> None:
    """Random bit patterns and the extremes, as Python writes them."""
    bits = random.Random(11)
    numbers = [
        number
        for number in (struct.unpack("<d", bits.randbytes(8))[0] for _ in range(20_000))
        if math.isfinite(number)
    ]
    numbers += [0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1]
    [read] = embed({"data": [row(0, *numbers)]}, 1)
    assert struct.pack(f"<{len(numbers)}d", *read) == struct.pack(f"<{len(numbers)}d", *numbers)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**53, max_value=2**200),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@pytest.mark.timeout(60)  # a hundred calls
def test_raw_is_what_pythons_own_reader_makes_of_the_answer() -> None:
    """Key order, unknown keys, integers of any size, floats bit for bit."""
    body = b""
    with Double(lambda _: answer(body)) as double:
        bot = endpoint(double)

        @given(DOCUMENTS, st.booleans())
        def check(document: object, ascii_only: bool) -> None:
            nonlocal body
            text = json.dumps({**completion("Hi"), "x": document}, ensure_ascii=ascii_only)
            body = text.encode()
            assert repr(bot.generate_text(prompt="Hi").raw) == repr(json.loads(text))

        check()


def test_of_duplicate_keys_the_last_one_wins() -> None:
    """In the text as in `.raw`, as in every language's own reader."""
    body = (
        b'{"choices":[{"message":{"content":"first","content":"last"}}],"n":1,"n":'
        b'123456789012345678901234567890,"model":"a","model":"b"}'
    )
    result = chat(body)
    assert (result.text, result.model) == ("last", "b")
    assert result.raw["n"] == 123456789012345678901234567890


def test_no_foreign_exception_escapes_random_bytes() -> None:
    """Whatever the bytes, the class is one of ours."""
    source = random.Random(5)
    bodies = [source.randbytes(source.randrange(200)) for _ in range(200)]
    for start in range(0, len(GOOD), 7):
        bodies.append(GOOD[:start] + source.randbytes(1) + GOOD[start + 1 :])
    bodies_in_turn = iter(bodies)
    with Double(lambda _: answer(next(bodies_in_turn))) as double:
        bot = endpoint(double)
        for body in bodies:
            try:
                bot.generate_text(prompt="Hi")
            except InferenceKeyError:
                continue
            # A changed byte may sit in a text; then the answer is as good as before.
            json.loads(body.decode())
