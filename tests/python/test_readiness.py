"""`readiness`: the events of a workload on its way, one by one."""

from __future__ import annotations

import copy
import gc
import io
import logging
import pickle
import sys
import time

import pytest
from child import run
from clients import management
from double import FIN, HANG, Double, answer, chunk, chunked_head, frames, sse
from progress.played import Terminal

from inferencekey import (
    AuthError,
    Cancelled,
    ReadinessEvent,
    Retry,
    ValidationError,
    WaitTimeout,
    WorkloadFailed,
)
from inferencekey._readiness import PhaseTimes

HEAD = chunked_head()
PULLING = chunk(frames({"phase": "provisioning", "message": "pulling"}))
READY = sse({"phase": "ready"})


def test_events_come_one_by_one_and_end_after_ready() -> None:
    """Nothing is sent before the first is asked for; the client goes on."""
    body = sse({"phase": "provisioning", "message": "gpu"}, {"phase": "ready"}, {"phase": "error"})
    with Double(body, answer([])) as double:
        mgmt = management(double)
        events = mgmt.readiness("bot")
        assert double.journal.requests == []
        assert next(events) == ReadinessEvent("provisioning", "gpu")
        assert list(events.seconds_by_phase) == ["provisioning"]
        assert [event.phase for event in events] == ["ready"]
        assert list(events) == []
        assert list(events.seconds_by_phase) == ["provisioning"]
        assert mgmt.list() == []


def test_it_raises_what_a_wait_raises() -> None:
    """After the last event, with the platform's words and what to do."""
    failed = {"phase": "error", "message": "CUDA out of memory", "step": "load"}
    bodies = [sse({"phase": "bootstrapping"}, failed), answer({"message": "who"}, 401)]
    with Double(*bodies) as double:
        mgmt = management(double)
        seen: list[str] = []
        with pytest.raises(WorkloadFailed, match="in phase `bootstrapping`: CUDA out of") as caught:
            seen.extend(event.phase for event in mgmt.readiness("bot"))
        assert (caught.value.phase, caught.value.step) == ("error", "load")
        assert [event.phase for event in caught.value.events or ()] == ["bootstrapping", "error"]
        assert "correct the spec and `ensure` it again, or `delete` it" in (caught.value.hint or "")
        with pytest.raises(AuthError):
            next(mgmt.readiness("bot"))
        with pytest.raises(WaitTimeout) as late:
            next(mgmt.readiness("bot", timeout=0))
        assert "it goes on starting" in (late.value.hint or "")
        with pytest.raises(ValidationError) as refused:
            mgmt.readiness("bot", timeout=-1)
        assert refused.value.field == "timeout"
    assert len(double.journal.requests) == 2


def test_the_last_words_may_come_before_the_error() -> None:
    """An `error` without a message does not hide what the engine said."""
    said = {"phase": "bootstrapping", "message": "no such file: model.gguf"}
    with Double(sse(said, {"phase": "error"})) as double, pytest.raises(WorkloadFailed) as caught:
        list(management(double).readiness("bot"))
    assert "failed in phase `bootstrapping`: no such file: model.gguf" in str(caught.value)


def test_the_deadline_runs_while_nobody_asks() -> None:
    """It counts from the call, as the wait's does."""
    with Double([HEAD, PULLING, HANG]) as double:
        events = management(double).readiness("bot", timeout=2)
        next(events)
        time.sleep(2.1)  # The deadline is what passes.
        with pytest.raises(WaitTimeout):
            next(events)
        assert list(events) == []


def test_ready_is_ready_however_late_it_is_looked_at() -> None:
    """The deadline does not take back what was given."""
    with Double(READY) as double:
        events = management(double).readiness("bot", timeout=2)
        assert next(events).phase == "ready"
        time.sleep(2.1)  # The deadline is what passes.
        assert list(events) == []


@pytest.mark.parametrize("how", ["close", "with", "break", "drop", "client"])
def test_leaving_closes_the_connection(how: str) -> None:
    """On the wire, at once: the platform does not go on sending."""
    with Double([HEAD, PULLING, HANG]) as double:
        mgmt = management(double)
        events = mgmt.readiness("bot")
        assert next(events).phase == "provisioning"
        if how == "close":
            events.close()
            events.close()
            assert list(events) == []
        elif how == "with":
            with events:
                pass
        elif how == "client":
            mgmt.close()
            with pytest.raises(Cancelled):
                next(events)
        else:
            del events
            gc.collect()
        assert double.journal.connections[0].closed.wait(5)


def test_a_lost_connection_goes_to_the_hook() -> None:
    """And what the hook raises ends it, on the wire too."""
    told: list[Retry] = []
    with Double([HEAD, PULLING, FIN], READY) as double:
        events = management(double, on_retry=told.append).readiness("bot")
        assert [event.phase for event in events] == ["provisioning", "ready"]
    assert [retry.reason for retry in told] == ["reopen"]


def test_ctrl_c_ends_it_at_once() -> None:
    """Wherever it waits; the connection is closed, and the client goes on."""
    program = """
import _thread
def press():
    time.sleep(0.3)
    pressed.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
pressed = []
with Double([HEAD, EVENT, HANG], answer([])) as double:
    mgmt = management(double)
    events = mgmt.readiness("bot")
    next(events)
    threading.Thread(target=press, daemon=True).start()
    try:
        next(events)
    except KeyboardInterrupt:
        print(time.monotonic() - pressed[0] < 5 or time.monotonic() - pressed[0])
    print(double.journal.connections[0].closed.wait(5), list(events), list(mgmt.list()))
"""
    head = f"HEAD, EVENT = {HEAD!r}, {PULLING!r}\n"
    assert run(head + program) == (0, "True\nTrue [] []\n", "")


@pytest.mark.parametrize(
    ("env", "argument", "project"),
    [
        ("acme", "None", ""),
        ("other", "None", " --project acme"),
        ("acme", "'my proj'", " --project 'my proj'"),
    ],
)
def test_ctrl_c_says_how_to_go_on(env: str, argument: str, project: str) -> None:
    """Commands that work as they are: the project is named where the environment does not."""
    program = f"""
os.environ["INFERENCEKEY_PROJECT"] = {env!r}
def press():
    double.journal.wait_for_requests(1)
    os.kill(os.getpid(), signal.SIGINT)
with Double([HANG]) as double:
    threading.Thread(target=press, daemon=True).start()
    try:
        management(double).wait_until_ready("bot", project={argument})
    except KeyboardInterrupt:
        print("pressed")
"""
    assert run(program) == (
        0,
        "pressed\n",
        f"inferencekey: bot goes on without you. Wait again: inferencekey wait bot{project} · "
        f"delete it: inferencekey delete bot{project}\n",
    )


def test_each_phase_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, whatever the display; what the server says steers no terminal."""
    caplog.set_level(logging.INFO, "inferencekey")
    body = sse(
        {"phase": "provisioning", "message": "a\x1b[2J\nb", "step": "pull"},
        {"phase": "provisioning", "message": "45 %"},
        {"phase": "ready"},
    )
    with Double(body, body) as double:
        management(double).wait_until_ready("bot", silent=True)
        list(management(double).readiness("bot"))
    expected = [
        "wait_until_ready: bot: provisioning [pull]: a [2J b (0:00)",
        "wait_until_ready: bot: ready (0:00)",
    ]
    assert [record.getMessage() for record in caplog.records] == expected * 2
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_live_line_makes_way_for_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning stands on a line of its own, not at the end of what was drawn."""
    terminal = Terminal(200)
    handler = logging.StreamHandler(terminal)
    logger = logging.getLogger("inferencekey")
    logger.addHandler(handler)
    monkeypatch.setattr(sys, "stderr", terminal)
    try:
        with Double([HEAD, PULLING, FIN], READY) as double:
            management(double).wait_until_ready("bot", progress="live")
    finally:
        logger.removeHandler(handler)
    warning, ready = terminal.rows(200)
    assert warning.startswith("wait_until_ready: the answer was cut")
    assert ready.startswith("✓ bot ready in 0:0")


def test_a_wrong_display_is_refused_before_anything_is_sent() -> None:
    """Also beside `silent`: it is a mistake all the same."""
    with Double() as double:
        with pytest.raises(ValidationError) as caught:
            management(double).wait_until_ready("bot", progress="lvie", silent=True)
        assert (caught.value.field, caught.value.hint) == ("progress", "did you mean `live`?")
        assert double.journal.connections == []


def test_it_is_neither_copied_nor_pickled() -> None:
    """It has one connection, and its repr says how far it is."""
    with Double(READY) as double:
        events = management(double).readiness("bot")
        for attempt in (lambda: copy.copy(events), lambda: pickle.dump(events, io.BytesIO())):
            with pytest.raises(TypeError, match="neither copied nor pickled"):
                attempt()
        assert repr(events) == "<Readiness of bot open>"
        list(events)
        assert repr(events) == "<Readiness of bot ended, phase: ready>"


def test_the_time_of_each_phase() -> None:
    """A phase that comes again goes on; the last state takes no time."""
    now = [10.0]
    times = PhaseTimes(lambda: now[0])
    for phase, seconds in [("scheduling", 4), ("provisioning", 6), ("scheduling", 1), ("ready", 9)]:
        times.take(phase)
        now[0] += seconds
    assert times.seconds() == {"scheduling": 5.0, "provisioning": 6.0}
    assert times.elapsed() == 20.0
