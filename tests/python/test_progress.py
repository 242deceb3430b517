"""What `wait_until_ready` shows, on a terminal, in a log, and where there is no stderr."""

from __future__ import annotations

import io
import os
import pty
import sys

import pytest

from inferencekey import ConnectionFailed, ReadinessEvent, Retry
from inferencekey._progress import Live, Plain, display, fitted, printable
from inferencekey._watcher import Silent

PULLING = ReadinessEvent("provisioning", "pulling image", 1000, "pull")
READY = ReadinessEvent("ready", "", 62000)


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


LOST = Retry(
    "wait_until_ready",
    2,
    1.0,
    ConnectionFailed("wait_until_ready: could not connect: connection refused (host)"),
    "reopen",
)


def played(kind: type[Live] | type[Plain], *steps: ReadinessEvent | Retry | float | None) -> str:
    """What a display writes for events, reopenings, ticks (None) and passing seconds."""
    stream, clock = Terminal(), Clock()
    with kind("bot", stream, clock) as show:
        for step in steps:
            if isinstance(step, float):
                clock.now += step
            elif isinstance(step, Retry):
                show.lost(step)
            else:
                show(step)
    return stream.getvalue()


def test_a_log_gets_a_line_per_change() -> None:
    """Phase, step and message are what may change (wire.md 2.11)."""
    half = ReadinessEvent("provisioning", "45 %", 1500, "pull")
    other_step = ReadinessEvent("provisioning", "45 %", 1600, "unpack")
    later = ReadinessEvent("provisioning", "45 %", 1700, "unpack")
    assert played(
        Plain, PULLING, 1.0, PULLING, half, other_step, later, 61.0, READY
    ).splitlines() == [
        "inferencekey: bot: provisioning [pull]: pulling image (0:00)",
        "inferencekey: bot: provisioning [pull]: 45 % (0:01)",
        "inferencekey: bot: provisioning [unpack]: 45 % (0:01)",
        "inferencekey: bot: ready (1:02)",
    ]


def test_a_lost_connection_is_shown_until_the_next_event() -> None:
    """Once, however often it is asked for again, so that it does not fill the log."""
    trouble = "(could not connect: connection refused (host); asking again)"
    assert played(Plain, LOST, 1.0, LOST, PULLING, 2.0, LOST, LOST, READY).splitlines() == [
        f"inferencekey: bot: waiting for the platform {trouble} (0:00)",
        "inferencekey: bot: provisioning [pull]: pulling image (0:01)",
        f"inferencekey: bot: provisioning [pull]: pulling image {trouble} (0:03)",
        "inferencekey: bot: ready (0:03)",
    ]
    assert "could not connect" in played(Live, PULLING, LOST, None)
    assert "could not connect" not in played(Live, LOST, PULLING).split("\r\x1b[2K")[-1]


def test_a_log_gets_a_heartbeat_each_30_seconds() -> None:
    """A log shows that the wait is alive, also before the first event."""
    assert played(
        Plain, None, 29.0, None, 1.0, None, PULLING, 29.9, None, 0.1, None
    ).splitlines() == [
        "inferencekey: bot: waiting for the platform (0:30)",
        "inferencekey: bot: provisioning [pull]: pulling image (0:30)",
        "inferencekey: bot: provisioning [pull]: pulling image (1:00)",
    ]


def test_a_terminal_gets_one_line_drawn_again() -> None:
    """Each draw starts by clearing the line; only the end makes a new one."""
    text = played(Live, None, PULLING, 0.1, None, 3.0, None, READY)
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert text.split("\r\x1b[2K")[1:] == [
        "… bot waiting for the platform  0:00",
        "… bot provisioning [pull]: pulling image  0:00",
        "… bot provisioning [pull]: pulling image  0:03",
        "✓ bot ready  0:03\n",
    ]


def test_a_wait_that_ends_in_an_error_does_not_look_as_if_it_went_on() -> None:
    """The line of a passed deadline shows its whole time, and that it failed."""
    stream, clock = Terminal(), Clock()
    show = Live("bot", stream, clock)
    show(PULLING)
    clock.now += 2.0
    show.__exit__(TimeoutError, TimeoutError(), None)
    last = stream.getvalue().split("\r\x1b[2K")[-1]
    assert last == "✗ bot provisioning [pull]: pulling image  0:02\n"


def test_an_error_before_the_first_line_draws_none() -> None:
    """A refused argument is no failed wait."""
    stream = Terminal()
    with pytest.raises(ValueError, match="refused"), Live("bot", stream, Clock()):
        raise ValueError("refused")
    assert stream.getvalue() == ""


def test_a_long_wait_shows_hours() -> None:
    """Minutes do not grow past 59."""
    assert "1:01:05" in played(Plain, 3665.0, READY)


def test_server_text_cannot_steer_the_terminal() -> None:
    """Escapes, line breaks and bidirectional controls become blanks (wire.md 2.11)."""
    hostile = ReadinessEvent("boot\x1b[2J\nstrap", "a\r\nfake\u202eline\x07", 0, "\x9b31m")
    for kind in (Live, Plain):
        text = played(kind, hostile).replace("\r\x1b[2K", "")
        assert text.rstrip("\n").isprintable()
        assert "boot [2J strap" in text


def test_lines_fit_the_terminal() -> None:
    """Wide characters take two columns; a line that wraps could not be drawn again."""
    assert fitted("abc", 3) == "abc"
    assert fitted("abcd", 3) == "ab…"
    assert fitted("日本語", 5) == "日…"
    assert printable("  a \n b ") == "a b"


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary terminal, and no wishes about colour or progress."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "INFERENCEKEY_PROGRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("plain_environment")
def test_a_real_terminal_gets_the_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a pty: the line, coloured; with NO_COLOR the same line without."""
    assert on_a_pty(monkeypatch) == (b"\r\x1b[2K\x1b[32m\xe2\x9c\x93\x1b[0m bot ready  0:00\r\n")
    monkeypatch.setenv("NO_COLOR", "1")
    assert on_a_pty(monkeypatch) == b"\r\x1b[2K\xe2\x9c\x93 bot ready  0:00\r\n"


def on_a_pty(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What a terminal receives when the workload is ready at once."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with display("bot") as show:
            show(READY)
    text = b""
    while not text.endswith(b"\n"):
        text += os.read(ours, 4096)
    os.close(ours)
    return text


@pytest.mark.usefixtures("plain_environment")
@pytest.mark.parametrize(
    ("wish", "term", "kind"),
    [
        ("", "xterm", Live),
        ("auto", "xterm", Live),
        ("", "dumb", Plain),
        ("plain", "xterm", Plain),
        ("live", "dumb", Live),
        (" OFF ", "xterm", Silent),
    ],
)
def test_the_environment_chooses(
    monkeypatch: pytest.MonkeyPatch, wish: str, term: str, kind: type
) -> None:
    """`INFERENCEKEY_PROGRESS` wins over what the terminal can do."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("INFERENCEKEY_PROGRESS", wish)
    monkeypatch.setenv("TERM", term)
    assert type(display("bot")) is kind


class Broken(Terminal):
    """A stream whose other end is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


class Deaf:
    """Something that a program put in the place of stderr."""

    def write(self, text: str) -> int:
        return len(text)


def closed() -> io.StringIO:
    """A stream that was closed."""
    stream = Terminal()
    stream.close()
    return stream


@pytest.mark.parametrize(
    "stream", [None, Broken(), closed(), Deaf()], ids=["none", "broken", "closed", "odd"]
)
def test_an_unusable_stderr_is_no_error(monkeypatch: pytest.MonkeyPatch, stream: object) -> None:
    """Display never fails a call, whatever stderr is (wire.md 2.11)."""
    monkeypatch.setattr(sys, "stderr", stream)
    with display("bot") as show:
        show(PULLING)
        show(None)
        show(READY)


def test_another_encoding_gets_what_it_can_hold() -> None:
    """An ASCII log shows question marks, and no UnicodeEncodeError."""
    raw = io.BytesIO()
    with Plain("bot", io.TextIOWrapper(raw, encoding="ascii"), Clock()) as show:
        show(ReadinessEvent("ready", "läuft"))
    assert raw.getvalue() == b"inferencekey: bot: ready: l?uft (0:00)\n"
