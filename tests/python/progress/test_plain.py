"""Lines for a log, and for programs."""

from __future__ import annotations

import io
import json

import pytest

from inferencekey import ReadinessEvent, WaitTimeout, WorkloadFailed
from inferencekey._progress.json_lines import JsonLines
from inferencekey._progress.output import Output
from inferencekey._progress.plain import Plain
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
    lines,
)

TIMED_OUT = WaitTimeout("wait_until_ready: not ready")
GAVE_UP = WorkloadFailed("wait_until_ready: failed")


def test_a_line_per_phase_and_the_times_at_the_end() -> None:
    """Quiet, and whoever reads it knows where the time went."""
    assert lines(Plain, SCHEDULING, 4.0, PULLING, 100.0, LOADING, 29.0, READY) == [
        "inferencekey: bot: scheduling: looking for a GPU (0:00)",
        "inferencekey: bot: provisioning [pull]: pulling image (0:04)",
        "inferencekey: bot: bootstrapping [load]: loading weights (1:44)",
        "inferencekey: bot: ready in 2:13 · scheduling 0:04, provisioning 1:40, bootstrapping 0:29",
    ]


def test_percents_do_not_fill_a_log() -> None:
    """A step is worth a line, its counting is not: the heartbeat tells how far it is."""
    counting = [ReadinessEvent("provisioning", f"{n} %", 0, "pull") for n in range(40)]
    unpacking = ReadinessEvent("provisioning", "layer 1", 0, "unpack")
    steps: list[Step] = [one for event in counting for one in (event, 0.5)]
    assert lines(Plain, *steps, unpacking) == [
        "inferencekey: bot: provisioning [pull]: 0 % (0:00)",
        "inferencekey: bot: provisioning [pull]: 30 % (0:15)",
        "inferencekey: bot: provisioning [unpack]: layer 1 (0:20)",
    ]


def test_steps_as_fast_as_a_counter_are_told_each_second() -> None:
    """The last one is told all the same, with the next tick."""
    fast = [ReadinessEvent("provisioning", "", 0, str(step)) for step in range(100)]
    assert lines(Plain, *fast, 1.0, None) == [
        "inferencekey: bot: provisioning [0] (0:00)",
        "inferencekey: bot: provisioning [99] (0:01)",
    ]


def test_a_heartbeat_each_15_seconds() -> None:
    """A log shows that the wait is alive, also before the first event."""
    assert lines(Plain, None, 14.9, None, 0.1, None, PULLING, 14.9, None, 0.1, None) == [
        "inferencekey: bot: waiting for the platform (no news for 15 s) (0:15)",
        "inferencekey: bot: provisioning [pull]: pulling image (0:15)",
        "inferencekey: bot: provisioning [pull]: pulling image (no news for 15 s) (0:30)",
    ]


def test_a_lost_connection_is_told_once() -> None:
    """However often it is tried again; an event ends it."""
    trouble = "(reconnecting: could not connect: connection refused (host))"
    assert lines(Plain, LOST, 1.0, LOST, PULLING, 2.0, LOST, LOST, READY) == [
        f"inferencekey: bot: waiting for the platform {trouble} (0:00)",
        "inferencekey: bot: provisioning [pull]: pulling image (0:01)",
        f"inferencekey: bot: provisioning [pull]: pulling image {trouble} (0:03)",
        "inferencekey: bot: ready in 0:03 · provisioning 0:02",
    ]


ENDS = [
    ((LOADING, 2.0, FAILED, GAVE_UP), "failed in bootstrapping after 0:02: [load] CUDA out of"),
    ((FAILED, GAVE_UP), "failed after 0:00: [load] CUDA out of memory"),
    ((PULLING, 9.0, TIMED_OUT), "not ready after 0:09, it goes on starting; last: provisioning ["),
    ((PULLING, LookupError("mine")), "no longer followed after 0:00: mine"),
]


@pytest.mark.parametrize(("steps", "words"), ENDS, ids=["failed", "at once", "timeout", "other"])
def test_a_wait_that_ends_in_an_error_says_so(steps: tuple[Step, ...], words: str) -> None:
    """A log does not look as if the wait still went on."""
    assert lines(Plain, *steps)[-1].startswith(f"inferencekey: bot: {words}")


def test_a_refused_argument_is_no_failed_wait() -> None:
    """The exception says it all."""
    assert lines(Plain, ValueError("refused")) == []


def test_ctrl_c_says_how_to_go_on() -> None:
    """Before the first event too; not where the workload is deleted with the block around it."""
    assert lines(Plain, KeyboardInterrupt(), project="my proj") == [
        "inferencekey: bot goes on without you. "
        "Wait again: inferencekey wait bot --project 'my proj' · "
        "delete it: inferencekey delete bot --project 'my proj'"
    ]
    assert lines(Plain, 2.0, KeyboardInterrupt(), goes_on=False) == [
        "inferencekey: bot: interrupted after 0:02"
    ]


def test_a_long_wait_shows_hours() -> None:
    """Minutes do not grow past 59."""
    assert "1:01:05" in lines(Plain, 3665.0, READY)[-1]


def test_another_encoding_gets_what_it_can_hold() -> None:
    """An ASCII log shows other marks and question marks, and no UnicodeEncodeError."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    show = Plain(Story("bot", clock=Clock()), Output(stream))
    for event in (ReadinessEvent("provisioning", "läuft"), READY):
        show(event)
    show.end(None)
    assert raw.getvalue().decode().splitlines() == [
        "inferencekey: bot: provisioning: l?uft (0:00)",
        "inferencekey: bot: ready in 0:00 - provisioning 0:00",
    ]


def test_json_has_every_event_and_how_it_ended() -> None:
    """One object per line, in ASCII, with the fields that the module documents."""
    hostile = ReadinessEvent("provisioning", "\x1b[2J\nfake \u202e", 7, "pull")
    told = [json.loads(line) for line in lines(JsonLines, hostile, 15.0, None, LOST, 2.5, READY)]
    assert [one["kind"] for one in told] == ["event", "waiting", "lost", "event", "end"]
    assert told[0] == {
        "workload": "bot",
        "kind": "event",
        "phase": "provisioning",
        "step": "pull",
        "message": "\x1b[2J\nfake \u202e",
        "elapsed_ms": 7,
        "seconds": 0.0,
        "phase_seconds": 0.0,
    }
    assert "connection refused" in told[2]["error"]
    assert (told[4]["outcome"], told[4]["seconds"]) == ("ready", 17.5)
    assert told[4]["seconds_by_phase"] == {"provisioning": 17.5}
    assert all(line.isascii() for line in lines(JsonLines, hostile, READY))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (GAVE_UP, "failed"),
        (TIMED_OUT, "timeout"),
        (KeyboardInterrupt(), "interrupted"),
        (LookupError(), "error"),
    ],
)
def test_json_tells_every_end(error: BaseException, outcome: str) -> None:
    """Before the first event too: a program waits for the line `end`."""
    end = json.loads(lines(JsonLines, error)[-1])
    assert (end["kind"], end["outcome"], end["phase"]) == ("end", outcome, None)
