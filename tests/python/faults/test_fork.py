"""Clients and streams across `fork` (faults.md 3.13)."""

from __future__ import annotations

from child import run
from clients import API_KEY, completion, delta
from double import Double, Request, answer, chunk, chunked_head, frames

FORK = """
url, = ARGS
client = DataClient(base_url=url, project="acme", api_key=API_KEY)
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


def test_a_fork_during_a_call_of_another_thread() -> None:
    """No lock of the core is held for ever in the child."""
    program = """
# From 3.12 on Python warns of the fork itself, which is the point here.
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
stop = threading.Event()
def calls():
    while not stop.is_set():
        ask("thread")
thread = threading.Thread(target=calls)
thread.start()
try:
    children = [in_child(lambda n=n: ask(f"child {n}")) for n in range(8)]
    print([outcome(pid) for pid in children])
finally:
    stop.set()
    thread.join()
"""
    with Double(echo) as double:
        assert run(FORK + program, double.url) == (0, "[0, 0, 0, 0, 0, 0, 0, 0]\n", "")
