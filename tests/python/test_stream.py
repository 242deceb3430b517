"""Streams: opened by the call, read as they are asked for, closed in every way there is."""

from __future__ import annotations

import copy
import gc
import pickle
import socket
import threading
from collections.abc import Callable

import pytest
from clients import delta, endpoint
from double import (
    FIN,
    HANG,
    LAST_CHUNK,
    Double,
    Send,
    Step,
    Until,
    answer,
    chunk,
    chunked_head,
    frames,
    sse,
)

from inferencekey import (
    ApiError,
    AuthError,
    StreamTruncated,
    TextStream,
    TruncatedWarning,
    ValidationError,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

WHOLE = sse(delta("Hel"), delta("lo"), delta(None, "stop"), "[DONE]")


def test_a_stream_gives_its_chunks() -> None:
    """Text, finish reason and the untouched frame, chunk by chunk."""
    with Double(WHOLE) as double:
        chunks = list(endpoint(double).generate_text_stream(prompt="Hi"))
    assert [(chunk.text, chunk.finish_reason) for chunk in chunks] == [
        ("Hel", None),
        ("lo", None),
        ("", "stop"),
    ]
    assert chunks[1].raw == delta("lo")


def test_any_split_of_the_bytes_gives_the_same_chunks() -> None:
    """One byte at a time is the same stream."""
    with Double([Send(WHOLE, every=1)]) as double:
        chunks = list(endpoint(double).generate_text_stream(prompt="Hi"))
    assert "".join(chunk.text for chunk in chunks) == "Hello"


def test_the_call_opens_the_stream() -> None:
    """The request is on the wire and its status checked before anybody iterates."""
    with Double(answer({"error": {"code": "unauthorized", "message": "no"}}, 401)) as double:
        with pytest.raises(AuthError) as caught:
            endpoint(double).generate_text_stream(prompt="Hi")
        assert caught.value.operation == "generate_text_stream"
        assert len(double.journal.requests) == 1


def test_local_errors_come_from_the_call() -> None:
    """What is refused locally never waits for the first iteration (wire.md 3.2)."""
    with Double() as double:
        bot = endpoint(double)
        for arguments in (
            {},
            {"prompt": "a", "messages": []},
            {"prompt": "a", "on_truncated": "x"},
        ):
            with pytest.raises(ValidationError):
                bot.generate_text_stream(**arguments)
        assert double.journal.requests == []


def test_chunks_come_as_they_arrive() -> None:
    """The first chunk is there before the server has written the second."""
    more = threading.Event()
    script: list[Step] = [
        chunked_head() + chunk(frames(delta("Hel"))),
        Until(more),
        chunk(frames(delta("lo", "stop"), "[DONE]")) + LAST_CHUNK,
    ]
    with Double(script) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        assert next(stream).text == "Hel"
        more.set()
        assert next(stream).text == "lo"
        assert list(stream) == []


def test_nothing_is_read_before_it_is_asked_for() -> None:
    """A reader that pauses stops the server: back-pressure reaches TCP."""
    frame = chunk(frames(delta("x" * 65536)))
    sent = []

    class Endless:
        """A step that sends until nobody reads any more."""

        def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
            peer.settimeout(0.3)
            try:
                while not stopped():
                    peer.sendall(frame)
                    sent.append(len(frame))
            except TimeoutError:
                stalled.set()
            peer.settimeout(None)

    stalled = threading.Event()
    with Double([chunked_head(), Endless(), HANG]) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        assert next(stream).text.startswith("x")
        assert stalled.wait(10), "the server was never stopped"
        # What lies in the sockets' buffers, and not the memory of this process.
        assert sum(sent) < 64 * 1024 * 1024
        stream.close()


def leave_with(stream: TextStream) -> None:
    """Reads one chunk inside `with`."""
    with stream:
        next(stream)


def break_out(stream: TextStream) -> None:
    """Reads one chunk of a loop."""
    for _ in stream:
        break


ENDINGS: list[tuple[str, Callable[[TextStream], object]]] = [
    ("close", TextStream.close),
    ("leaving with", leave_with),
    ("breaking out and dropping", break_out),
]


@pytest.mark.parametrize("end", [row[1] for row in ENDINGS], ids=[row[0] for row in ENDINGS])
def test_an_ended_stream_is_closed_on_the_wire(end: Callable[[TextStream], object]) -> None:
    """The server sees the client go at once, with no further call."""
    with Double([chunked_head() + chunk(frames(delta("Hel"))), HANG]) as double:
        bot = endpoint(double)
        end(bot.generate_text_stream(prompt="Hi"))
        assert double.journal.connections[0].closed.wait(5)


def test_a_closed_stream_is_at_its_end() -> None:
    """Iterating after `close()` ends; closing twice does nothing."""
    with Double(WHOLE) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        next(stream)
        stream.close()
        stream.close()
        assert list(stream) == []


def test_a_cut_stream_raises_with_what_it_had() -> None:
    """An answer that is not whole never looks whole (wire.md 3.2)."""
    cut = chunked_head() + chunk(frames(delta("Hel"), delta("lo")))
    with Double([cut, FIN]) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        seen: list[str] = []
        with pytest.raises(StreamTruncated) as caught:
            seen.extend(chunk.text for chunk in stream)
        assert caught.value.partial is not None
        assert caught.value.partial.text == "Hello"
        assert len(caught.value.partial.chunks) == 2
        assert caught.value.code == "stream_truncated"
        # After the error the stream is at its end.
        assert list(stream) == []


def test_a_cut_stream_may_be_allowed_or_warned_of() -> None:
    """`on_truncated` says what the end of the bytes means."""
    cut: list[Step] = [chunked_head() + chunk(frames(delta("Hel"))), FIN]
    with Double(cut, cut) as double:
        bot = endpoint(double)
        allowed = bot.generate_text_stream(prompt="Hi", on_truncated="allow")
        assert [chunk.text for chunk in allowed] == ["Hel"]
        stream = bot.generate_text_stream(prompt="Hi", on_truncated="warn")
        with pytest.warns(TruncatedWarning) as warned:
            assert [chunk.text for chunk in stream] == ["Hel"]
        assert warned[0].filename == __file__


def test_an_error_frame_keeps_the_servers_words() -> None:
    """An error inside a 200 is an error (wire.md 3.2)."""
    body = sse(delta("Hel"), {"error": {"code": "overloaded", "message": "out of memory"}})
    with Double(body) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        assert next(stream).text == "Hel"
        with pytest.raises(ApiError, match="out of memory") as caught:
            next(stream)
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hel"


def test_two_threads_at_once_are_told_so() -> None:
    """The second of two readers gets a clean error, and the first goes on."""
    more = threading.Event()
    script: list[Step] = [
        chunked_head(),
        Until(more),
        chunk(frames(delta("Hi", "stop"), "[DONE]")) + LAST_CHUNK,
    ]
    outcomes: list[object] = []
    refused = threading.Event()

    def read(stream: TextStream) -> None:
        try:
            outcomes.extend(chunk.text for chunk in stream)
        except ValidationError as error:
            outcomes.append(str(error))
            refused.set()

    with Double(script) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        readers = [threading.Thread(target=read, args=(stream,)) for _ in range(2)]
        for reader in readers:
            reader.start()
        assert refused.wait(5)
        more.set()
        for reader in readers:
            reader.join(5)
    assert outcomes == [
        "another thread waits for this stream: one thread at a time may read it",
        "Hi",
    ]


def test_a_stream_outlives_its_client() -> None:
    """Only the stream is kept: `DataClient(...).endpoint(...).generate_text_stream(...)` works."""
    with Double(WHOLE) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        gc.collect()
        assert "".join(chunk.text for chunk in stream) == "Hello"


def test_streams_reuse_their_connection() -> None:
    """A stream that was read to its end gives its connection back."""
    with Double(WHOLE, WHOLE, WHOLE) as double:
        bot = endpoint(double)
        for _ in range(3):
            list(bot.generate_text_stream(prompt="Hi"))
        assert len(double.journal.connections) == 1


def test_a_stream_prints_its_state() -> None:
    """A stream at a prompt says whether it is still to be read."""
    with Double(WHOLE) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        assert repr(stream) == "<TextStream open, chunks read: 0>"
        next(stream)
        assert repr(stream) == "<TextStream open, chunks read: 1>"
        list(stream)
        assert repr(stream) == "<TextStream ended, chunks read: 3>"


def test_a_stream_is_neither_copied_nor_pickled() -> None:
    """It has one connection, and says so in words of its own."""
    with Double(WHOLE) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi")
        for take in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="neither copied nor pickled"):
                take(stream)
        assert len(list(stream)) == 3
