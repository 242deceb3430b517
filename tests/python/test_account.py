"""What results tell beside their content: usage, request id, timing (issue 5.4)."""

from __future__ import annotations

import asyncio

import pytest
from clients import API_KEY, completion, delta, endpoint
from double import FIN, Double, Pause, Step, answer, chunk, chunked_head, frames, sse

from inferencekey import (
    AsyncDataClient,
    AsyncTextStream,
    EmbedResult,
    StreamTruncated,
    TextResult,
    Timing,
    Usage,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def results(headers: dict[str, str]) -> tuple[TextResult, EmbedResult]:
    """One of each kind, answered with these headers."""
    chat = answer(completion("Hello", usage=COUNTS), headers=headers)
    rows = {"data": [{"embedding": [1.0]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    with Double(chat, answer(rows, headers=headers)) as double:
        bot = endpoint(double)
        return bot.generate_text(prompt="Hi"), bot.embed(input="Hi")


def test_a_result_tells_what_it_cost_and_how_long_it_took() -> None:
    """Tokens as the server counted them, and seconds by the core's clock."""
    text, rows = results({})
    assert text.usage == Usage(3, 4, 7)
    assert text.timing is not None
    assert 0 < text.timing.total < 20
    assert text.timing.first_token is None
    assert text.timing.tokens_per_second == pytest.approx(4 / text.timing.total, rel=0.05)
    assert rows.usage == Usage(3, None, 3)
    assert rows.timing is not None
    assert rows.timing.tokens_per_second is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-request-id": "req_1", "request-id": "other"}, "req_1"),
        ({"request-id": "req_2"}, "req_2"),
        ({}, None),
        ({"x-request-id": f"r-{API_KEY}"}, "r-ik_live_4567cdef…"),
    ],
    ids=["the first name", "the second name", "none", "one that echoes the key"],
)
def test_a_result_tells_the_requests_id(headers: dict[str, str], expected: str | None) -> None:
    """By the same headers as errors do (wire.md 5.3)."""
    assert [result.request_id for result in results(headers)] == [expected, expected]
    head = chunked_head().replace(
        b"\r\n\r\n", "".join(f"\r\n{k}: {v}" for k, v in headers.items()).encode() + b"\r\n\r\n"
    )
    with Double(sse("[DONE]").replace(chunked_head(), head)) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        assert stream.request_id == expected
        assert list(stream) == []
        assert stream.request_id == expected


def test_the_pauses_between_sends_count() -> None:
    """`total` is how long the caller waited, whatever it was for."""
    busy = answer({"error": "busy"}, 429, {"retry-after": "0.05"})
    with Double(busy, answer(completion("Hello"))) as double:
        result = endpoint(double).generate_text(prompt="Hi")
        assert len(double.journal.requests) == 2
    assert result.usage is None
    assert result.timing is not None
    assert result.timing.total > 0.05


def test_a_stream_tells_it_at_its_end() -> None:
    """None while it runs: what the server counts comes last."""
    usage = {"choices": [], "usage": COUNTS}
    with Double(sse(delta("Hel"), delta("lo"), delta(None, "stop"), usage, "[DONE]")) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        for _ in range(4):
            next(stream)
            assert (stream.usage, stream.timing) == (None, None)
        assert list(stream) == []
        assert list(stream) == []
    assert stream.usage == Usage(3, 4, 7)
    assert isinstance(stream.timing, Timing)
    assert stream.timing.first_token is not None
    assert 0 < stream.timing.first_token <= stream.timing.total
    assert stream.timing.tokens_per_second is not None


def test_the_first_token_is_content() -> None:
    """A role or a heartbeat is none."""
    role = {"choices": [{"delta": {"role": "assistant"}}]}
    script: list[Step] = [
        chunked_head() + chunk(frames(role)),
        Pause(0.06),
        chunk(frames(delta("a", "stop"), "[DONE]")) + b"0\r\n\r\n",
    ]
    with Double(script) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        assert len(list(stream)) == 2
    assert stream.timing is not None
    assert stream.timing.first_token is not None
    assert stream.timing.first_token > 0.05


def test_a_stream_that_did_not_end_tells_nothing() -> None:
    """Neither one that was left nor one that broke."""
    with Double(sse(delta("a"), "[DONE]"), [chunked_head() + chunk(frames(delta("a"))), FIN]) as d:
        left = endpoint(d).generate_text_stream(prompt="Hi")
        next(left)
        left.close()
        assert list(left) == []
        broken = endpoint(d).generate_text_stream(prompt="Hi")
        with pytest.raises(StreamTruncated):
            list(broken)
    for stream in (left, broken):
        assert (stream.usage, stream.timing) == (None, None)


@pytest.mark.parametrize("name", ["usage", "request_id", "timing"])
def test_it_is_read_only(name: str) -> None:
    """Like everything about a result."""
    with pytest.raises(AttributeError):
        setattr(TextResult("a", "m"), name, None)


def test_an_async_stream_tells_the_same() -> None:
    """At its end, like the blocking one."""

    async def read(double: Double) -> AsyncTextStream:
        bot = AsyncDataClient(base_url=double.url, project="acme", api_key=API_KEY).endpoint("bot")
        stream = await bot.generate_text_stream(prompt="Hi")
        assert (await anext(stream)).text == "a"
        assert (stream.usage, stream.timing) == (None, None)
        assert [chunk.text async for chunk in stream] == [""]
        return stream

    with Double(sse(delta("a"), {**delta(None, "stop"), "usage": COUNTS}, "[DONE]")) as double:
        stream = asyncio.run(read(double))
    assert stream.usage == Usage(3, 4, 7)
    assert stream.timing is not None
    assert stream.request_id is None
