"""Streams under faults (faults.md 3.6): cut, stalled, broken, flooded, left."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from child import run, running
from clients import completion, delta, endpoint
from double import (
    FIN,
    HANG,
    LAST_CHUNK,
    RST,
    Connection,
    Double,
    Repeat,
    Request,
    Send,
    Step,
    Until,
    answer,
    chunk,
    chunked_head,
    frames,
    sse,
)
from hypothesis import given
from hypothesis import strategies as st

from inferencekey import (
    ApiError,
    Endpoint,
    InferenceKeyError,
    LimitExceeded,
    ProtocolError,
    StreamStalled,
    StreamTruncated,
    TextStream,
    Timeouts,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

HEAD = chunked_head()
# A body that ends with its connection.
OPEN_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
TWO = frames(delta("Hel"), delta("lo"))
STOP = frames(delta(None, "stop"))
DONE = frames("[DONE]")
WHOLE = sse(delta("Hel"), delta("lo"), delta(None, "stop"), "[DONE]")
HEARTBEAT = chunk(b": still here\n\n")
EMPTY_DELTA = chunk(frames(delta("")))


def ids(rows: Sequence[tuple[object, ...]]) -> list[str]:
    """The names of a table."""
    return [str(row[0]) for row in rows]


def texts_of(stream: TextStream) -> tuple[list[str], InferenceKeyError | None]:
    """The texts that came, and the error at their end."""
    texts: list[str] = []
    try:
        texts.extend(chunk.text for chunk in stream)
    except InferenceKeyError as error:
        return texts, error
    return texts, None


def closed(connection: Connection) -> bool:
    """Does the server see the client go? Nothing else ends these connections so soon."""
    return connection.closed.wait(5)


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


SHORT = Timeouts(first_token=0.3, idle=0.3)
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


def test_the_callers_own_time_is_no_stall() -> None:
    """A caller may think for longer than every clock of the stream."""
    more = threading.Event()
    with Double([HEAD, chunk(TWO), Until(more), chunk(STOP + DONE), LAST_CHUNK]) as double:
        stream = endpoint(double, timeout=SHORT).generate_text_stream(prompt="Hi")
        assert [next(stream).text, next(stream).text] == ["Hel", "lo"]
        time.sleep(0.5)
        more.set()
        assert texts_of(stream) == ([""], None)


def in_a_loop(stream: TextStream) -> None:
    """Breaks out of a loop."""
    for _ in stream:
        break


def in_with(stream: TextStream) -> None:
    """Leaves `with` by an exception."""
    with contextlib.suppress(ZeroDivisionError), stream:
        raise ZeroDivisionError(next(stream).text)


def in_a_failing_loop(stream: TextStream) -> None:
    """Leaves a loop by an exception."""
    with contextlib.suppress(ZeroDivisionError):
        for one in stream:
            raise ZeroDivisionError(one.text)


def unread(_: TextStream) -> None:
    """Does not even begin."""


LEAVING: list[tuple[str, Callable[[TextStream], None]]] = [
    ("break", in_a_loop),
    ("an exception inside with", in_with),
    ("an exception in the loop", in_a_failing_loop),
    ("never read", unread),
    ("close", TextStream.close),
]


@pytest.mark.parametrize("leave", [row[1] for row in LEAVING], ids=ids(LEAVING))
def test_a_left_stream_is_closed_at_once(leave: Callable[[TextStream], None]) -> None:
    """The server stops generating when nobody listens any more, with no further call."""
    with Double([HEAD, chunk(TWO), HANG]) as double:
        leave(endpoint(double).generate_text_stream(prompt="Hi"))
        assert closed(double.journal.connections[0])


def test_an_interrupted_stream_is_closed() -> None:
    """After Ctrl-C in a read the stream is at its end, even if somebody still holds it."""
    program = """
def interrupt():
    while sys._current_frames()[main].f_code.co_name != "next":
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)

bot = DataClient(base_url=ARGS[0], project="acme", api_key=API_KEY).endpoint("bot")
stream = bot.generate_text_stream(prompt="Hi")
main = threading.main_thread().ident
try:
    print(next(stream).text, next(stream).text)
    threading.Thread(target=interrupt).start()
    next(stream)
except KeyboardInterrupt:
    print(stream, list(stream), flush=True)
sys.stdin.read()
"""
    with (
        Double([HEAD, chunk(TWO), HANG]) as double,
        running(f"ARGS = [{double.url!r}]\n{program}") as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "Hel lo\n"
        assert process.stdout.readline() == "<TextStream ended, chunks read: 2> []\n"
        # The program still runs, and holds the stream.
        assert closed(double.journal.connections[0])


def echo(request: Request) -> bytes:
    """A stream of five numbered chunks that carry the prompt."""
    prompt = request.json()["messages"][0]["content"]
    return sse(*(delta(f"{prompt}{number} ") for number in range(5)), delta(None, "stop"), "[DONE]")


def test_streams_in_turns_do_not_mix() -> None:
    """Two streams of one endpoint are independent."""
    with Double(echo) as double:
        bot = endpoint(double)
        first, second = (bot.generate_text_stream(prompt=prompt) for prompt in "ab")
        pairs = [(a.text, b.text) for a, b in zip(first, second, strict=True)]
    assert pairs == [*((f"a{number} ", f"b{number} ") for number in range(5)), ("", "")]


def test_a_stream_may_move_to_another_thread() -> None:
    """Begun here, read on there, ended here."""
    with Double(echo) as double:
        stream = endpoint(double).generate_text_stream(prompt="a")
        texts = [next(stream).text]
        reader = threading.Thread(target=lambda: texts.extend(next(stream).text for _ in range(3)))
        reader.start()
        reader.join(5)
        texts.extend(chunk.text for chunk in stream)
    assert texts == ["a0 ", "a1 ", "a2 ", "a3 ", "a4 ", ""]


MEMORY = """
def high_water():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

bot = DataClient(base_url=ARGS[0], project="acme", api_key=API_KEY).endpoint("bot")
list(bot.generate_text_stream(prompt="Hi"))
before = high_water()
"""

MEBIBYTE = b"x" * (1 << 20)
ENDLESS: list[tuple[str, bytes, bytes]] = [
    ("a line", b"data: ", MEBIBYTE),
    ("lines", b"", b"data: " + MEBIBYTE + b"\n"),
    ("a comment", b": ", MEBIBYTE),
]


@pytest.mark.parametrize(("first", "again"), [row[1:] for row in ENDLESS], ids=ids(ENDLESS))
def test_an_endless_event_is_cut_and_the_memory_stays_flat(first: bytes, again: bytes) -> None:
    """64 MiB are the limit of an event, and what is held meanwhile is hardly more."""
    program = """
try:
    list(bot.generate_text_stream(prompt="Hi"))
except LimitExceeded as error:
    print(error.limit, "sse_event" in str(error), error.partial.text, high_water() - before)
"""
    flood: list[Step] = [HEAD, chunk(TWO + first), Repeat(chunk(again))]
    with Double(WHOLE, flood) as double:
        status, out, err = run(MEMORY + program, double.url)
        assert (status, err) == (0, "")
        limit, named, text, grown = out.split()
        assert (limit, named, text) == ("sse_event", "True", "Hello")
        assert int(grown) < 1.25 * (64 << 20)
        assert closed(double.journal.connections[-1])
        assert LimitExceeded.__mro__[1] is ProtocolError


def test_a_fast_server_waits_for_a_slow_reader() -> None:
    """Back-pressure: what the caller has not asked for does not pile up in its memory."""
    program = """
stream = bot.generate_text_stream(prompt="Hi")
texts = [next(stream).text]
print("reading", flush=True)
sys.stdin.readline()
for _ in range(500):
    assert next(stream).text
stream.close()
print(high_water() - before)
"""
    stalled = threading.Event()

    class Flood:
        """Sends until the reader's buffers are full, says so, and goes on."""

        def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
            frame = chunk(frames({"choices": [{"delta": {"content": "x"}}], "pad": "y" * 65536}))
            peer.settimeout(0.3)
            while not stopped():
                rest = frame
                while rest:
                    try:
                        rest = rest[peer.send(rest) :]
                    except TimeoutError:
                        stalled.set()

    with Double(WHOLE, [HEAD, Flood()]) as double:
        with running(f"ARGS = [{double.url!r}]\n{MEMORY}{program}") as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "reading\n"
            assert stalled.wait(10), "the server was never stopped"
            process.stdin.write("\n")
            process.stdin.flush()
            grown = process.stdout.readline()
        # 500 times 64 KiB went through; a few batches were held.
        assert int(grown) < 8 << 20


TEXTS = st.text(max_size=12)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
NOISE = st.sampled_from(
    ["", ": note", ":", "id: 7", "retry: 10", "event: message", "foo: bar", "x"]
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """The texts of a stream, and one of the many ways to write it."""
    texts = draw(st.lists(TEXTS, max_size=6))
    end = draw(LINE_ENDS)
    lines: list[str] = []
    for text in texts:
        ascii_only = draw(st.booleans())
        document = json.dumps(delta(text), ensure_ascii=ascii_only)
        at = document.index('"choices"')
        parts = [document[:at], document[at:]] if draw(st.booleans()) else [document]
        space = draw(st.sampled_from(["", " "]))
        noise = draw(NOISE)
        lines += [*([noise] if noise else []), *(f"data:{space}{part}" for part in parts), ""]
    lines += ["data: [DONE]", "", ""]
    mark = draw(st.sampled_from(["", "\ufeff"]))
    return texts, (mark + end.join(lines)).encode()


@pytest.fixture(scope="module")
def any_stream() -> Iterator[tuple[Endpoint, list[list[Step]]]]:
    """An endpoint, and the list from whose end the double takes its scripts."""
    scripts: list[list[Step]] = []
    with Double(lambda _: scripts.pop()) as double:
        yield endpoint(double), scripts


@given(written=bodies(), cuts=st.lists(st.integers(1, 30), max_size=30))
def test_any_split_of_any_stream_gives_the_same_chunks(
    any_stream: tuple[Endpoint, list[list[Step]]],
    written: tuple[list[str], bytes],
    cuts: list[int],
) -> None:
    """However a stream is written and cut into transfer chunks and packets, it says the same."""
    bot, scripts = any_stream
    texts, body = written
    script: list[Step] = [HEAD]
    for cut in [*cuts, len(body)]:
        if body:
            script.append(Send(chunk(body[:cut])))
        body = body[cut:]
    scripts.append([*script, LAST_CHUNK])
    chunks = list(bot.generate_text_stream(prompt="Hi"))
    assert [chunk.text for chunk in chunks] == texts
    assert [chunk.raw for chunk in chunks] == [delta(text) for text in texts]
