"""What is sent again, how often, after what pause, and who is told (faults.md 1.1, 3.7).

Every cell of the matrix runs on virtual time in the core (`operations/tests/matrix.rs`); here is a
sample over real connections, with what only those can show: stale ones above all.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from child import run
from clients import LIVE, SPEC, completion, data, delta, endpoint, management
from double import FIN, RST, Double, Request, Step, answer, chunk, chunked_head, frames, sse

from inferencekey import (
    ApiError,
    Cancelled,
    ConnectionFailed,
    InferenceKeyError,
    RateLimited,
    Retry,
    RetryPolicy,
    ServerError,
    Timeout,
    ValidationError,
)

pytestmark = pytest.mark.usefixtures("either_kind")

# No test waits for a pause that it does not look at.
AT_ONCE = RetryPolicy(first_pause=0)

Script = bytes | Sequence[Step]

LIST = answer({"workloads": [LIVE]})
CHAT = answer(completion("Hi"))
STREAM = sse(delta("Hi"), delta(None, "stop"), "[DONE]")
EMBEDDINGS = answer({"data": [{"index": 0, "embedding": [1.0]}], "model": "m"})
CALLS: dict[str, tuple[Callable[[Double], object], Script]] = {
    "list": (lambda double: management(double, retries=AT_ONCE).list(), LIST),
    "embed": (lambda double: endpoint(double, retries=AT_ONCE).embed(input="a"), EMBEDDINGS),
    "chat": (lambda double: endpoint(double, retries=AT_ONCE).generate_text(prompt="Hi"), CHAT),
    "stream": (
        lambda double: list(endpoint(double, retries=AT_ONCE).generate_text_stream(prompt="Hi")),
        STREAM,
    ),
}
FAULTS: dict[str, Script] = {
    "reset": [RST],
    "closed": [FIN],
    "cut head": [b"HTTP/1.1 200 OK\r\ncontent-", RST],
    "cut body": [answer({"a": 1})[:-1], FIN],
    "408": answer(b"", 408),
    "429": answer(b"", 429),
    "502": answer(b"", 502),
    "504": answer(b"", 504),
    "429 pushed": answer(b"", 429, {"retry-after": "0"}),
    "502 pushed": answer(b"", 502, {"retry-after": "0"}),
    "500": answer(b"", 500),
    "401": answer(b"", 401),
}
# Sends of a call that meets the fault for ever; a safe call succeeds with the second one if the
# fault comes once.
MATRIX = {
    #              list  embed  chat  stream
    "reset":      (3,    3,     1,    1),
    "closed":     (3,    3,     1,    1),
    "cut head":   (3,    3,     1,    1),
    "cut body":   (3,    3,     1,    1),
    "408":        (3,    3,     1,    1),
    "429":        (3,    3,     1,    1),
    "502":        (3,    3,     1,    1),
    "504":        (3,    3,     1,    1),
    "429 pushed": (3,    3,     3,    3),
    "502 pushed": (3,    3,     1,    1),
    "500":        (1,    1,     1,    1),
    "401":        (1,    1,     1,    1),
}  # fmt: skip
CELLS = [
    (call, fault, sends)
    for fault, row in MATRIX.items()
    for call, sends in zip(CALLS, row, strict=True)
]


@pytest.mark.parametrize(("call", "fault", "sends"), CELLS, ids=[f"{c}, {f}" for c, f, _ in CELLS])
def test_a_fault_is_met_as_often_as_the_matrix_says(call: str, fault: str, sends: int) -> None:
    """For ever: so many sends, told by `attempts`. Once: a call that is sent again succeeds."""
    start, good = CALLS[call]
    with Double(lambda request: FAULTS[fault]) as double:
        with pytest.raises(InferenceKeyError) as caught:
            start(double)
        assert (len(double.journal.requests), caught.value.attempts) == (sends, sends)
        bodies = {(request.target, request.body) for request in double.journal.requests}
        assert len(bodies) == 1
    with Double(FAULTS[fault], good) as double:
        if sends > 1:
            start(double)
        else:
            with pytest.raises(InferenceKeyError):
                start(double)
        assert len(double.journal.requests) == min(sends, 2)


def test_a_refused_connection_is_tried_by_every_call() -> None:
    """Nothing was processed: also a chat and a create try again."""
    with Double(listens=False) as double:
        for start, _ in CALLS.values():
            with pytest.raises(ConnectionFailed, match="connection refused") as caught:
                start(double)
            assert (caught.value.code, caught.value.attempts) == ("connection_failed", 3)


# --- connections that died idle ------------------------------------------------------------------


@pytest.mark.parametrize("pause", [0.0, 0.01], ids=["at once", "after a pause"])
@pytest.mark.parametrize("end", [FIN, RST], ids=["FIN", "RST"])
def test_a_server_that_closes_idle_connections_is_not_noticed(pause: float, end: Step) -> None:
    """Each call succeeds, each request is processed once, and no replacement counts."""

    def respond(request: Request) -> Script:
        answers = {
            "chat/completions": CHAT,
            "embeddings": EMBEDDINGS,
            "workloads": answer({"workloads": []}),
        }
        if request.method == "POST" and request.target.endswith("workloads"):
            return [answer(LIVE, 201), end]
        return [answers[next(key for key in answers if request.target.endswith(key))], end]

    retries: list[Retry] = []
    with Double(respond) as double:
        bot = endpoint(double, on_retry=retries.append)
        mgmt = management(double, on_retry=retries.append)
        for number in range(20):
            assert bot.generate_text(prompt=f"{number}").text == "Hi"
            time.sleep(pause)
            bot.embed(input=f"{number}")
            time.sleep(pause)
        processed = [request.body for request in double.journal.requests]
        assert len(processed) == len(set(processed)) == 40
        for _ in range(10):
            assert mgmt.ensure(SPEC).changed
            time.sleep(pause)
        posts = [r for r in double.journal.requests if r.headers.get("idempotency-key")]
        assert len(posts) == 10
    assert retries == []


class Unread:
    """Waits for the next request's bytes, then resets the connection without reading them."""

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        peer.recv(1, socket.MSG_PEEK)
        RST.play(peer, stopped)


def test_a_connection_that_dies_as_we_send_is_replaced_without_using_up_a_send() -> None:
    """The race that asking the kernel first cannot win (faults.md 1.1, "stale")."""
    with Double([CHAT, Unread()], CHAT, answer(b"", 401)) as double:
        bot = endpoint(double)
        assert bot.generate_text(prompt="1").text == "Hi"
        assert bot.generate_text(prompt="2").text == "Hi"
        assert len(double.journal.requests) == 2
        with pytest.raises(InferenceKeyError) as caught:
            bot.generate_text(prompt="3")
        assert caught.value.attempts == 1


def test_a_create_on_a_connection_that_dies_is_looked_up_first() -> None:
    """A reused connection tells no "died before" from "died after": no blind second POST."""
    live: list[dict[str, Any]] = []

    def respond(request: Request) -> Script:
        if request.method == "GET":
            return answer({"workloads": live})
        live.append(LIVE)
        return [RST]

    with Double(respond) as double:
        assert not management(double, retries=AT_ONCE).ensure(SPEC).changed
        assert [request.method for request in double.journal.requests] == ["GET", "POST", "GET"]


# --- lost answers --------------------------------------------------------------------------------


class Platform:
    """Workloads of one slug, and a fault that befalls the first answer to a method."""

    def __init__(self, method: str, applied: bool, *live: dict[str, Any]) -> None:
        self.live = list(live)
        self._loses, self._applied = method, applied

    def __call__(self, request: Request) -> Script:
        lose = request.method == self._loses
        if lose:
            self._loses = ""
        if not lose or self._applied:
            result = self._apply(request)
        return [RST] if lose else result

    def _apply(self, request: Request) -> bytes:
        if request.method == "GET":
            return answer({"workloads": self.live})
        if request.method == "POST":
            self.live.append({**request.json(), "id": f"wl_{len(self.live)}"})
            return answer(self.live[-1], 201)
        if not self.live:
            return answer({"error": "not_found"}, 404)
        if request.method == "DELETE":
            self.live.clear()
            return answer(b"", 204)
        self.live[0].update(request.json())
        return answer(self.live[0])


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "not applied"])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_lost_answer_converges(method: str, applied: bool) -> None:
    """One workload, as the spec says, and no exception; or none, once it is deleted."""
    drifted = {**LIVE, "model_name": "other"}
    platform = Platform(method, applied, *([] if method == "POST" else [drifted]))
    with Double(platform) as double:
        mgmt = management(double, retries=AT_ONCE)
        if method == "DELETE":
            assert mgmt.delete("bot")
            assert platform.live == []
            return
        mgmt.ensure(SPEC)
        assert [workload["model_name"] for workload in platform.live] == ["m"]
        keys = [r.headers["idempotency-key"] for r in double.journal.requests if r.method == "POST"]
        assert len(set(keys)) <= 1


# --- the policy ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retries", "field"),
    [
        (-1, "retries"),
        (True, "retries"),
        (1.5, "retries"),
        ("2", "retries"),
        (2**32, "retries"),
        (RetryPolicy(-1), "retries.retries"),
        (RetryPolicy(first_pause=-0.1), "retries.first_pause"),
        (RetryPolicy(first_pause=float("nan")), "retries.first_pause"),
        (RetryPolicy(longest_pause=True), "retries.longest_pause"),
        (RetryPolicy(longest_pushback="1"), "retries.longest_pushback"),  # type: ignore[arg-type]
        (RetryPolicy(budget=-5), "retries.budget"),
    ],
)
def test_what_is_no_policy_is_refused_when_the_client_is_made(retries: Any, field: str) -> None:
    """The error names the field, and nothing is sent."""
    with Double() as double:
        for make in (management, data):
            with pytest.raises(ValidationError) as caught:
                make(double, retries=retries)
            assert caught.value.field == field
        assert double.journal.connections == []


@pytest.mark.parametrize(
    ("policy", "sends"),
    [(0, 1), (1, 2), (RetryPolicy(0), 1), (RetryPolicy(5, first_pause=0), 6)],
)
def test_the_policy_says_how_often(policy: int | RetryPolicy, sends: int) -> None:
    """`retries` is the number of sends after the first."""
    with Double(lambda request: answer(b"", 502)) as double:
        with pytest.raises(ServerError):
            management(double, retries=policy).list()
        assert len(double.journal.requests) == sends


def test_calls_of_one_client_share_a_budget() -> None:
    """A dead server gets each call once, and no more repeats than the budget pays."""
    with Double(lambda request: answer(b"", 502)) as double:
        mgmt = management(double, retries=RetryPolicy(2, first_pause=0, budget=20))
        for _ in range(30):
            with pytest.raises(ServerError):
                mgmt.list()
        assert len(double.journal.requests) == 30 + 20 // 5


def test_a_pushback_beyond_the_limit_surfaces_at_once() -> None:
    """The limit is the policy's; the error tells what the server asked for."""
    busy = answer(b"", 429, {"retry-after": "2"})
    with Double(busy) as double:
        with pytest.raises(RateLimited) as caught:
            management(double, retries=RetryPolicy(longest_pushback=1)).list()
        assert (caught.value.retry_after, caught.value.attempts) == (2.0, 1)


# --- who is told ---------------------------------------------------------------------------------


def test_the_hook_is_told_before_each_repeat() -> None:
    """On the thread of the call, with everything that is known."""
    told: list[tuple[int, Retry, int]] = []
    with Double(answer(b"", 503), answer(b"", 502), LIST) as double:

        def on_retry(retry: Retry) -> None:
            told.append((threading.get_ident(), retry, len(double.journal.requests)))

        mgmt = management(double, retries=RetryPolicy(first_pause=0.01), on_retry=on_retry)
        mgmt.list()
    assert [(thread, requests) for thread, _, requests in told] == [
        (threading.get_ident(), 1),
        (threading.get_ident(), 2),
    ]
    first, second = (retry for _, retry, _ in told)
    assert (first.operation, first.attempts, first.reason) == ("list", 1, "retry")
    assert 0.002 <= first.pause <= 0.01
    assert isinstance(first.error, ServerError)
    assert (first.error.status, first.error.operation) == (503, "list")
    assert (second.attempts, second.error.status) == (2, 502)
    assert 0.004 <= second.pause <= 0.02


RAISING: list[tuple[str, Callable[[Any, Any], object], int]] = [
    ("list", lambda mgmt, bot: mgmt.list(), 503),
    ("ensure", lambda mgmt, bot: mgmt.ensure(SPEC), 503),
    ("wait_until_ready", lambda mgmt, bot: mgmt.wait_until_ready("bot", silent=True), 503),
    ("embed", lambda mgmt, bot: bot.embed(input="a"), 502),
    ("stream", lambda mgmt, bot: bot.generate_text_stream(prompt="a"), 503),
]


@pytest.mark.parametrize(("name", "call", "status"), RAISING, ids=[name for name, *_ in RAISING])
def test_what_the_hook_raises_ends_the_call(
    name: str, call: Callable[[Any, Any], object], status: int
) -> None:
    """It comes out unchanged, nothing more is sent, and the clients work afterwards."""

    class Stop(Exception):
        """The hook's own."""

    def on_retry(retry: Retry) -> None:
        raise Stop(retry.operation)

    fault = answer(b"", status, {"retry-after": "0"})
    with Double(fault, LIST, CHAT) as double:
        mgmt, bot = management(double, on_retry=on_retry), endpoint(double, on_retry=on_retry)
        with pytest.raises(Stop):
            call(mgmt, bot)
        assert len(double.journal.requests) == 1
        mgmt.list()
        assert bot.generate_text(prompt="Hi").text == "Hi"


# A hook cannot wait for the loop that calls it.
@pytest.mark.parametrize("either_kind", ["blocking"], indirect=True)
def test_the_hook_may_use_the_same_client() -> None:
    """No lock is held while it runs."""
    seen: list[object] = []

    def on_retry(retry: Retry) -> None:
        seen.append(clients[0].get("bot"))

    with Double(answer(b"", 503), LIST, LIST) as double:
        clients = [management(double, retries=AT_ONCE, on_retry=on_retry)]
        assert clients[0].list() == [LIVE]
    assert seen == [LIVE]


def test_each_retry_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """One line, which names the operation, the failure, the pause and the number of sends."""
    with caplog.at_level(logging.DEBUG, "inferencekey"), Double(answer(b"", 503), LIST) as double:
        management(double, retries=AT_ONCE).list()
        host = f"127.0.0.1:{double.port}"
    lines = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    text = f"list: HTTP 503 ({host}); retry in 0.00 s (attempts: 1)"
    assert lines == [("inferencekey", "WARNING", text)]


def test_a_readiness_frame_that_says_nothing_is_logged_for_debugging(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is passed over; the log shows it in one line, whatever stands in it."""
    events = sse({"x": 1}, "not\tjson", {"phase": "ready"})
    with caplog.at_level(logging.DEBUG, "inferencekey"), Double(events) as double:
        management(double).wait_until_ready("bot", silent=True)
    messages = [record.getMessage() for record in caplog.records if record.levelname == "DEBUG"]
    words = "wait_until_ready: an event that says nothing: "
    assert messages == [words + "'{\"x\": 1}'", words + r"'not\tjson'"]


@pytest.mark.parametrize("imported", ["", "import logging"])
def test_retries_print_nothing_unless_logging_is_set_up(imported: str) -> None:
    """A program that imported logging and did nothing with it sees no line either."""
    program = f"""
# The asyncio of other tests has loaded it.
sys.modules.pop("logging", None)
with Double(answer(b"", 503), answer({{"workloads": []}})) as double:
    if {bool(imported)}:
        import logging
    management(double, retries=RetryPolicy(first_pause=0)).list()
print("logging" in sys.modules)
"""
    assert run(program) == (0, f"{'logging' in imported}\n", "")


def test_a_hook_has_to_be_callable() -> None:
    """Found out when the client is made, not at the first failure."""
    with Double() as double:
        for make in (management, data):
            with pytest.raises(ValidationError, match="`on_retry` must be a function") as caught:
                make(double, on_retry=1)
            assert caught.value.field == "on_retry"


# --- failures inside the pause -------------------------------------------------------------------


def test_close_ends_a_pause() -> None:
    """`client.close()` from another thread does not wait for the pause to be over."""
    with Double(lambda request: answer(b"", 503, {"retry-after": "60"})) as double:

        def close_soon(retry: Retry) -> None:
            threading.Timer(0.05, mgmt.close).start()

        mgmt = management(double, timeout=100, on_retry=close_soon)
        started = time.monotonic()
        with pytest.raises(Cancelled):
            mgmt.list()
        assert time.monotonic() - started < 20
        assert len(double.journal.requests) == 1


def test_a_pause_that_would_outlast_the_deadline_is_not_begun() -> None:
    """The error that is known is better than a timeout later."""
    with Double(lambda request: answer(b"", 503, {"retry-after": "60"})) as double:
        started = time.monotonic()
        with pytest.raises(ServerError) as caught:
            management(double, timeout=30).list()
        assert time.monotonic() - started < 20
        assert (caught.value.retry_after, caught.value.attempts) == (60.0, 1)


def test_a_slow_hook_cannot_extend_the_deadline() -> None:
    """The caller's time in the hook is part of `total`."""
    with Double(lambda request: answer(b"", 502)) as double:
        mgmt = management(
            double, timeout=0.3, retries=AT_ONCE, on_retry=lambda retry: time.sleep(0.4)
        )
        with pytest.raises(Timeout) as caught:
            mgmt.list()
        assert (caught.value.kind, len(double.journal.requests)) == ("total", 1)


def test_a_begun_stream_is_never_sent_again() -> None:
    """What had arrived stays with the caller (faults.md 1.1)."""
    cut: Script = [chunked_head(), chunk(frames(delta("He"), delta("l"))), RST]
    with Double(cut, STREAM) as double:
        stream = endpoint(double, retries=AT_ONCE).generate_text_stream(prompt="Hi")
        assert [next(stream).text, next(stream).text] == ["He", "l"]
        with pytest.raises(ApiError) as caught:
            next(stream)
        assert caught.value.partial is not None
        assert (caught.value.partial.text, caught.value.attempts) == ("Hel", 1)
        assert len(double.journal.requests) == 1


def test_redirects_are_requests_too() -> None:
    """`attempts` counts what was sent."""
    to = answer(b"", 307, {"location": "/api/projects/acme/workloads?x"})
    with Double(to, answer(b"", 401)) as double:
        with pytest.raises(InferenceKeyError) as caught:
            management(double).list()
        assert caught.value.attempts == len(double.journal.requests) == 2
