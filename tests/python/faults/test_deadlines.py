"""The clocks of a call: which one ends it, and that one always does (wire.md 3.2).

How the clocks run is told on virtual time in the core; here is one small live run of each.
"""

from __future__ import annotations

import contextlib
import math
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from child import run
from clients import completion, delta, endpoint, management
from double import HANG, Double, Pause, Repeat, Step, answer, chunk, chunked_head, frames

from inferencekey import (
    InferenceKeyError,
    RetryPolicy,
    StreamStalled,
    Timeout,
    Timeouts,
    ValidationError,
)

# Long enough to do something, short enough to wait for.
SOON = 0.3
# Every default is longer than this.
AT_MOST = 8.0

CHAT = answer(completion("Hi"))
STREAM = chunked_head()
CONTENT = chunk(frames(delta("Hi")))
EMPTY_DELTA = chunk(frames(delta("")))
ROLE_ONLY = chunk(frames({"choices": [{"index": 0, "delta": {"role": "assistant"}}]}))
COMMENT = chunk(b": still here\n\n")
FLOOD = chunk(b": still here\n\n" * 5000)

ROLES: list[Step] = [STREAM, Repeat(ROLE_ONLY, pause=0.02)]
COMMENTS: list[Step] = [STREAM, Repeat(COMMENT, pause=0.02)]
NOTHINGS: list[Step] = [STREAM, CONTENT, Repeat(EMPTY_DELTA, pause=0.02)]
FLOODED: list[Step] = [STREAM, CONTENT, Repeat(FLOOD)]
SLOW: list[Step] = [STREAM, Repeat(CONTENT, pause=0.02)]
FAST: list[Step] = [STREAM, Repeat(CONTENT)]

Call = Callable[[Double, Any], object]


def _list(double: Double, timeout: Any) -> object:
    return management(double).list(timeout=timeout)


def _chat(double: Double, timeout: Any) -> object:
    return endpoint(double).generate_text(prompt="Hi", timeout=timeout)


def _stream(double: Double, timeout: Any) -> object:
    return list(endpoint(double).generate_text_stream(prompt="Hi", timeout=timeout))


def _embed(double: Double, timeout: Any) -> object:
    return endpoint(double).embed(input="a", timeout=timeout)


# Name, call, timeout, what the server does, class, clock.
CLOCKS: list[tuple[str, Call, Any, Sequence[Step], type[Timeout], str]] = [
    ("list, silence", _list, SOON, [HANG], Timeout, "total"),
    ("chat, silence", _chat, SOON, [HANG], Timeout, "total"),
    ("embed, silence", _embed, Timeouts(total=SOON), [HANG], Timeout, "total"),
    ("chat, half a head", _chat, SOON, [b"HTTP/1.1 200 OK\r\nconte", HANG], Timeout, "total"),
    ("chat, half a body", _chat, Timeouts(idle=SOON), [CHAT[:-9], HANG], Timeout, "idle"),
    ("chat, a drip", _chat, SOON, [STREAM, Repeat(chunk(b" "), pause=0.02)], Timeout, "total"),
    ("stream, silence", _stream, SOON, [HANG], StreamStalled, "first_token"),
    ("stream, a head", _stream, SOON, [STREAM, HANG], StreamStalled, "first_token"),
    ("stream, a content", _stream, SOON, [STREAM, CONTENT, HANG], StreamStalled, "idle"),
    ("stream, comments", _stream, SOON, COMMENTS, StreamStalled, "first_token"),
    ("stream, roles", _stream, SOON, ROLES, StreamStalled, "first_token"),
    ("stream, empty deltas", _stream, SOON, NOTHINGS, StreamStalled, "idle"),
    ("stream, a flood of comments", _stream, SOON, FLOODED, StreamStalled, "idle"),
    ("stream, total", _stream, Timeouts(total=SOON), SLOW, Timeout, "total"),
    ("stream, total of a fast one", _stream, Timeouts(total=SOON), FAST, Timeout, "total"),
]  # fmt: skip


@contextlib.contextmanager
def ends_soon() -> Iterator[None]:
    """Not before the clock, and long before any default."""
    started = time.monotonic()
    yield
    assert SOON <= time.monotonic() - started < AT_MOST


@pytest.mark.parametrize(
    ("name", "call", "timeout", "script", "kind", "clock"), CLOCKS, ids=[row[0] for row in CLOCKS]
)
def test_a_clock_ends_what_does_not_end(
    name: str, call: Call, timeout: Any, script: Sequence[Step], kind: type[Timeout], clock: str
) -> None:
    """With the right class and `kind`; also a builtin TimeoutError; the connection is closed."""
    with Double(script) as double:
        with ends_soon(), pytest.raises(TimeoutError) as caught:
            call(double, timeout)
        error = caught.value
        assert type(error) is kind
        assert isinstance(error, Timeout)
        assert (error.kind, error.code, error.attempts) == (clock, f"timeout_{clock}", 1)
        assert f"within {SOON} s (clock `{clock}`)" in str(error)
        assert double.journal.connections[0].closed.wait(5)


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that takes no more connections, and does not say so."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    "call", [_list, _chat, _stream, _embed], ids=["list", "chat", "stream", "embed"]
)
@pytest.mark.parametrize("timeout", [SOON, Timeouts(connect=SOON)], ids=["number", "Timeouts"])
def test_connect_ends_the_way_to_a_black_hole(black_hole: str, call: Call, timeout: Any) -> None:
    """The number `n` is also the longest time to connect; all tries share it."""
    with Double() as double:
        double.url = f"http://{black_hole}"
        with ends_soon(), pytest.raises(Timeout) as caught:
            call(double, timeout)
    assert type(caught.value) is Timeout
    assert caught.value.kind == "connect"


def test_connect_ends_a_handshake_without_an_answer() -> None:
    """Accepted, then silence: that is still connecting."""
    with socket.create_server(("127.0.0.1", 0)) as mute, Double() as double:
        double.url = f"https://127.0.0.1:{mute.getsockname()[1]}"
        with ends_soon(), pytest.raises(Timeout) as caught:
            management(double, timeout=Timeouts(connect=SOON)).list()
        assert caught.value.kind == "connect"


def test_one_deadline_covers_sends_and_pauses() -> None:
    """Repeats do not begin anew."""
    policy = RetryPolicy(1000, first_pause=0.01, longest_pause=0.01, budget=10**6)
    with Double(lambda request: answer(b"", 503)) as double:
        started = time.monotonic()
        with pytest.raises(InferenceKeyError) as caught:
            management(double, retries=policy).list(timeout=SOON)
        assert time.monotonic() - started < AT_MOST
        attempts = caught.value.attempts or 0
        assert attempts > 2
        # The last one was written, but the double may not have read it yet.
        double.journal.wait_for_requests(attempts)
        assert len(double.journal.requests) == attempts


def test_no_time_is_no_request() -> None:
    """`timeout=0` fails at once; also where a connection is at hand."""
    with Double(answer([]), CHAT) as double:
        mgmt, bot = management(double), endpoint(double)
        mgmt.list()
        bot.generate_text(prompt="Hi")
        for call in (
            lambda: mgmt.list(timeout=0),
            lambda: bot.generate_text(prompt="Hi", timeout=0),
            lambda: mgmt.list(timeout=Timeouts(total=0)),
        ):
            with pytest.raises(Timeout) as caught:
                call()
            assert (caught.value.kind, caught.value.attempts) == ("total", None)
        with pytest.raises(StreamStalled) as stalled:
            bot.generate_text_stream(prompt="Hi", timeout=0)
        assert (stalled.value.kind, stalled.value.attempts) == ("first_token", None)
        assert len(double.journal.requests) == 2


@pytest.mark.parametrize("value", [-1, -0.1, math.nan, -math.inf, True, False, "5", b"5", [], 1j])
def test_what_is_no_length_of_time_is_refused(value: Any) -> None:
    """On the client, on a call, and as a clock; the field is named and nothing is sent."""
    with Double() as double:
        mgmt, bot = management(double), endpoint(double)
        for call, field in (
            (lambda: management(double, timeout=value), "timeout"),
            (lambda: management(double, timeout=Timeouts(connect=value)), "timeout.connect"),
            (lambda: endpoint(double, cold_start=value), "cold_start"),
            (lambda: mgmt.list(timeout=value), "timeout"),
            (lambda: mgmt.delete("bot", timeout=Timeouts(idle=value)), "timeout.idle"),
            (lambda: mgmt.wait_until_ready("bot", timeout=value), "timeout"),
            (lambda: bot.generate_text(prompt="a", timeout=Timeouts(total=value)), "timeout.total"),
            (lambda: bot.generate_text_stream(prompt="a", timeout=value), "timeout"),
            (
                lambda: bot.embed(input="a", timeout=Timeouts(first_token=value)),
                "timeout.first_token",
            ),
        ):
            with pytest.raises(ValidationError) as caught:
                call()
            assert caught.value.field == field
        assert double.journal.connections == []


@pytest.mark.parametrize("never", [math.inf, 1e300, 10**400])
def test_never_is_a_length_of_time(never: float) -> None:
    """Any clock may be switched off."""
    each = Timeouts(connect=never, first_token=never, idle=never, total=never)
    with Double(lambda request: CHAT) as double:
        for timeout in (never, each):
            bot = endpoint(double, timeout=timeout, cold_start=never)
            assert bot.generate_text(prompt="Hi").text == "Hi"
            stream = bot.generate_text_stream(prompt="Hi", timeout=timeout)
            assert [piece.text for piece in stream] == ["Hi"]


def test_the_clocks_of_a_call_win_over_the_clients_one_by_one() -> None:
    """What a call does not mention is as the client has it."""
    with Double(lambda request: [CHAT[:-9], HANG]) as double:
        bot = endpoint(double, timeout=Timeouts(idle=SOON, total=60))
        with ends_soon(), pytest.raises(Timeout) as caught:
            bot.generate_text(prompt="Hi", timeout=Timeouts(total=50))
        assert caught.value.kind == "idle"
        with ends_soon(), pytest.raises(Timeout) as caught:
            bot.generate_text(prompt="Hi", timeout=Timeouts(idle=20, total=SOON))
        assert caught.value.kind == "total"


def test_a_drip_is_no_stall() -> None:
    """Only silence is: an answer may take many times the `idle` clock."""
    body = answer(completion("Hi"))
    pieces: list[Step] = []
    for start in range(0, len(body), 40):
        pieces += [body[start : start + 40], Pause(0.1)]
    with Double(pieces) as double:
        assert endpoint(double, timeout=Timeouts(idle=1)).generate_text(prompt="Hi").text == "Hi"


def test_the_callers_own_time_is_no_stall() -> None:
    """A slow reader does not make the server look late; back-pressure does the rest."""
    with Double([STREAM, CONTENT, CONTENT, chunk(frames("[DONE]")), b"0\r\n\r\n"]) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi", timeout=SOON)
        texts = []
        for piece in stream:
            texts.append(piece.text)
            time.sleep(SOON * 1.5)
        assert texts == ["Hi", "Hi"]


def test_total_counts_the_callers_time() -> None:
    """It is the whole operation: a stream that is read too slowly ends too, text kept."""
    with Double([STREAM, Repeat(CONTENT, pause=0.01)]) as double:
        stream = endpoint(double).generate_text_stream(prompt="Hi", timeout=Timeouts(total=SOON))
        next(stream)
        time.sleep(SOON)
        with pytest.raises(Timeout) as caught:
            list(stream)
        assert caught.value.kind == "total"
        assert caught.value.partial is not None
        assert caught.value.partial.text.startswith("Hi")


JUMPING_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

/* The wall clock jumps by days at every look at it; the monotonic clock does not. */
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    static long looks;
    if (!real) {
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    int status = real(clock, now);
    if (clock == CLOCK_REALTIME) {
        now->tv_sec += (looks++ % 2 ? 1 : -1) * 40 * 24 * 3600L;
    }
    return status;
}
"""

UNDER_JUMPS = f"""
assert abs(time.time() - time.time()) > 3600, "the clock does not jump"
busy = answer(b"", 503, {{"retry-after": "0"}})
with Double(busy, busy, answer([]), [HANG]) as double:
    mgmt = management(double, retries=RetryPolicy(first_pause=0.05))
    print(mgmt.list(timeout=10))
    started = time.monotonic()
    try:
        mgmt.list(timeout={SOON})
    except Timeout as error:
        print(error.kind, {SOON} <= time.monotonic() - started < {AT_MOST})
"""


def test_jumps_of_the_wall_clock_have_no_effect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deadlines and pauses are told by the monotonic clock alone (faults.md 3.7)."""
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(JUMPING_CLOCK)
    compiler = shutil.which("cc") or "cc"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    assert run(UNDER_JUMPS) == (0, "[]\ntotal True\n", "")
