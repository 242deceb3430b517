"""`wait_until_ready` when things break (wire.md 2.11, faults.md 3.9).

The schedule of reopening runs on virtual time in the core (`operations/tests/readiness.rs`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from clients import LIVE, management
from double import (
    FIN,
    HANG,
    LAST_CHUNK,
    RST,
    Double,
    Repeat,
    Request,
    Script,
    Send,
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
    InferenceKeyError,
    ManagementClient,
    NotFound,
    PermissionDenied,
    ReadinessEvent,
    Retry,
    ServerError,
    ValidationError,
    WaitTimeout,
    WorkloadFailed,
)

pytestmark = pytest.mark.usefixtures("either_kind")

TIMEOUT = 0.8
# faults.md allows 250 ms; the rest is for a busy machine.
LATE = 5.0

HEAD = chunked_head()
COMMENT = chunk(b": still here\n\n")
EVENT = chunk(frames({"phase": "provisioning", "message": "pulling"}))
READY = sse({"phase": "ready"})
HTML = answer(b"<html>", 200, {"content-type": "text/html"})

ENDLESS: list[tuple[str, Script, str]] = [
    ("silence", [HANG], ""),
    ("half a head", [b"HTTP/1.1 200 OK\r\nconte", HANG], ""),
    ("a head and nothing more", [HEAD, HANG], ""),
    ("comments", [HEAD, Repeat(COMMENT, pause=0.02)], ""),
    ("a flood of comments", [HEAD, Repeat(chunk(b": still here\n\n" * 5000))], ""),
    ("events without an end", [HEAD, Repeat(EVENT, pause=0.02)], "last event: provisioning"),
    ("a flood of events", [HEAD, Repeat(EVENT)], "last event: provisioning"),
    ("503", answer({"message": "not now"}, 503), "last failure: not now"),
    ("429 for very long", answer(b"", 429, {"retry-after": "9999999999999999999"}), "last failure"),
    ("resets", [RST], "last failure: the connection was lost"),
    ("an early end", sse(), "last failure: the stream ended"),
]


@pytest.mark.parametrize(("name", "script", "words"), ENDLESS, ids=[name for name, *_ in ENDLESS])
def test_the_wait_ends_on_time(name: str, script: Script, words: str) -> None:
    """Whatever the server does, it is over soon after `timeout`, with what was seen last."""
    with Double(lambda request: script) as double:
        started = time.monotonic()
        with pytest.raises(WaitTimeout) as caught:
            management(double).wait_until_ready("bot", timeout=TIMEOUT, silent=True)
        assert TIMEOUT <= time.monotonic() - started < TIMEOUT + LATE
        error = caught.value
        assert isinstance(error, TimeoutError)
        assert not isinstance(error, ApiError)
        assert (error.operation, error.attempts) == ("wait_until_ready", 1)
        assert f"was not ready within {TIMEOUT} s" in str(error)
        assert words in str(error)
        # A whole answer leaves a connection for the next call, a begun one does not.
        assert isinstance(script, bytes) or double.journal.connections[0].closed.wait(5)


def test_the_wait_for_a_closed_port_ends_on_time() -> None:
    """A platform that is not there may come up: it is asked again until the end."""
    with Double(listens=False) as double:
        started = time.monotonic()
        with pytest.raises(WaitTimeout, match="connection refused"):
            management(double).wait_until_ready("bot", timeout=1.3, silent=True)
        assert 1.3 <= time.monotonic() - started < 1.3 + LATE


BROKEN: list[tuple[str, Script]] = [
    ("before any event", [HEAD, FIN]),
    ("inside an event", [HEAD, chunk(b'data: {"phase": "prov'), RST]),
    ("after an event", [HEAD, EVENT, RST]),
    ("by an orderly end", sse({"phase": "scheduling"})),
    ("by a 502", answer(b"", 502)),
]


def test_a_broken_stream_is_opened_again() -> None:
    """A second later; the hook is told, and `ready` is seen."""
    told: list[Retry] = []
    with contextlib.ExitStack() as stack:
        doubles = [stack.enter_context(Double(script, READY)) for _, script in BROKEN]
        # At once, because each of them has to wait for a real second.
        with ThreadPoolExecutor(len(doubles)) as pool:
            clients = [management(double, retries=0, on_retry=told.append) for double in doubles]
            waits = [pool.submit(mgmt.wait_until_ready, "bot", silent=True) for mgmt in clients]
            for (name, _), wait, double in zip(BROKEN, waits, doubles, strict=True):
                wait.result(15)
                assert len(double.journal.requests) == 2, name
    assert {(retry.reason, retry.pause, retry.attempts) for retry in told} == {("reopen", 1.0, 1)}
    assert len(told) == len(BROKEN)


# In an event loop nothing is shown unless it is asked for.
@pytest.mark.parametrize("either_kind", ["blocking"], indirect=True)
def test_a_lost_connection_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """A log says that nothing comes, and why; then it goes on."""
    with Double([HEAD, EVENT, FIN], READY) as double:
        management(double).wait_until_ready("bot")
    pulling, lost, ready = capfd.readouterr().err.splitlines()
    assert pulling == "inferencekey: bot: provisioning: pulling (0:00)"
    assert lost.startswith("inferencekey: bot: provisioning: pulling (reconnecting: the answer was")
    assert ready.startswith("inferencekey: bot: ready in 0:0")


FINAL: list[tuple[str, list[Script], type[InferenceKeyError], str, int]] = [
    ("phase error", [sse({"phase": "error", "message": "OOM"})], WorkloadFailed, "OOM", 1),
    ("error frame", [sse({"error": {"code": "c", "message": "gone"}})], ApiError, "gone", 1),
    ("error event", [HEAD + chunk(b"event: error\ndata: gone\n\n")], ApiError, "gone", 1),
    ("400", [answer({"message": "bad"}, 400)], ValidationError, "bad", 1),
    ("401", [answer({"message": "who"}, 401)], AuthError, "who", 1),
    ("403", [answer({"error": "scope_insufficient"}, 403)], PermissionDenied, "[scope", 1),
    ("500", [answer({"message": "broken"}, 500)], ServerError, "broken", 1),
    ("404, and no workload", [answer(b"", 404), answer([])], NotFound, "no workload `bot`", 2),
    ("404, and one", [answer({"message": "huh"}, 404), answer([LIVE])], NotFound, "huh", 2),
    ("HTML", [HTML, answer([LIVE])], ApiError, "not an event stream", 2),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "scripts", "kind", "words", "requests"), FINAL, ids=[name for name, *_ in FINAL]
)
def test_some_answers_end_the_wait_at_once(
    name: str, scripts: list[Script], kind: type[InferenceKeyError], words: str, requests: int
) -> None:
    """By class and words of the platform; nothing is asked again."""
    with Double(*scripts) as double:
        with pytest.raises(kind) as caught:
            management(double).wait_until_ready("bot", timeout=60, silent=True)
        assert words in str(caught.value)
        assert (caught.value.attempts, len(double.journal.requests)) == (requests, requests)
        assert caught.value.operation == "wait_until_ready"


def test_a_platform_without_the_stream_is_asked_for_its_list() -> None:
    """What the list says about the phase counts as an event."""
    seen: list[ReadinessEvent] = []
    ready = {**LIVE, "status": "ready", "message": "serving"}
    with Double(answer(b"", 404), answer([ready])) as double:
        management(double).wait_until_ready("bot", on_progress=seen.append)
    assert seen == [ReadinessEvent("ready", "serving")]


def test_odd_events_are_passed_over() -> None:
    """Unknown phases go to the callback; what is no event does not."""
    seen: list[ReadinessEvent] = []
    body = sse(
        "not json",
        [1],
        {"message": "no phase"},
        {"phase": 7},
        {"phase": "dreaming", "elapsed_ms": 12.9, "step": 3},
        {"phase": "scheduling", "message": None, "elapsed_ms": "soon", "step": {}},
        {"phase": "ready", "elapsed_ms": 1e300},
    )
    with Double([Send(body, every=1)]) as double:
        management(double).wait_until_ready("bot", on_progress=seen.append)
    assert seen == [
        ReadinessEvent("dreaming", "", 12, "3"),
        ReadinessEvent("scheduling", ""),
        ReadinessEvent("ready", "", 2**63 - 1),
    ]


def test_the_stream_is_closed_when_the_callback_raises() -> None:
    """At once, with no further call."""

    def refuse(event: ReadinessEvent) -> None:
        raise LookupError("mine")

    with Double([HEAD, EVENT, HANG]) as double:
        mgmt = management(double)
        with pytest.raises(LookupError, match="mine"):
            mgmt.wait_until_ready("bot", on_progress=refuse)
        assert double.journal.connections[0].closed.wait(5)


# A callback cannot wait for the loop that calls it.
@pytest.mark.parametrize("either_kind", ["blocking"], indirect=True)
def test_a_callback_may_delete_the_workload() -> None:
    """Then the platform's next word ends the wait."""
    deleted = threading.Event()

    def respond(request: Request) -> Script:
        if request.method == "DELETE":
            deleted.set()
            return answer(b"", 204)
        if request.target.endswith("/readiness-events"):
            failed = frames({"phase": "error", "message": "deleted"})
            return [HEAD, EVENT, Until(deleted), chunk(failed), LAST_CHUNK]
        return answer([LIVE])

    with Double(respond) as double:
        mgmt = management(double)
        with pytest.raises(WorkloadFailed, match="deleted"):
            mgmt.wait_until_ready("bot", on_progress=lambda event: drop(mgmt, event))
        assert [request.method for request in double.journal.requests] == ["GET", "GET", "DELETE"]


def drop(mgmt: ManagementClient, event: ReadinessEvent) -> None:
    """Deletes a workload that is on its way."""
    if event.phase == "provisioning":
        assert mgmt.delete("bot")


def test_a_slow_callback_is_fine() -> None:
    """Its time counts against `timeout`, and against nothing else."""
    seen: list[str] = []

    def slow(event: ReadinessEvent) -> None:
        time.sleep(0.2)
        seen.append(event.phase)

    with Double([HEAD, EVENT, EVENT, chunk(frames({"phase": "ready"})), LAST_CHUNK]) as double:
        management(double).wait_until_ready("bot", timeout=30, on_progress=slow)
    assert seen == ["provisioning", "provisioning", "ready"]
