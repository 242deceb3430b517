"""Streams under faults (faults.md 3.6): cut, stalled, broken, flooded, left."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable

import pytest
from clients import completion, delta, endpoint
from double import (
    FIN,
    HANG,
    LAST_CHUNK,
    RST,
    Double,
    Repeat,
    Request,
    Step,
    Until,
    answer,
    chunk,
    frames,
    sse,
)

from faults.streams import DONE, HEAD, SHORT, STOP, TWO, WHOLE, closed, ids, texts_of
from inferencekey import (
    ApiError,
    ProtocolError,
    StreamStalled,
    StreamTruncated,
    Timeouts,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


# A body that ends with its connection.
OPEN_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


HEARTBEAT = chunk(b": still here\n\n")


EMPTY_DELTA = chunk(frames(delta("")))


# What the server plays after the two chunks "Hel" and "lo".
CUTS: list[tuple[str, list[Step]]] = [
    ("a clean end", [HEAD, chunk(TWO), LAST_CHUNK]),
    ("a clean end of a body without a length", [OPEN_HEAD, TWO, FIN]),
    ("an end inside a frame", [HEAD, chunk(TWO + STOP[:-9]), LAST_CHUNK]),
    ("no last transfer chunk", [HEAD, chunk(TWO), FIN]),
    ("half a transfer chunk", [HEAD, chunk(TWO), chunk(STOP)[:-9], FIN]),
    ("a transfer chunk of no size", [HEAD, chunk(TWO), b"zz\r\n", FIN]),
    (
        "less than its length",
        [answer(TWO, headers={"content-type": "text/event-stream", "content-length": "999"}), FIN],
    ),
]


@pytest.mark.parametrize("script", [row[1] for row in CUTS], ids=ids(CUTS))
def test_a_cut_stream_is_truncated_and_keeps_its_text(script: list[Step]) -> None:
    """The text is in the caller's hands and in `.partial`; nothing is sent again or reused."""
    with Double(script, WHOLE) as double:
        bot = endpoint(double)
        stream = bot.generate_text_stream(prompt="Hi")
        texts, error = texts_of(stream)
        assert texts == ["Hel", "lo"]
        assert isinstance(error, StreamTruncated)
        assert (error.attempts, error.code) == (1, "stream_truncated")
        assert error.partial is not None
        assert error.partial.text == "Hello"
        assert [chunk.text for chunk in error.partial.chunks] == texts
        # After the error the stream is at its end, and nothing was asked for again.
        assert list(stream) == []
        assert len(double.journal.requests) == 1
        assert texts_of(bot.generate_text_stream(prompt="Hi")) == (["Hel", "lo", ""], None)


def test_a_reset_stream_is_truncated_and_keeps_its_text() -> None:
    """The same where the server does not even say goodbye."""
    seen = threading.Event()
    with Double([HEAD, chunk(TWO), Until(seen), RST]) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        assert [next(stream).text, next(stream).text] == ["Hel", "lo"]
        seen.set()
        with pytest.raises(StreamTruncated, match="connection reset") as caught:
            next(stream)
        assert caught.value.partial is not None
        assert caught.value.partial.text == "Hello"
        assert len(double.journal.requests) == 1


ENDS: list[tuple[str, Callable[[bytes], list[Step]]]] = [
    ("clean", lambda body: [OPEN_HEAD, body, FIN]),
    ("cut", lambda body: [HEAD, chunk(body) if body else b"", FIN]),
]


@pytest.mark.parametrize("script", [row[1] for row in ENDS], ids=ids(ENDS))
def test_a_stream_cut_at_any_byte_tells_whether_it_was_complete(
    script: Callable[[bytes], list[Step]],
) -> None:
    """Complete is what had a finish reason or `[DONE]`, at every offset of a good stream."""
    body = frames(delta("Hé", None)) + STOP + DONE
    # The frame counts as soon as its JSON is whole.
    finished = len(body) - len(DONE) - 2
    scripts = iter([script(body[:at]) for at in range(len(body) + 1)])
    with Double(lambda _: next(scripts)) as double:
        bot = endpoint(double)
        for at in range(len(body) + 1):
            _, error = texts_of(bot.generate_text_stream(prompt="Hi"))
            complete = at >= finished
            assert type(error) is (type(None) if complete else StreamTruncated), body[:at]
        assert len(double.journal.requests) == len(body) + 1


ERROR = {"error": {"code": "overloaded", "message": "out of memory"}}


# The stream, the texts before its end, the class and words of the error.
BROKEN: list[tuple[str, list[Step], list[str], type[ApiError], str]] = [
    ("an error frame first", [sse(ERROR)], [], ApiError, "out of memory"),
    ("an error frame later", [sse(delta("Hel"), ERROR)], ["Hel"], ApiError, "out of memory"),
    (
        "an error event",
        [HEAD, chunk(frames(delta("Hel")) + b"event: error\ndata: out of luck\n\n"), LAST_CHUNK],
        ["Hel"],
        ApiError,
        "out of luck",
    ),
    (
        "an error frame, and the connection stays",
        [HEAD, chunk(frames(delta("Hel"), ERROR)), HANG],
        ["Hel"],
        ApiError,
        "out of memory",
    ),
    (
        "an error frame without its blank line at the end",
        [HEAD, chunk(frames(delta("Hel"), ERROR)[:-2]), LAST_CHUNK],
        ["Hel"],
        ApiError,
        "out of memory",
    ),
    ("not JSON", [sse(delta("Hel"), "nonsense")], ["Hel"], ProtocolError, "not JSON"),
    (
        "invalid UTF-8",
        [HEAD, chunk(frames(delta("Hel")) + b'data: {"choices":[],"x":"\xff"}\n\n'), LAST_CHUNK],
        ["Hel"],
        ProtocolError,
        "not UTF-8",
    ),
    (
        "a lone surrogate",
        [sse(delta("Hel"), delta("\ud800"))],
        ["Hel"],
        ProtocolError,
        "not JSON",
    ),
    ("a frame of another type", [sse(delta("Hel"), [1])], ["Hel"], ProtocolError, "not an object"),
    (
        "text without a type",
        [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"],
        [],
        StreamTruncated,
        "ended before",
    ),
    (
        "JSON under the type of a stream",
        [HEAD, chunk(json.dumps(completion("Hi")).encode()), LAST_CHUNK],
        [],
        ProtocolError,
        "labelled an event stream, but is JSON",
    ),
    (
        "HTML under the type of a stream",
        [HEAD, chunk(b"<html><h1>Please log in</h1></html>"), LAST_CHUNK],
        [],
        ProtocolError,
        "labelled an event stream, but is HTML",
    ),
]


@pytest.mark.parametrize(
    ("script", "texts", "kind", "words"), [row[1:] for row in BROKEN], ids=ids(BROKEN)
)
def test_a_broken_stream_is_a_typed_error(
    script: list[Step], texts: list[str], kind: type[ApiError], words: str
) -> None:
    """Never a short success, never a frame dropped in silence; the text so far is kept."""
    with Double(script) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        found, error = texts_of(stream)
        assert found == texts
        assert type(error) is kind
        assert words in str(error)
        assert error.partial is not None
        assert (error.partial.text, error.attempts) == ("".join(texts), 1)
        # Without a further call, and with the stream still in the caller's hands.
        if HANG in script:
            assert closed(double.journal.connections[0])
        assert len(double.journal.requests) == 1


# What the call itself says of an answer that is no stream.
NO_STREAM: list[tuple[str, bytes, str, str]] = [
    ("an error object", answer({"error": "model_gone"}), "ApiError", "model_gone"),
    ("other JSON", answer({}), "ProtocolError", "choices"),
    ("JSON cut in half", answer(b'{"choices": ['), "ProtocolError", "not JSON"),
    (
        "HTML",
        answer(b"<html>login</html>", headers={"content-type": "text/html"}),
        "ProtocolError",
        "not a model endpoint",
    ),
    ("nothing", answer(b""), "ProtocolError", "not JSON"),
]


@pytest.mark.parametrize(
    ("script", "kind", "words"), [row[1:] for row in NO_STREAM], ids=ids(NO_STREAM)
)
def test_an_answer_that_is_no_stream_is_refused_by_the_call(
    script: bytes, kind: str, words: str
) -> None:
    """Nobody iterates over an empty success."""
    with Double(script) as double:
        with pytest.raises(ApiError) as caught:
            endpoint(double).generate_text_stream(prompt="Hi")
        assert type(caught.value).__name__ == kind
        assert words in str(caught.value)
        assert len(double.journal.requests) == 1


def test_a_plain_answer_is_one_chunk() -> None:
    """A server that does not stream loses nothing."""
    with Double(answer(completion("Hello"))) as double:
        chunks = list(endpoint(double).generate_text_stream(prompt="Hi"))
    assert [(chunk.text, chunk.finish_reason) for chunk in chunks] == [("Hello", "stop")]


# What follows "Hello" and its finish reason, and how many connections two such streams take.
AFTER_DONE: list[tuple[str, list[Step], int]] = [
    ("the body's end", [chunk(DONE) + LAST_CHUNK], 1),
    ("text and the body's end", [chunk(DONE + b"data: nonsense\n\n") + LAST_CHUNK], 1),
    ("nothing", [chunk(DONE), HANG], 2),
    ("more text for ever", [chunk(DONE), Repeat(chunk(TWO), pause=0.01)], 2),
    ("no blank line", [chunk(DONE[:-1]), HANG], 2),
]


@pytest.mark.parametrize(
    ("script", "connections"), [row[1:] for row in AFTER_DONE], ids=ids(AFTER_DONE)
)
def test_done_ends_the_stream_whatever_follows(script: list[Step], connections: int) -> None:
    """Nothing is waited for; the connection is used again only if its answer was read whole."""
    script = [HEAD, chunk(TWO + STOP), *script]
    with Double(script, script) as double:
        # Longer than the test may take: waiting for anything would be seen.
        bot = endpoint(double, timeout=Timeouts(first_token=60, idle=60))
        took = []
        for _ in range(2):
            started = time.monotonic()
            assert texts_of(bot.generate_text_stream(prompt="Hi")) == (["Hel", "lo", ""], None)
            took.append(time.monotonic() - started)
        # Usage after a finish reason would be waited for 2 s; after [DONE] there is none.
        assert min(took) < 1.5
        assert len(double.journal.connections) == connections


class Tell:
    """A step that tells the test that all before it is done."""

    def __init__(self, event: threading.Event) -> None:
        self.event = event

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        self.event.set()


def test_an_end_that_comes_late_saves_the_connection() -> None:
    """Many servers write the body's end by itself: it is taken in when the next call is made."""
    rounds: list[tuple[threading.Event, threading.Event]] = []

    def respond(request: Request) -> list[Step]:
        ended, written = rounds[-1]
        return [HEAD, chunk(TWO + STOP + DONE), Until(ended), LAST_CHUNK, Tell(written)]

    with Double(respond) as double:
        bot = endpoint(double)
        for _ in range(20):
            ended, written = threading.Event(), threading.Event()
            rounds.append((ended, written))
            assert texts_of(bot.generate_text_stream(prompt="Hi")) == (["Hel", "lo", ""], None)
            ended.set()
            assert written.wait(5)
        assert len(double.journal.connections) == 1


# The script, the clock that ends it, the text before.
STALLS: list[tuple[str, list[Step], str, str]] = [
    ("no head", [HANG], "first_token", ""),
    ("no content", [HEAD, HANG], "first_token", ""),
    ("comments only", [HEAD, Repeat(HEARTBEAT, pause=0.02)], "first_token", ""),
    ("empty deltas only", [HEAD, Repeat(EMPTY_DELTA, pause=0.02)], "first_token", ""),
    ("silence after content", [HEAD, chunk(TWO), HANG], "idle", "Hello"),
    ("comments after content", [HEAD, chunk(TWO), Repeat(HEARTBEAT, pause=0.02)], "idle", "Hello"),
    (
        "empty deltas after content",
        [HEAD, chunk(TWO), Repeat(EMPTY_DELTA, pause=0.02)],
        "idle",
        "Hello",
    ),
    ("half a frame", [HEAD, chunk(TWO + STOP[:20]), HANG], "idle", "Hello"),
]


@pytest.mark.parametrize(("script", "clock", "text"), [row[1:] for row in STALLS], ids=ids(STALLS))
def test_heartbeats_are_no_progress(script: list[Step], clock: str, text: str) -> None:
    """A stream without content is stalled, however alive its connection looks."""
    with Double(script) as double:
        with pytest.raises(StreamStalled) as caught:
            list(endpoint(double, timeout=SHORT).generate_text_stream(prompt="Hi"))
        assert (caught.value.kind, caught.value.code) == (clock, f"timeout_{clock}")
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.partial is not None
        assert caught.value.partial.text == text
        assert closed(double.journal.connections[0])
        assert len(double.journal.requests) == 1


def test_heartbeats_before_content_do_no_harm() -> None:
    """A slow start inside the limits is a good stream."""
    beats = Repeat(HEARTBEAT, pause=0.02, times=10)
    script: list[Step] = [HEAD, beats, chunk(TWO), beats, chunk(STOP + DONE), LAST_CHUNK]
    with Double(script) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        assert texts_of(stream) == (["Hel", "lo", ""], None)
