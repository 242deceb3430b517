"""Streams and who reads them: slow, gone, in another thread, of any split (faults.md 3.6)."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from child import run, running
from clients import delta, endpoint
from double import (
    HANG,
    LAST_CHUNK,
    Double,
    Repeat,
    Request,
    Send,
    Step,
    Until,
    chunk,
    frames,
    sse,
)
from hypothesis import given
from hypothesis import strategies as st

from faults.streams import DONE, HEAD, SHORT, STOP, TWO, WHOLE, closed, ids, texts_of
from inferencekey import (
    Endpoint,
    LimitExceeded,
    ProtocolError,
    TextStream,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


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
