"""Signal handlers of the program around a block: chained, restored, and told in time."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from child import run, running
from double import Double, Request

from ephemeral.hosted import BEGIN, Answer, Hosted, Later, entries


def test_a_handler_that_returns_while_the_workload_is_created(state: Path) -> None:
    """The create acts after the delete has looked for it: it is deleted all the same."""
    looked = threading.Event()

    def late(request: Request) -> Answer | None:
        if request.method == "POST":
            return [Later(looked, lambda: hosted.answer(request))]
        return None

    hosted = Hosted(late)
    program = (
        BEGIN
        + """
import inferencekey._ephemeral.lease as lease
lease._APPEARS_WITHIN = 0.0
def returns(number, frame):
    print("handled", flush=True)
signal.signal(signal.SIGTERM, returns)
try:
    ephemeral().__enter__()
except Cancelled as error:
    print(error, flush=True)
"""
    )
    with (
        Double(hosted) as double,
        running(f"ARGS = {[double.url]!r}\n" + program) as process,
    ):
        double.journal.wait_for_requests(2)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stdout.readline() == "handled\n"
        looked.set()
        out, err = process.communicate(timeout=15)
    assert "`bot` was deleted again while it was being created" in out
    assert process.returncode == 0
    # That is what was known when the handler had looked for it.
    assert "may still appear" in err
    assert hosted.left() == []
    assert entries(state) == []


HANDLERS = [
    (
        "a handler of the program is called, after the delete",
        """
def mine(number, frame):
    print("mine", len(mgmt.list()), flush=True)
    sys.exit(5)
signal.signal(signal.SIGTERM, mine)
with ephemeral():
    os.kill(os.getpid(), signal.SIGTERM)
""",
        (5, "mine 1\n"),
    ),
    (
        "a handler that returns lets the block go on",
        """
signal.signal(signal.SIGTERM, lambda number, frame: print("mine", flush=True))
with ephemeral():
    os.kill(os.getpid(), signal.SIGTERM)
    print(len(mgmt.list()), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
print(signal.getsignal(signal.SIGTERM).__name__)
""",
        (0, "mine\n1\nmine\n<lambda>\n"),
    ),
    (
        "what is ignored stays ignored",
        """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with ephemeral():
    os.kill(os.getpid(), signal.SIGHUP)
    print(len(mgmt.list()))
print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)
""",
        (0, "2\nTrue\n"),
    ),
    (
        "what was there is restored, whatever the order of the ends",
        """
before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)
one, two, three = ephemeral("one"), ephemeral("two"), ephemeral("three")
for context in (one, two, three):
    context.__enter__()
for context in (two, one, three):
    assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    context.__exit__(None, None, None)
print(before == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGHUP)))
""",
        (0, "True\n"),
    ),
    (
        "a handler that was set inside the block stays, and may chain to ours for ever",
        """
def outer(number, frame):
    print("outer", flush=True)
signal.signal(signal.SIGTERM, outer)
with ephemeral():
    ours = signal.getsignal(signal.SIGTERM)
    def theirs(number, frame):
        print("theirs", flush=True)
        ours(number, frame)
    signal.signal(signal.SIGTERM, theirs)
print(signal.getsignal(signal.SIGTERM) is theirs)
os.kill(os.getpid(), signal.SIGTERM)
with ephemeral():
    os.kill(os.getpid(), signal.SIGTERM)
print(signal.getsignal(signal.SIGTERM) is theirs)
""",
        (0, "True\ntheirs\nouter\ntheirs\nouter\nTrue\n"),
    ),
    (
        "a block that ends in another thread passes signals on",
        """
context = ephemeral()
context.__enter__()
thread = threading.Thread(target=context.__exit__, args=(None, None, None))
thread.start()
thread.join()
with ephemeral():
    pass
os.kill(os.getpid(), signal.SIGTERM)
""",
        (-signal.SIGTERM, ""),
    ),
    (
        "a block of another thread ends with the process's signals, if the main thread watches",
        """
with ephemeral("main"):
    thread = threading.Thread(target=ephemeral("other").__enter__)
    thread.start()
    thread.join()
    os.kill(os.getpid(), signal.SIGTERM)
""",
        (-signal.SIGTERM, ""),
    ),
    (
        "both signals at once are both passed on",
        """
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: print(number, flush=True))
with ephemeral():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGHUP])
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM, signal.SIGHUP])
    print(len(mgmt.list()))
""",
        (0, None),
    ),
]


@pytest.mark.parametrize(
    ("program", "expected"), [row[1:] for row in HANDLERS], ids=[row[0] for row in HANDLERS]
)
def test_handlers_are_chained_and_restored(
    program: str, expected: tuple[int, str | None], hosted: Hosted, double: Double, state: Path
) -> None:
    """What a signal did before it does again, and what others set is theirs."""
    status, out, err = run(BEGIN + program, double.url)
    if expected[1] is None:
        assert sorted(out.split()) == ["1", "1", "15"], err
    else:
        assert out == expected[1], err
    assert (status, err) == (expected[0], "")
    assert hosted.left() == []
    assert entries(state) == []
