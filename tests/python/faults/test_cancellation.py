"""Ctrl-C and other signals while a call waits (faults.md 3.11)."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from child import running
from clients import LIVE, completion, delta
from double import HANG, Double, Request, Step, answer, chunk, chunked_head, frames

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

# What waits, the call, and what the server plays for it.
WAITING: list[tuple[str, str, list[Step]]] = [
    ("an answer's head", 'bot.generate_text(prompt="Hi")', [HANG]),
    ("an answer's body", 'bot.generate_text(prompt="Hi")', [answer(completion("Hi"))[:-5], HANG]),
    ("a stream to open", 'bot.generate_text_stream(prompt="Hi")', [HANG]),
    ("a stream's chunk", 'list(bot.generate_text_stream(prompt="Hi"))', [HEAD, FIRST, HANG]),
    ("embeddings", 'bot.embed(input="Hi")', [HANG]),
    ("a list", "mgmt.list()", [HANG]),
    ("readiness", 'mgmt.wait_until_ready("bot", silent=True)', [HEAD, PHASE, HANG]),
    (
        "readiness with a callback",
        'mgmt.wait_until_ready("bot", on_progress=print)',
        [HEAD, PHASE, HANG],
    ),
    ("a pause between sends", "mgmt.list()", [answer(b"", 503, {"retry-after": "30"})]),
]


@pytest.mark.parametrize(
    ("call", "script"), [row[1:] for row in WAITING], ids=[row[0] for row in WAITING]
)
def test_ctrl_c_ends_any_call(call: str, script: list[Step]) -> None:
    """KeyboardInterrupt within 0.3 s, the socket closed, and the client goes on."""
    scripts: Iterator[list[Step]] = iter([script, [answer([LIVE])]])
    with Double(lambda request: next(scripts)) as double:
        program = CLIENTS.format(url=double.url) + INTERRUPTED.format(call=call)
        with running(program) as process:
            double.journal.wait_for_requests(1)
            sent = time.time()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=10)
        lines = [line for line in out.splitlines() if not line.startswith("ReadinessEvent")]
        assert lines[0] == "ready"
        assert lines[1].startswith("interrupted "), (out, err)
        assert float(lines[1].split()[1]) - sent < 0.3
        assert lines[2:] == ["bot"]
        assert err == ""
        if HANG in script:
            assert double.journal.connections[0].closed.wait(1)


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
    assert float(out.split()[1]) - sent < 0.3


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
    import threading

    from double import LAST_CHUNK, Until

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
        assert double.journal.connections[0].closed.wait(1)
    assert (out, err) == ("soft limit\n", "")


def test_a_handler_may_delete_with_the_same_client() -> None:
    """SIGTERM during a wait: the handler deletes the workload and leaves (faults.md 3.11)."""
    program = """
def leave(*_):
    print(mgmt.delete("bot"), flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
mgmt.wait_until_ready("bot", silent=True)
"""

    def respond(request: Request) -> list[Step] | bytes:
        if request.target.endswith("/readiness-events"):
            return [HEAD + PHASE, HANG]
        return answer(b"", 204) if request.method == "DELETE" else answer([LIVE])

    with Double(respond) as double, running(CLIENTS.format(url=double.url) + program) as process:
        double.journal.wait_for_requests(1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=10)
        methods = [request.method for request in double.journal.requests]
    assert (process.returncode, out, err) == (0, "True\n", "")
    assert methods == ["GET", "GET", "DELETE"]


def test_close_ends_calls_of_other_threads() -> None:
    """`client.close()` reaches calls that run elsewhere, as `Cancelled` (faults.md 3.11)."""
    import threading

    from clients import data

    from inferencekey import Cancelled

    with Double([HANG]) as double:
        client = data(double)
        bot = client.endpoint("bot")
        errors: list[BaseException] = []

        def call() -> None:
            try:
                bot.generate_text(prompt="Hi")
            except Cancelled as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        double.journal.wait_for_requests(1)
        started = time.monotonic()
        client.close()
        thread.join(5)
        assert time.monotonic() - started < 0.3
        assert [type(error) for error in errors] == [Cancelled]
        assert double.journal.connections[0].closed.wait(1)


def test_other_threads_run_while_a_call_waits() -> None:
    """The interpreter is free during a call: calls of threads overlap."""
    import threading

    from clients import endpoint

    together = threading.Barrier(8, timeout=5)

    def respond(request: Request) -> bytes:
        return answer(completion("Hi"))

    class Meet:
        """A step that goes on once all eight requests are in."""

        def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
            together.wait()

    with Double(lambda request: [Meet(), respond(request)]) as double:
        bot = endpoint(double)
        texts: list[str] = []
        threads = [
            threading.Thread(target=lambda: texts.append(bot.generate_text(prompt="Hi").text))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert texts == ["Hi"] * 8
