"""The one line of a terminal, as an emulator shows it."""

from __future__ import annotations

import pytest

from inferencekey import ReadinessEvent, WorkloadFailed
from inferencekey._progress.columns import fitted, width
from inferencekey._progress.live import Live
from inferencekey._progress.output import Output
from inferencekey._progress.story import Story
from progress.played import (
    FAILED,
    LOADING,
    LOST,
    PULLING,
    READY,
    SCHEDULING,
    Clock,
    Step,
    Terminal,
    play,
)

WIDE = ReadinessEvent("provisioning", "日本語のメッセージ " * 9 + "\U0001f680" * 30, 0, "段階")
COMBINING = ReadinessEvent("provisioning", "e\N{COMBINING ACUTE ACCENT}" * 200)
GAVE_UP = WorkloadFailed("wait_until_ready: failed")


@pytest.fixture(autouse=True)
def ordinary_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that breaks lines anew, and no wishes about colour."""
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "XTERM_VERSION"):
        monkeypatch.delenv(name, raising=False)


def shown(*steps: Step, columns: int = 100) -> list[str]:
    """The rows of the terminal after the steps."""
    terminal = Terminal(columns)
    for _ in play(Live, steps, terminal):
        pass
    return terminal.rows(columns)


def test_the_line_tells_phases_times_and_words() -> None:
    """Which phases are done, which runs and for how long, and what the platform says."""
    assert shown(None) == ["bot ▸ waiting for the platform 0:00"]
    assert shown(SCHEDULING, 4.0, PULLING, 9.0, None) == [
        "bot ✓ scheduling ▸ provisioning 0:09 of 0:13 · bootstrapping · ready  [pull] pulling image"
    ]


def test_the_end_tells_the_time_of_each_phase() -> None:
    """In the place of the line."""
    assert shown(SCHEDULING, 4.0, PULLING, 100.0, LOADING, 29.0, READY) == [
        "✓ bot ready in 2:13 · scheduling 0:04, provisioning 1:40, bootstrapping 0:29"
    ]


def test_a_failure_is_the_last_state_of_the_line() -> None:
    """With the engine's last words; what was refused before the first draw leaves no trace."""
    assert shown(LOADING, 2.0, FAILED, GAVE_UP) == [
        "✗ bot failed in bootstrapping after 0:02: [load] CUDA out of memory"
    ]
    assert shown(ValueError("refused")) == []


def test_silence_and_lost_connections_are_told_until_the_next_event() -> None:
    """First, so that a long message does not push them out."""
    silent = shown(PULLING, 45.0, None, columns=120)[0]
    assert "no news for 45 s · [pull] pulling image" in silent
    assert "no news" not in shown(PULLING, 14.9, None)[0]
    assert "reconnecting: could not connect" in shown(PULLING, 1.0, LOST, columns=120)[0]
    assert "reconnecting" not in shown(LOST, 1.0, PULLING)[0]


def test_phases_that_nobody_saw_are_done_and_unknown_ones_have_a_place() -> None:
    """Whoever comes late sees what is over; a newer platform may have more phases."""
    assert shown(LOADING)[0].startswith("bot ✓ scheduling ✓ provisioning ▸ bootstrapping 0:00")
    dreaming = shown(PULLING, 1.0, ReadinessEvent("dreaming", "of sheep"), columns=120)[0]
    assert "✓ provisioning ▸ dreaming 0:00 of 0:01 · bootstrapping · ready" in dreaming


STORY: tuple[Step, ...] = (
    None, 0.2, SCHEDULING, 1.0, PULLING, 1.0, WIDE, 1.0, COMBINING, 20.0, None, LOST, 1.0,
    LOADING, 3700.0, None, 1.0,
)  # fmt: skip


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8, 13, 20, 33, 40, 60, 79, 80, 81, 100, 132, 250])
@pytest.mark.parametrize("end", [(READY,), (FAILED, GAVE_UP)], ids=["ready", "failed"])
def test_there_is_one_line_at_every_width(columns: int, end: tuple[Step, ...]) -> None:
    """Wide and combining characters too: a line that wraps could not be drawn again."""
    terminal = Terminal(columns)
    for _ in play(Live, (*STORY, *end), terminal):
        assert len(terminal.rows(columns)) <= 1
    assert terminal.getvalue().count("\n") == 1


def test_a_terminal_of_no_size_counts_as_an_ordinary_one() -> None:
    """Nobody gave it one: it says 0 columns."""
    terminal = Terminal(0)
    for _ in play(Live, STORY, terminal):
        assert len(terminal.rows(80)) <= 1
    assert "bootstrapping 1:01:40 of" in terminal.rows(80)[0]


def test_the_line_follows_the_width() -> None:
    """A terminal that became narrower has broken the line: all its rows are drawn anew."""
    terminal, clock = Terminal(100), Clock()
    show = Live(Story("bot", clock=clock), Output(terminal))
    show(LOADING)
    long = width([(terminal.rows(100)[0], "")])
    terminal.resize(long // 3)
    clock.now += 1
    drawn = len(terminal.getvalue())
    show(None)
    rows = -(-long // (long // 3)) - 1
    assert terminal.getvalue()[drawn:].startswith(f"\x1b[{rows}A\r\x1b[J")
    terminal.resize(200)
    clock.now += 1
    show(None)
    assert terminal.rows(200)[-1].startswith("bot ✓ scheduling ✓ provisioning ▸ bootstrapping")


def test_it_is_drawn_at_most_ten_times_a_second() -> None:
    """However fast events come; the last of them is there with the next tick."""
    events = [ReadinessEvent("provisioning", str(n)) for n in range(500)]
    steps: list[Step] = [one for event in events for one in (event, 0.004)]
    terminal = Terminal(100)
    for _ in play(Live, (*steps, 0.1, None), terminal):
        pass
    assert terminal.getvalue().count("\r") <= 2.2 * 10
    assert terminal.rows(100)[0].endswith("499")


def test_nothing_is_drawn_that_would_look_the_same() -> None:
    """A terminal that is recorded stays small."""
    terminal = Terminal(100)
    for _ in play(Live, (PULLING, 0.2, None, 0.2, None, 0.2, PULLING), terminal):
        pass
    assert terminal.getvalue().count("\r") == 1


def test_it_makes_way_for_others() -> None:
    """A line of the log stands alone, and the line goes on below it."""
    terminal, clock = Terminal(100), Clock()
    show = Live(Story("bot", clock=clock), Output(terminal))
    show(PULLING)
    show.make_way()
    terminal.write("WARNING: something\n")
    clock.now += 1
    show(None)
    show.end(KeyboardInterrupt())
    assert terminal.rows(200) == [
        "WARNING: something",
        "bot goes on without you. Wait again: inferencekey wait bot · "
        "delete it: inferencekey delete bot",
    ]


def test_commands_to_copy_stay_whole() -> None:
    """However narrow the terminal is."""
    rows = shown(PULLING, KeyboardInterrupt(), columns=20)
    assert "".join(rows).endswith("· delete it: inferencekey delete bot")


def test_server_text_cannot_steer_the_terminal() -> None:
    """Escapes, line breaks and bidirectional controls become blanks (wire.md 2.11)."""
    hostile = ReadinessEvent("boot\x1b[2J\nstrap", "a\r\nfake\u202eline\x07", 0, "\x9b31m")
    terminal = Terminal(100)
    for _ in play(Live, (hostile,), terminal):
        pass
    text = terminal.getvalue().removeprefix("\r\x1b[2K").replace("\x1b[0m", "")
    for style in ("2", "32", "36"):
        text = text.replace(f"\x1b[{style}m", "")
    assert text.isprintable()
    assert "boot [2J strap" in text


@pytest.mark.parametrize(
    ("env", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_colour_is_a_wish(
    monkeypatch: pytest.MonkeyPatch, env: dict[str, str], coloured: bool
) -> None:
    """The text is the same without."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal(100)
    for _ in play(Live, (LOADING, READY), terminal):
        pass
    assert ("\x1b[32m" in terminal.getvalue()) is coloured
    assert terminal.rows(100) == ["✓ bot ready in 0:00 · bootstrapping 0:00"]


def test_marks_are_ascii_where_the_encoding_holds_no_others() -> None:
    """And a text that is cut shows it."""
    terminal = Terminal(100)
    terminal.encoding = "latin-1"
    for _ in play(Live, (LOADING,), terminal):
        pass
    assert terminal.rows(100)[0].startswith("bot + scheduling + provisioning > bootstrapping")


def test_lines_are_cut_to_columns() -> None:
    """Wide characters take two, combining ones none."""
    for text, columns, expected in [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301", 2, "e\u0301e\u0301"),
        ("abc", 0, ""),
    ]:
        assert "".join(part for part, _ in fitted([(text, "")], columns, "…")) == expected
