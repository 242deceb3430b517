"""Clients and streams across `fork` (faults.md 3.13)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from authority import Authority
from child import run, running
from clients import API_KEY, LIVE, completion, delta
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

FORK = """
# From 3.12 on Python warns of a fork beside threads, which is the point here.
import warnings
warnings.simplefilter("ignore", DeprecationWarning)

url, *more = ARGS
client = DataClient(base_url=url, project="acme", api_key=API_KEY, ca_bundle=(more or [None])[0])
bot = client.endpoint("bot")

def in_child(work):
    "Runs the work in a forked child; its exit status is the outcome."
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid

def outcome(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def ask(words):
    assert bot.generate_text(prompt=words).text == words
"""


def echo(request: Request) -> bytes:
    """Answers with the prompt."""
    return answer(completion(request.json()["messages"][0]["content"]))


def test_a_client_works_in_the_child_and_in_the_parent() -> None:
    """Made and used before the fork; four children at once; each on its own connection."""
    program = """
ask("before")
children = [in_child(lambda n=n: [ask(f"child {n} {k}") for k in range(5)]) for n in range(4)]
for k in range(5):
    ask(f"parent {k}")
assert [outcome(pid) for pid in children] == [0] * 4
ask("after")
print("good")
"""
    with Double(echo) as double:
        assert run(FORK + program, double.url) == (0, "good\n", "")
        # One of the parent's, one of each child's.
        assert len(double.journal.connections) == 5


def test_a_client_that_was_never_used_works_in_the_child() -> None:
    """A preloading server makes its clients before it forks."""
    program = """
assert outcome(in_child(lambda: ask("child"))) == 0
ask("parent")
"""
    with Double(echo) as double:
        assert run(FORK + program, double.url) == (0, "", "")


def test_the_environment_is_read_once() -> None:
    """What is set, changed or taken out later does not reach the client, in a child or a copy."""
    program = """
import copy
ours = dict(INFERENCEKEY_BASE_URL=url, INFERENCEKEY_PROJECT="acme", INFERENCEKEY_API_KEY=API_KEY)
os.environ.update(ours)
bot = DataClient.from_env().endpoint("bot")
for name in ours:
    os.environ[name] = "http://127.0.0.1:1"
assert outcome(in_child(lambda: ask("child"))) == 0
for name in ours:
    del os.environ[name]
assert outcome(in_child(lambda: ask("another child"))) == 0
bot = copy.copy(bot)
ask("copy")
"""
    with Double(echo) as double:
        assert run(FORK + program, double.url) == (0, "", "")
        assert len(double.journal.connections) == 3
        keys = {request.headers["authorization"] for request in double.journal.requests}
        assert keys == {f"Bearer {API_KEY}"}


def test_a_variable_that_is_not_utf8_is_absent() -> None:
    """Neither here nor in the child does it stop a client from being made."""
    program = """
import copy
os.environb.update({b"INFERENCEKEY_PROJECT": b"caf\\xe9", b"SSL_CERT_FILE": b"\\xff"})
os.environ.update(INFERENCEKEY_BASE_URL=url, INFERENCEKEY_API_KEY=API_KEY)
try:
    DataClient.from_env()
except ConfigurationError as error:
    print(error.code)
bot = DataClient.from_env(project="acme").endpoint("bot")
assert outcome(in_child(lambda: ask("child"))) == 0
"""
    with Double(echo) as double:
        assert run(FORK + program, double.url) == (0, "missing_project\n", "")


def test_a_closed_client_stays_closed_in_the_child() -> None:
    """A fork does not open what was closed."""
    program = """
client.close()
def work():
    try:
        ask("child")
    except ConfigurationError as error:
        assert error.code == "client_closed"
    else:
        raise AssertionError
assert outcome(in_child(work)) == 0
"""
    with Double(echo) as double:
        assert run(FORK + program, double.url) == (0, "", "")
        assert double.journal.requests == []


def test_an_open_stream_belongs_to_the_process_that_opened_it() -> None:
    """The child gets ForkedError, also for chunks that had arrived; the parent reads on."""
    program = """
stream = bot.generate_text_stream(prompt="Hi")
text = next(stream).text
def work():
    try:
        next(stream)
    except ForkedError as error:
        assert error.hint
    else:
        raise AssertionError
    # Dropping it here must not disturb the parent's connection.
    stream.close()
    ask("child")
assert outcome(in_child(work)) == 0
print(text + "".join(chunk.text for chunk in stream))
"""

    def respond(request: Request) -> bytes:
        if not request.json()["stream"]:
            return echo(request)
        parts = frames(delta("Hel"), delta("l"), delta("o", "stop"), "[DONE]")
        return chunked_head() + chunk(parts) + b"0\r\n\r\n"

    with Double(respond) as double:
        assert run(FORK + program, double.url) == (0, "Hello\n", "")


STREAM_HEAD = chunked_head() + chunk(frames(delta("Hel")))
STREAM_END = chunk(frames(delta("lo", "stop"), "[DONE]")) + LAST_CHUNK

LEAVING = """
stream = bot.generate_text_stream(prompt="stream")
text = next(stream).text
ask("pooled")

def leave():
    global bot, client, stream
    {work}
    print("left", file=sys.stderr, flush=True)

pid = os.fork()
if pid == 0:
    leave()
    {end}
assert os.waitpid(pid, 0) == (pid, 0)
ask("still pooled")
print("child is gone", flush=True)
print(text + "".join(chunk.text for chunk in stream))
"""

# What the child does with what it inherited, and how it ends.
LEAVES = [
    ("exits at once", "pass", "os._exit(0)"),
    ("ends as a program does", "pass", "sys.exit(0)"),
    ("drops all of it", "import gc; del stream, bot, client; gc.collect()", "sys.exit(0)"),
    ("closes the stream", "stream.close(); stream.close()", "sys.exit(0)"),
    ("closes the client unused", "client.close()", "sys.exit(0)"),
    ("uses and closes the client", 'ask("child"); client.close()', "sys.exit(0)"),
]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("work", "end"), [row[1:] for row in LEAVES], ids=[r[0] for r in LEAVES])
def test_a_child_never_touches_its_parents_connections(
    work: str, end: str, tls: bool, authority: Authority
) -> None:
    """Neither a byte nor a close of the child's reaches the server; the parent reads on."""
    child_left = threading.Event()

    def respond(request: Request) -> list[Step] | bytes:
        if not request.json()["stream"]:
            return echo(request)
        return [STREAM_HEAD, Until(child_left), STREAM_END]

    certificate = authority.sign("IP:127.0.0.1") if tls else None
    arguments = [str(authority.certificate)] if tls else []
    with (
        Double(respond, tls=certificate) as double,
        running(
            f"ARGS = {[double.url, *arguments]!r}\n" + FORK + LEAVING.format(work=work, end=end)
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "child is gone\n"
        of_the_child = 1 if "ask" in work else 0
        streaming, pooled, *others = double.journal.connections
        assert len(others) == of_the_child
        assert not streaming.closed.is_set()
        assert not pooled.closed.is_set()
        assert [len(connection.requests) for connection in (streaming, pooled)] == [1, 2]
        child_left.set()
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out, err) == (0, "Hello\n", "left\n")


def test_a_half_read_stream_is_refused_and_harmless_in_a_child() -> None:
    """Reading it is a ForkedError each time; everything else about it does nothing."""
    program = """
import copy, pickle
stream = bot.generate_text_stream(prompt="stream")
text = next(stream).text
def work():
    global stream
    for read in (next, list, lambda stream: [*stream]):
        try:
            read(stream)
        except ForkedError as error:
            assert (error.code, error.operation) == ("forked", "generate_text_stream")
        else:
            raise AssertionError(read)
    repr(stream)
    stream.close()
    with stream:
        pass
    del stream
    ask("child")
assert outcome(in_child(work)) == 0
print(text + "".join(chunk.text for chunk in stream))
"""
    with Double(
        lambda request: (
            STREAM_HEAD + STREAM_END if b'"stream":true' in request.body else echo(request)
        )
    ) as double:
        assert run(FORK + program, double.url) == (0, "Hello\n", "")


ENDING = [
    ("a stream is closed", "stream.close()"),
    ("a stream is dropped", "del stream"),
    ("the client is closed", "client.close()"),
]


@pytest.mark.parametrize("end", [row[1] for row in ENDING], ids=[row[0] for row in ENDING])
def test_a_living_child_does_not_keep_a_stream_open(end: str) -> None:
    """The child has a copy of the socket; the server is told all the same, and stops writing."""
    program = f"""
stream = bot.generate_text_stream(prompt="stream")
next(stream)
pid = in_child(sys.stdin.readline)
{end}
print("ended", flush=True)
assert outcome(pid) == 0
"""
    with (
        Double([STREAM_HEAD, HANG]) as double,
        running(f"ARGS = {[double.url]!r}\n" + FORK + program) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "ended\n"
        assert double.journal.connections[0].closed.wait(5)
        assert process.communicate("leave\n", timeout=10) == ("", "")


# Each program asks from several processes and prints nothing unless a text is not its own.
POOLS = [
    (
        "a pool of multiprocessing",
        """
import multiprocessing
ask("before")
with multiprocessing.get_context("fork").Pool(4) as pool:
    assert pool.map(ask, [f"pool {n}" for n in range(40)]) == [None] * 40
ask("after")
""",
    ),
    (
        "a process pool executor",
        """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
ask("before")
with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("fork")) as pool:
    assert list(pool.map(ask, [f"executor {n}" for n in range(40)])) == [None] * 40
ask("after")
""",
    ),
    (
        "a preloading server that replaces its workers",
        """
ask("preloading")
def serve(n):
    for k in range(5):
        ask(f"worker {n} {k}")
workers = {in_child(lambda n=n: serve(n)) for n in range(4)}
for n in range(4, 12):
    pid, status = os.wait()
    assert status == 0
    workers.remove(pid)
    ask(f"master {n}")
    workers.add(in_child(lambda n=n: serve(n)))
assert [outcome(pid) for pid in workers] == [0] * 4
""",
    ),
    (
        "a grandchild",
        """
ask("first")
def second():
    ask("second")
    def third():
        ask("third")
        assert outcome(in_child(lambda: ask("fourth"))) == 0
        ask("third again")
    assert outcome(in_child(third)) == 0
    ask("second again")
assert outcome(in_child(second)) == 0
ask("first again")
""",
    ),
    (
        "a grandchild of a child that never called",
        """
ask("first")
work = lambda: sys.exit(outcome(in_child(lambda: ask("third"))))
pid = os.fork()
if pid == 0:
    work()
assert outcome(pid) == 0
ask("first again")
""",
    ),
    (
        "a fork from a thread",
        """
from concurrent.futures import ThreadPoolExecutor
ask("main")
def fork(n):
    ask(f"thread {n}")
    return outcome(in_child(lambda: ask(f"child {n}")))
with ThreadPoolExecutor(4) as pool:
    assert list(pool.map(fork, range(12))) == [0] * 12
ask("main again")
""",
    ),
    (
        "many threads in a child",
        """
from concurrent.futures import ThreadPoolExecutor
def work():
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, [f"child {n}" for n in range(64)]))
    # All of them went on with one client, so closing it closes what they used.
    client.close()
    try:
        ask("closed")
    except ConfigurationError as error:
        assert error.code == "client_closed"
    else:
        raise AssertionError
assert outcome(in_child(work)) == 0
ask("parent")
""",
    ),
]


@pytest.mark.parametrize("program", [row[1] for row in POOLS], ids=[row[0] for row in POOLS])
def test_every_process_gets_its_own_answers(program: str) -> None:
    """However the processes are made, each text comes back to the one who sent it."""
    with Double(echo) as double:
        assert run(FORK + program, double.url) == (0, "", "")


def test_a_fork_inside_a_readiness_callback() -> None:
    """Clients work in the child; the wait itself belongs to the parent, and goes on there."""
    program = """
mgmt = ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="acme")
parent = os.getpid()
phases = []
def on_progress(event):
    phases.append(event.phase)
    if event.phase == "provisioning":
        global pid
        pid = os.fork()
        if pid == 0:
            assert mgmt.get("bot")["slug"] == "bot"
        else:
            assert outcome(pid) == 7
            mgmt.get("bot")
try:
    mgmt.wait_until_ready("bot", on_progress=on_progress)
except ForkedError:
    assert os.getpid() != parent
    assert mgmt.delete("bot") is True
    os._exit(7)
print(phases)
"""
    child_left = threading.Event()

    def respond(request: Request) -> list[Step] | bytes:
        if request.target.endswith("/readiness-events"):
            first = chunked_head() + chunk(frames({"phase": "provisioning"}))
            last = chunk(frames({"phase": "ready"})) + LAST_CHUNK
            return [first, Until(child_left), last]
        if request.method == "DELETE":
            child_left.set()
            return answer(b"", 204)
        return answer([LIVE])

    with Double(respond) as double:
        assert run(FORK + program, double.url) == (0, "['provisioning', 'ready']\n", "")
        # The child had one connection of its own for its three requests.
        methods = [[r.method for r in c.requests] for c in double.journal.connections]
        assert methods == [["GET"], ["GET", "GET", "DELETE"], ["GET"]]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_forks_while_threads_are_in_calls(host: str) -> None:
    """No lock that a thread held at the fork is held for ever in the child; nor of a lookup."""
    program = """
stop = threading.Event()
def calls(n):
    k = 0
    while not stop.is_set():
        ask(f"thread {n} {k}")
        k += 1
threads = [threading.Thread(target=calls, args=[n]) for n in range(4)]
for thread in threads:
    thread.start()
# Fewer on a machine that is busy: they compete with the threads for it.
enough = time.monotonic() + 2
outcomes = set()
try:
    for n in range(24):
        outcomes.add(outcome(in_child(lambda: ask(f"child {n}"))))
        if time.monotonic() > enough:
            break
finally:
    stop.set()
    for thread in threads:
        thread.join()
ask("parent")
print(outcomes)
"""
    with Double(echo) as double:
        url = f"http://{host}:{double.port}"
        assert run(FORK + program, url) == (0, "{0}\n", "")


def test_a_living_child_does_not_hold_up_a_lookup() -> None:
    """It has a copy of what tells that the thread which looks a name up has the answer."""
    program = """
import asyncio
async def main():
    for _ in range(20):
        anew = AsyncDataClient(base_url=url, project="acme", api_key=API_KEY)
        call = asyncio.ensure_future(anew.endpoint("bot").generate_text(prompt="Hi"))
        await asyncio.sleep(0)
        pids.append(in_child(sys.stdin.readline))
        await call
pids = []
asyncio.run(main())
print("looked up", flush=True)
assert [outcome(pid) for pid in pids] == [0] * 20
"""
    with Double(echo) as double:
        url = f"http://localhost:{double.port}"
        with running(f"ARGS = {[url]!r}\n" + FORK + program) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "looked up\n"
            assert process.communicate("", timeout=10) == ("", "")


def test_a_child_is_not_held_up_by_a_call_that_waits() -> None:
    """The threads' calls get their answers after the child has had its own and has left."""
    program = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    held = [pool.submit(ask, f"held {n}") for n in range(4)]
    sys.stdin.readline()
    assert outcome(in_child(lambda: ask("child"))) == 0
    assert not any(call.done() for call in held)
    ask("release")
    for call in held:
        call.result()
print("good")
"""
    release = threading.Event()

    def respond(request: Request) -> list[Step] | bytes:
        if b"release" in request.body:
            release.set()
        return [Until(release), echo(request)] if b"held" in request.body else echo(request)

    with (
        Double(respond) as double,
        running(f"ARGS = {[double.url]!r}\n" + FORK + program) as process,
    ):
        double.journal.wait_for_requests(4)
        assert process.communicate("go on\n", timeout=10) == ("good\n", "")


def test_a_relative_ca_bundle_holds_for_a_daemon(authority: Authority) -> None:
    """A child that went to another directory reads the same file."""
    program = """
ask("parent")
def daemon():
    os.chdir("/")
    ask("daemon")
assert outcome(in_child(daemon)) == 0
"""
    bundle = Path(authority.certificate)
    with Double(echo, tls=authority.sign("IP:127.0.0.1")) as double:
        program = f"import os; os.chdir({str(bundle.parent)!r})\n{FORK}{program}"
        assert run(program, double.url, bundle.name) == (0, "", "")
