"""However a block ends, its workload is deleted: exceptions, Ctrl-C, signals, exits, forks."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest
from child import run, running
from double import HANG, Double, Request, answer, chunk, chunked_head, frames

from ephemeral.hosted import BEGIN, Answer, Hosted, entries

# The end, its exit status, and what it prints.
ENDS = [
    ("the block ends", "with ephemeral():\n    pass", 0),
    ("an exception", "with ephemeral():\n    raise SystemExit(3)", 3),
    ("a context that is never left", "ephemeral().__enter__()", 0),
    ("one that nobody holds", "ephemeral().__enter__(); import gc; gc.collect()", 0),
    (
        "a generator that is never finished",
        "def bots():\n    with ephemeral() as bot:\n        yield bot\nheld = bots(); next(held)",
        0,
    ),
    (
        "a generator that is dropped",
        "def bots():\n    with ephemeral() as bot:\n        yield bot\nnext(bots())",
        0,
    ),
    (
        "an exit stack that is forgotten",
        "import contextlib\nstack = contextlib.ExitStack(); stack.enter_context(ephemeral())",
        0,
    ),
    (
        "a daemon thread in its block",
        """
inside = threading.Event()
def work():
    with ephemeral():
        inside.set()
        time.sleep(60)
threading.Thread(target=work, daemon=True).start()
inside.wait()
""",
        0,
    ),
    ("a client that was closed before", "ephemeral().__enter__(); mgmt.close()", 0),
    ("sys.exit", "ephemeral().__enter__(); sys.exit(4)", 4),
    (
        "a deep copy of the client in a thread",
        """
import copy
thread = threading.Thread(target=copy.deepcopy(mgmt).ephemeral(
    spec(), api_key=API_KEY, silent=True).__enter__)
thread.start()
thread.join()
""",
        0,
    ),
]


@pytest.mark.parametrize(
    ("program", "status"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS]
)
def test_nothing_is_left_when_the_process_ends(
    program: str, status: int, hosted: Hosted, double: Double, state: Path
) -> None:
    """However it ended: the workload is gone, its entry too, and nothing was printed."""
    assert run(BEGIN + program, double.url) == (status, "", "")
    assert [request.method for request in double.journal.requests].count("POST") == 1
    assert hosted.left() == []
    assert entries(state) == []


# Where the process is when the signal comes: the requests that the platform has then.
PLACES = [
    ("in the list of its ensure", 1, 0),
    ("in its create", 2, 1),
    ("in its wait", 3, 1),
    ("in its block", 4, 1),
]


places = pytest.mark.parametrize(
    ("requests", "created"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES]
)


CALL = (
    BEGIN
    + """
with ephemeral() as bot:
    bot.generate_text(prompt="Hi")
"""
)


class Hanging(Hosted):
    """Does what the nth request says, and never answers it."""

    def __init__(self, nth: int) -> None:
        super().__init__(self._hang)
        self._nth = nth
        self._seen = 0

    def _hang(self, request: Request) -> Answer | None:
        self._seen += 1
        if self._seen != self._nth:
            return None
        if request.target.endswith("/readiness-events"):
            return [chunked_head() + chunk(frames({"phase": "provisioning"})), HANG]
        self.answer(request)
        return [HANG]


@places
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_deletes_and_ends_the_process(
    requests: int, created: int, number: signal.Signals, state: Path
) -> None:
    """Wherever it arrives; whoever waits for the process sees the signal that ended it."""
    hosted = Hanging(requests)
    with (
        Double(hosted) as double,
        running(f"ARGS = {[double.url]!r}\n{CALL}") as process,
    ):
        double.journal.wait_for_requests(requests)
        process.send_signal(number)
        _, err = process.communicate(timeout=15)
        control = [one for one in double.journal.requests if one.target.startswith("/api/")]
        methods = [request.method for request in control]
    assert process.returncode == -number, err
    assert hosted.left() == []
    assert methods.count("POST") == methods.count("DELETE") == created
    assert entries(state) == []
    if number != signal.SIGINT:
        assert err == ""


def test_ctrl_c_finds_a_create_that_takes_effect_later(state: Path) -> None:
    """The answer is lost, and the platform acts when the process has looked for it already."""
    late: list[Request] = []
    lists = 0

    def delay(request: Request) -> Answer | None:
        nonlocal lists
        if request.method == "POST":
            late.append(request)
            return [HANG]
        lists += bool(late)
        if lists == 2:
            hosted.answer(late[0])
        return None

    hosted = Hosted(delay)
    with (
        Double(hosted) as double,
        running(f"ARGS = {[double.url]!r}\n{CALL}") as process,
    ):
        double.journal.wait_for_requests(2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert process.returncode == -signal.SIGINT
    assert lists > 2
    assert hosted.left() == []
    assert entries(state) == []


def test_ctrl_c_says_what_may_still_appear(state: Path) -> None:
    """A create that is never heard of again is left to `gc`, which knows its mark."""
    hosted = Hosted(lambda request: [HANG] if request.method == "POST" else None)
    program = (
        BEGIN
        + """
import inferencekey._ephemeral.lease as lease
lease._APPEARS_WITHIN = 0.0
with ephemeral(silent=False):
    pass
"""
    )
    with (
        Double(hosted) as double,
        running(f"ARGS = {[double.url]!r}\n" + program) as process,
    ):
        double.journal.wait_for_requests(2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=15)
    assert process.returncode == -signal.SIGINT
    said, *_, last = [line for line in err.splitlines() if "note" not in line]
    assert said.startswith("inferencekey: the workload `bot` of project `acme` may be left on")
    assert "inferencekey gc" in said
    assert "KeyboardInterrupt" in err
    assert last in ("KeyboardInterrupt", said.removeprefix("inferencekey: "))
    assert [one["workload_slug"] for one in entries(state)] == ["bot"]


@pytest.mark.parametrize("second_at", [1, 2], ids=["its list", "its delete"])
def test_a_second_ctrl_c_does_not_keep_the_delete_from_being_sent(
    state: Path, second_at: int
) -> None:
    """An impatient user would go on paying for the workload otherwise."""
    interrupted = threading.Event()
    again = threading.Event()
    after: list[str] = []

    def slow(request: Request) -> Answer | None:
        if not interrupted.is_set():
            return [HANG] if request.target.startswith("/endpoint/") else None
        after.append(request.method)
        if len(after) == second_at:
            process.send_signal(signal.SIGINT)
            again.set()
        return None

    hosted = Hosted(slow)
    with (
        Double(hosted) as double,
        running(f"ARGS = {[double.url]!r}\n{CALL}") as process,
    ):
        double.journal.wait_for_requests(4)
        interrupted.set()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    assert again.is_set()
    assert hosted.left() == []
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_second_signal_does_not_break_off_the_delete(state: Path, method: str) -> None:
    """Whoever ends many processes at once may say it twice."""
    again = threading.Event()

    def repeat(request: Request) -> Answer | None:
        if request.target.startswith("/endpoint/"):
            return [HANG]
        seen.append(request.method)
        if seen[3:] and request.method == method and not again.is_set():
            again.set()
            process.send_signal(signal.SIGTERM)
        return None

    hosted = Hosted(repeat)
    seen: list[str] = []
    with (
        Double(hosted) as double,
        running(f"ARGS = {[double.url]!r}\n{CALL}") as process,
    ):
        double.journal.wait_for_requests(4)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=15)
    assert again.is_set()
    assert (process.returncode, err) == (-signal.SIGTERM, "")
    assert hosted.left() == []
    assert entries(state) == []


def test_what_gc_has_deleted_is_not_looked_for_at_the_exit(state: Path) -> None:
    """A clean-up failed, the same process collected it, and has nothing more to say."""
    failing = iter([answer(b"", 500)])
    hosted = Hosted(lambda request: next(failing, None) if request.method == "DELETE" else None)
    program = (
        BEGIN
        + """
try:
    with ephemeral():
        pass
except ServerError:
    print(len(mgmt.gc()))
"""
    )
    with Double(hosted) as double:
        assert run(program, double.url) == (0, "1\n", "")
        assert [one.method for one in double.journal.requests][-1] == "DELETE"
    assert hosted.left() == []


FORKS = [
    (
        "a child that leaves the block",
        """
with ephemeral() as bot:
    pid = os.fork()
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert len(mgmt.list()) == 2
        bot.generate_text(prompt="Hi")
if pid == 0:
    sys.exit(0)
""",
    ),
    (
        "a child that exits inside the block",
        """
with ephemeral() as bot:
    pid = os.fork()
    if pid == 0:
        bot.generate_text(prompt="Hi")
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert len(mgmt.list()) == 2
""",
    ),
    (
        "a child that is told to end",
        """
with ephemeral() as bot:
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM
    assert len(mgmt.list()) == 2
""",
    ),
    (
        "a child that collects",
        """
with ephemeral() as bot:
    pid = os.fork()
    if pid == 0:
        assert mgmt.gc() == []
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert mgmt.gc() == []
    assert len(mgmt.list()) == 2
""",
    ),
    (
        "a child with a block of its own",
        """
with ephemeral("one"):
    pid = os.fork()
    if pid == 0:
        ephemeral("two").__enter__()
        sys.exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sorted(workload["slug"] for workload in mgmt.list()) == ["foreign", "one"]
""",
    ),
    (
        "a child that outlives its killed parent does not keep the workload alive",
        """
pid = os.fork()
if pid == 0:
    ephemeral().__enter__()
    if os.fork() == 0:
        time.sleep(60)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
print(len(mgmt.list()), len(mgmt.gc()), len(mgmt.list()))
""",
    ),
    (
        "a process that became another program",
        """
reads, writes = os.pipe()
pid = os.fork()
if pid == 0:
    ephemeral().__enter__()
    os.execvp("sleep", ["sleep", "60"])
os.close(writes)
os.read(reads, 1)  # Its end of the pipe is closed by exec.
print(len(mgmt.list()), len(mgmt.gc()), len(mgmt.list()))
""",
    ),
    (
        "a program that is started in the block and outlives it",
        """
import subprocess
pid = os.fork()
if pid == 0:
    ephemeral().__enter__()
    subprocess.Popen(["sleep", "60"], close_fds=False)
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
print(len(mgmt.list()), len(mgmt.gc()), len(mgmt.list()))
""",
    ),
]


@pytest.mark.parametrize("program", [row[1] for row in FORKS], ids=[row[0] for row in FORKS])
def test_a_forked_child_deletes_nothing_of_its_parents(
    program: str, hosted: Hosted, double: Double, state: Path
) -> None:
    """The workload belongs to the process that created it; its death alone ends that."""
    with running(f"ARGS = {[double.url]!r}\n" + BEGIN + program) as process:
        assert process.stdout is not None
        # A child that sleeps on holds the pipes open, so the end of the output says nothing.
        assert process.wait(timeout=10) == 0
        line = process.stdout.readline() if "print(" in program else "2 1 1\n"
    assert line == "2 1 1\n"
    assert hosted.left() == []
    assert entries(state) == []


def test_a_platform_that_does_not_answer_does_not_hold_up_the_exit(state: Path) -> None:
    """After ten seconds at most; what is left is named on stderr, with what deletes it."""
    hosted = Hosted()
    stuck = threading.Event()
    hosted = Hosted(lambda request: [HANG] if stuck.is_set() else None)
    program = (
        BEGIN
        + """
import inferencekey._ephemeral.live as live
live._AT_THE_END = 0.5
ephemeral().__enter__()
print("inside", flush=True)
sys.stdin.readline()
"""
    )
    with (
        Double(hosted) as double,
        running(f"ARGS = {[double.url]!r}\n" + program) as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        stuck.set()
        _, err = process.communicate("go on\n", timeout=10)
    assert process.returncode == 0
    assert "the workload `bot` (wl_1) of project `acme` may be left" in err
    assert "inferencekey gc" in err
    assert err.count("\n") == 1
    assert [one["id"] for one in entries(state)] == ["wl_1"]
