"""Ctrl-C and other signals while a call waits (faults.md 3.11)."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from child import running
from clients import API_KEY, LIVE, SPEC, completion, data, delta, management
from double import (
    HANG,
    LAST_CHUNK,
    Double,
    Request,
    Step,
    Until,
    answer,
    chunk,
    chunked_head,
    frames,
)

from inferencekey import Cancelled, DataClient, ManagementClient

# Promised are 0.3 s for Ctrl-C and 0.1 s for close; the rest is for a machine that runs other tests
# too. What is not ended at once goes on for many seconds.
PROMPT = 5.0

CLIENTS = """
url = {url!r}
mgmt = ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="acme")
bot = DataClient(base_url=url, project="acme", api_key=API_KEY).endpoint("bot")
"""

INTERRUPTED = """
try:
    print("ready", flush=True)
    {call}
except KeyboardInterrupt:
    ended = time.monotonic()
    print(f"interrupted {{time.time()}}", flush=True)
else:
    print("not interrupted", flush=True)
# The client is usable afterwards.
print(mgmt.get("bot")["slug"], flush=True)
"""

HEAD = chunked_head()
FIRST = chunk(frames(delta("Hel")))
PHASE = chunk(frames({"phase": "provisioning", "message": "gpu"}))
ENSURE = 'mgmt.ensure(WorkloadSpec("Bot", "bot", "m", "vllm"))'
PATCH = 'mgmt.ensure(WorkloadSpec("Bot", "bot", "other", "vllm"))'
WARMING = answer({"error": {"code": "warming"}}, 503, {"retry-after": "30"})

# What waits, the call, and what the server plays for its requests; the last script goes on.
WAITING: list[tuple[str, str, list[list[Step]]]] = [
    ("an answer's head", 'bot.generate_text(prompt="Hi")', [[HANG]]),
    (
        "a half of an answer's head",
        'bot.generate_text(prompt="Hi")',
        [[answer(completion("Hi"))[:20], HANG]],
    ),
    (
        "an answer's body",
        'bot.generate_text(prompt="Hi")',
        [[answer(completion("Hi"))[:-5], HANG]],
    ),
    ("a stream to open", 'bot.generate_text_stream(prompt="Hi")', [[HANG]]),
    ("a stream's chunk", 'list(bot.generate_text_stream(prompt="Hi"))', [[HEAD, FIRST, HANG]]),
    ("embeddings", 'bot.embed(input="Hi")', [[HANG]]),
    ("a list", "mgmt.list()", [[HANG]]),
    ("ensure, in its list", ENSURE, [[HANG]]),
    ("ensure, in its create", ENSURE, [[answer([])], [HANG]]),
    ("ensure, in its patch", PATCH, [[answer([LIVE])], [HANG]]),
    (
        "ensure, between the lists after a conflict",
        ENSURE,
        # The first list after it comes at once; the pause before the third is 0.5 s.
        [[answer([])], [answer(b"", 409)], [answer([])], [answer([])]],
    ),
    ("delete, in its second request", 'mgmt.delete("bot")', [[answer([LIVE])], [HANG]]),
    ("readiness to open", 'mgmt.wait_until_ready("bot", silent=True)', [[HANG]]),
    ("readiness", 'mgmt.wait_until_ready("bot", silent=True)', [[HEAD, PHASE, HANG]]),
    (
        "readiness with a callback",
        'mgmt.wait_until_ready("bot", on_progress=print)',
        [[HEAD, PHASE, HANG]],
    ),
    (
        "readiness, before it is opened again",
        'mgmt.wait_until_ready("bot", silent=True)',
        [[answer(b"", 503)], [answer(b"", 503)]],
    ),
    ("a pause between sends", "mgmt.list()", [[answer(b"", 503, {"retry-after": "30"})]]),
    ("an endpoint that is warming", 'bot.generate_text(prompt="Hi")', [[WARMING]]),
]


@pytest.mark.parametrize(
    ("call", "scripts"), [row[1:] for row in WAITING], ids=[row[0] for row in WAITING]
)
def test_ctrl_c_ends_any_call(call: str, scripts: list[list[Step]]) -> None:
    """KeyboardInterrupt within 0.3 s, the socket closed, and the client goes on."""
    waiting = iter(scripts)
    interrupted = threading.Event()

    def respond(request: Request) -> list[Step]:
        return [answer([LIVE])] if interrupted.is_set() else next(waiting)

    with Double(respond) as double:
        program = CLIENTS.format(url=double.url) + INTERRUPTED.format(call=call)
        with running(program) as process:
            double.journal.wait_for_requests(len(scripts))
            interrupted.set()
            sent = time.time()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
        lines = [line for line in out.splitlines() if not line.startswith("ReadinessEvent")]
        assert lines[0] == "ready"
        assert lines[1].startswith("interrupted "), (out, err)
        assert float(lines[1].split()[1]) - sent < PROMPT
        assert lines[2:] == ["bot"]
        assert err == ""
        if HANG in scripts[-1]:
            assert double.journal.connections[0].closed.wait(5)
        # The interrupted call sent nothing more.
        assert len(double.journal.requests) == len(scripts) + 1


def test_ctrl_c_ends_a_connect() -> None:
    """A host that accepts nothing does not hold the program."""
    program = """
import socket
full = socket.socket()
full.bind(("127.0.0.1", 0))
full.listen(0)
# A full queue: the kernel answers no further connect.
fillers = [socket.socket() for _ in range(4)]
for filler in fillers:
    filler.setblocking(False)
    filler.connect_ex(full.getsockname())
mgmt = ManagementClient(
    base_url=f"http://127.0.0.1:{full.getsockname()[1]}", sdk_token=SDK_TOKEN, project="acme"
)
try:
    print("ready", flush=True)
    mgmt.list()
except KeyboardInterrupt:
    print(f"interrupted {time.time()}", flush=True)
"""
    with running(program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # Nothing can be awaited here: that is the point of a connect that hangs.
        time.sleep(0.2)
        sent = time.time()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert out.startswith("interrupted "), (out, err)
    assert float(out.split()[1]) - sent < PROMPT


def test_a_handler_that_returns_lets_the_call_go_on() -> None:
    """A timer of the program's own does not disturb a call (EINTR)."""
    program = """
ticks = []
signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
stream = bot.generate_text_stream(prompt="Hi")
text = next(stream).text
while len(ticks) < 5:
    time.sleep(0.01)
mgmt.delete("bot")   # tells the double to go on
text += "".join(chunk.text for chunk in stream)
signal.setitimer(signal.ITIMER_REAL, 0)
print(text)
"""
    more = threading.Event()

    def respond(request: Request) -> list[Step] | bytes:
        if request.method == "GET":
            more.set()
            return answer([])
        end = chunk(frames(delta("lo", "stop"), "[DONE]")) + LAST_CHUNK
        return [HEAD + FIRST, Until(more), end]

    with Double(respond) as double, running(CLIENTS.format(url=double.url) + program) as process:
        out, err = process.communicate(timeout=10)
    assert (out, err) == ("Hello\n", "")


def test_no_ctrl_c_is_lost() -> None:
    """Wherever in the SDK the signal arrives: an interrupt that nobody sees is a hang."""
    program = """
import random
interrupts = 0
def interrupt(*_):
    global interrupts
    interrupts += 1
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
caught = 0
for n in range(1000):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.002))
        while True:
            bot.generate_text(prompt="Hi")
    except KeyboardInterrupt:
        caught += 1
print(caught == interrupts)
"""
    with (
        Double(lambda request: answer(completion("Hi"))) as double,
        running(CLIENTS.format(url=double.url) + program) as process,
    ):
        assert process.communicate(timeout=15) == ("True\n", "")


def test_an_exception_of_a_handler_comes_out_unchanged() -> None:
    """A soft time limit that raises ends the call with its own exception."""
    program = """
class SoftLimit(Exception): pass
def limit(*_): raise SoftLimit
signal.signal(signal.SIGALRM, limit)
signal.setitimer(signal.ITIMER_REAL, 0.3)
try:
    bot.generate_text(prompt="Hi")
except SoftLimit:
    print("soft limit")
"""
    with (
        Double([HANG]) as double,
        running(CLIENTS.format(url=double.url) + program) as process,
    ):
        out, err = process.communicate(timeout=10)
        assert double.journal.connections[0].closed.wait(5)
    assert (out, err) == ("soft limit\n", "")


def test_ctrl_c_ends_a_tls_handshake() -> None:
    """A server that accepts and then says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = f"""
mgmt = ManagementClient(
    base_url="https://127.0.0.1:{silent.getsockname()[1]}", sdk_token=SDK_TOKEN, project="acme"
)
try:
    mgmt.list()
except KeyboardInterrupt:
    print(f"interrupted {{time.time()}}", flush=True)
"""
        with running(program) as process:
            peer, _ = silent.accept()
            with peer:
                assert peer.recv(1), "the client begins the handshake"
                sent = time.time()
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=10)
                while peer.recv(65536):
                    pass
    assert out.startswith("interrupted "), (out, err)
    assert float(out.split()[1]) - sent < PROMPT


def platform(request: Request) -> list[Step] | bytes:
    """One workload that never becomes ready, and whose model never ends an answer."""
    if request.target.endswith("/readiness-events"):
        return [HEAD + PHASE, HANG]
    if request.method == "POST":
        return [HEAD + FIRST, HANG] if request.json()["stream"] else [HANG]
    return answer(b"", 204) if request.method == "DELETE" else answer([LIVE])


BUSY = [
    ("a wait", 'mgmt.wait_until_ready("bot", silent=True)'),
    ("a wait with a callback", 'mgmt.wait_until_ready("bot", on_progress=lambda event: None)'),
    ("a stream", 'list(bot.generate_text_stream(prompt="Hi"))'),
    ("a call", 'bot.generate_text(prompt="Hi")'),
]
busy = pytest.mark.parametrize("call", [row[1] for row in BUSY], ids=[row[0] for row in BUSY])


@busy
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_handler_may_delete_and_leave(call: str, number: signal.Signals) -> None:
    """No lock is held while Python runs handlers: the same client deletes the workload."""
    program = f"""
def leave(*_):
    print(mgmt.delete("bot"), flush=True)
    sys.exit(0)
signal.signal({int(number)}, leave)
{call}
"""
    with Double(platform) as double, running(CLIENTS.format(url=double.url) + program) as process:
        double.journal.wait_for_requests(1)
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        methods = [request.method for request in double.journal.requests]
    assert (process.returncode, out, err) == (0, "True\n", "")
    assert methods[1:] == ["GET", "DELETE"]


def test_a_handler_may_call_and_return() -> None:
    """Whatever a handler does with the client, the wait it interrupted goes on to its end."""
    program = """
def look(*_):
    print(mgmt.get("bot")["slug"], bot.generate_text(prompt="Hi").text, flush=True)
    mgmt.delete("bot")
signal.signal(signal.SIGUSR1, look)
mgmt.wait_until_ready("bot", silent=True)
print("ready")
"""
    deleted = threading.Event()

    def respond(request: Request) -> list[Step] | bytes:
        if request.target.endswith("/readiness-events"):
            return [HEAD + PHASE, Until(deleted), chunk(frames({"phase": "ready"})) + LAST_CHUNK]
        if request.method == "DELETE":
            deleted.set()
            return answer(b"", 204)
        return answer(completion("Hi")) if request.method == "POST" else answer([LIVE])

    with Double(respond) as double, running(CLIENTS.format(url=double.url) + program) as process:
        double.journal.wait_for_requests(1)
        process.send_signal(signal.SIGUSR1)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "bot Hi\nready\n", "")


CLEAN_UP = """
try:
    mgmt.wait_until_ready("bot", silent=True)
finally:
    print(mgmt.delete("bot"), flush=True)
"""


def test_a_finally_deletes_after_ctrl_c() -> None:
    """The usual way to tidy up: try, wait, finally delete."""
    with Double(platform) as double, running(CLIENTS.format(url=double.url) + CLEAN_UP) as process:
        double.journal.wait_for_requests(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        methods = [request.method for request in double.journal.requests]
    assert (process.returncode, out) == (-signal.SIGINT, "True\n")
    assert err.endswith("KeyboardInterrupt\n")
    assert methods == ["GET", "GET", "DELETE"]


@pytest.mark.parametrize("second_at", [2, 3], ids=["its list", "its delete"])
def test_a_second_ctrl_c_does_not_keep_the_delete_from_being_sent(second_at: int) -> None:
    """An impatient user would go on paying for the workload otherwise."""
    interrupted_again = threading.Event()

    def respond(request: Request) -> list[Step] | bytes:
        script = platform(request)
        if len(double.journal.requests) < second_at:
            return script
        assert isinstance(script, bytes)
        return [Until(interrupted_again), script]

    with Double(respond) as double, running(CLIENTS.format(url=double.url) + CLEAN_UP) as process:
        double.journal.wait_for_requests(1)
        process.send_signal(signal.SIGINT)
        double.journal.wait_for_requests(second_at)
        process.send_signal(signal.SIGINT)
        interrupted_again.set()
        _, err = process.communicate(timeout=10)
        methods = [request.method for request in double.journal.requests]
    assert methods == ["GET", "GET", "DELETE"]
    assert process.returncode == -signal.SIGINT
    assert err.endswith("KeyboardInterrupt\n")


def test_a_third_ctrl_c_ends_a_delete_at_once() -> None:
    """Whoever insists is heard."""
    program = """
def interrupt(*_):
    interrupts.append(1)
    raise KeyboardInterrupt
interrupts = []
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
try:
    mgmt.delete("bot")
except KeyboardInterrupt:
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(len(interrupts))
"""
    with Double([HANG]) as double, running(CLIENTS.format(url=double.url) + program) as process:
        assert process.communicate(timeout=10) == ("2\n", "")


Closes = DataClient | ManagementClient


# What runs, on which client, and what the server plays.
RUNNING: list[tuple[str, Callable[[Double], Closes], Callable[[Any], object], list[Step]]] = [
    ("a call", data, lambda c: c.endpoint("bot").generate_text(prompt="Hi"), [HANG]),
    (
        "an endpoint's own key",
        lambda double: data(double, api_key=None),
        lambda c: c.endpoint("bot", api_key=API_KEY).generate_text(prompt="Hi"),
        [HANG],
    ),
    (
        "a stream to open",
        data,
        lambda c: c.endpoint("bot").generate_text_stream(prompt="Hi"),
        [HANG],
    ),
    (
        "a stream",
        data,
        lambda c: list(c.endpoint("bot").generate_text_stream(prompt="Hi")),
        [HEAD, FIRST, HANG],
    ),
    ("embeddings", data, lambda c: c.endpoint("bot").embed(input="Hi"), [HANG]),
    ("a warming endpoint", data, lambda c: c.endpoint("bot").generate_text(prompt="Hi"), [WARMING]),
    ("a list", management, lambda c: c.list(), [HANG]),
    ("an ensure", management, lambda c: c.ensure(SPEC), [HANG]),
    ("a wait", management, lambda c: c.wait_until_ready("bot", silent=True), [HEAD, PHASE, HANG]),
    (
        "a wait, before it opens again",
        management,
        lambda c: c.wait_until_ready("bot", silent=True),
        [answer(b"", 503, {"retry-after": "30"})],
    ),
    ("a delete", management, lambda c: c.delete("bot"), [HANG]),
    (
        "a pause between sends",
        management,
        lambda c: c.list(),
        [answer(b"", 503, {"retry-after": "30"})],
    ),
]


@pytest.mark.parametrize(
    ("make", "call", "script"), [row[1:] for row in RUNNING], ids=[row[0] for row in RUNNING]
)
def test_close_ends_calls_of_other_threads(
    make: Callable[[Double], Closes], call: Callable[[Any], object], script: list[Step]
) -> None:
    """`client.close()` reaches calls that run elsewhere, as `Cancelled`; no other client's."""
    release = threading.Event()
    after: list[Step] = [Until(release), answer([LIVE])]
    scripts = iter([script, after])
    with (
        Double(lambda request: next(scripts)) as double,
        ThreadPoolExecutor(2) as threads,
        make(double) as client,
        management(double) as other,
    ):
        ended = threads.submit(call, client)
        double.journal.wait_for_requests(1)
        others = threads.submit(other.get, "bot")
        double.journal.wait_for_requests(2)
        started = time.monotonic()
        client.close()
        error = ended.exception(timeout=5)
        assert time.monotonic() - started < PROMPT
        assert isinstance(error, Cancelled), error
        assert error.code == "cancelled"
        assert error.operation
        if HANG in script:
            assert double.journal.connections[0].closed.wait(5)
        assert not others.done()
        release.set()
        workload = others.result(timeout=5)
        assert workload is not None
        assert workload["slug"] == "bot"


def test_close_reaches_a_stream_that_nobody_reads() -> None:
    """Its connection is closed at once, and the next read says why."""
    with Double([HEAD, FIRST, HANG]) as double, data(double) as client:
        stream = client.endpoint("bot").generate_text_stream(prompt="Hi")
        assert next(stream).text == "Hel"
        client.close()
        assert double.journal.connections[0].closed.wait(PROMPT)
        with pytest.raises(Cancelled):
            next(stream)
        assert list(stream) == []
