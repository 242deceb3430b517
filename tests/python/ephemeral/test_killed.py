"""A process is killed, wherever it is: `gc` leaves nothing of it, and all that is not its own."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from child import run, running
from clients import management
from double import Double, Request

from ephemeral.hosted import BEGIN, Answer, Hosted, entries
from inferencekey._ephemeral import collect

POINTS = 50

# A child of its own for each point: it counts the lines of the SDK that it runs, and kills itself.
KILLED = """
import random
def life(slug):
    with ephemeral(slug, max_lifetime=3600) as bot:
        bot.generate_text(prompt="Hi")

def lines_of(work, last=math.inf):
    count = 0
    def trace(frame, event, argument):
        nonlocal count
        if "/inferencekey/" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        if count >= last:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    work()
    sys.settrace(None)
    return count

life("warm-up")
total = lines_of(lambda: life("whole"))
assert total > 500, total
# Random, but spread: one in each fiftieth of the life, however long that is on this machine.
dice = random.Random(4)
killed = 0
for point in [1 + int((n + dice.random()) * (total - 2) / POINTS) for n in range(POINTS)]:
    pid = os.fork()
    if pid == 0:
        lines_of(lambda: life(f"point-{point}"), point)
        os._exit(0)
    # Waiting takes more lines on a slow day than on others: some may come to their end.
    killed += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
assert killed, "no process was killed"
"""


def test_gc_leaves_nothing_of_processes_that_were_killed_at_random_points(
    hosted: Hosted, double: Double, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 50 random lines of a whole life; some of them had created a workload, some had not."""
    # The platform acts at once: nothing appears later.
    monkeypatch.setattr(collect, "_WAIT", 0.2)
    program = BEGIN + KILLED.replace("POINTS", str(POINTS))
    assert run(program, double.url) == (0, "", "")
    left = hosted.left()
    assert 0 < len(left) < POINTS, left
    with management(double) as mgmt:
        collected = mgmt.gc()
        assert sorted(one.workload_slug for one in collected) == sorted(left)
        assert hosted.left() == []
        # Those whose create may, for all that their entries say, be on its way.
        assert len(entries(state)) == len(collected.kept)


# Where the platform is when the process dies: has it acted, and at what.
MOMENTS = [
    ("before the list", "GET", 1, False, 0),
    ("before the create acts", "POST", 1, False, 1),
    ("after the create has acted", "POST", 1, True, 1),
    ("while it waits", "GET", 2, False, 1),
    ("in the list of its delete", "GET", 3, False, 1),
    ("before its delete acts", "DELETE", 1, False, 0),
    ("after its delete has acted", "DELETE", 1, True, 0),
]


@pytest.mark.parametrize(
    ("method", "nth", "acts_first", "left"),
    [row[1:] for row in MOMENTS],
    ids=[row[0] for row in MOMENTS],
)
def test_gc_leaves_nothing_whatever_the_platform_was_doing(
    state: Path, method: str, nth: int, acts_first: bool, left: int
) -> None:
    """The process is killed while the platform has its request; the request takes effect."""
    seen: list[str] = []
    pid: list[int] = []
    dead = threading.Event()

    def kill(request: Request) -> Answer | None:
        seen.append(request.method)
        if seen.count(method) != nth or request.method != method or dead.is_set():
            return None
        answered = hosted.answer(request) if acts_first else None
        os.kill(pid[0], signal.SIGKILL)
        answered = answered or hosted.answer(request)
        dead.set()
        return answered

    hosted = Hosted(kill)
    program = (
        BEGIN
        + """
sys.stdin.readline()
with ephemeral():
    pass
"""
    )
    with Double(hosted) as double, running(f"ARGS = {[double.url]!r}\n" + program) as process:
        pid.append(process.pid)
        process.communicate("go on\n", timeout=10)
        assert process.returncode == -signal.SIGKILL
        assert dead.wait(5)
        assert len(hosted.left()) == left
        with management(double) as mgmt:
            assert len(mgmt.gc()) == left
    assert hosted.left() == []


def test_gc_waits_for_a_create_that_still_takes_effect(state: Path) -> None:
    """The process is dead, its request is not: the platform acts on it while `gc` looks."""
    hosted = Hosted()
    late: list[Request] = []
    lists = 0

    def delay(request: Request) -> Answer | None:
        nonlocal lists
        if request.method == "POST":
            os.kill(pid[0], signal.SIGKILL)
            late.append(request)
            return b""
        lists += bool(late)
        if lists == 3:
            hosted.answer(late[0])
        return None

    hosted = Hosted(delay)
    pid: list[int] = []
    program = BEGIN + "sys.stdin.readline()\nephemeral().__enter__()"
    with Double(hosted) as double, running(f"ARGS = {[double.url]!r}\n" + program) as process:
        pid.append(process.pid)
        process.communicate("go on\n", timeout=10)
        assert hosted.left() == []
        with management(double) as mgmt:
            assert [one.workload_slug for one in mgmt.gc()] == ["bot"]
    assert hosted.left() == []
    assert entries(state) == []


def test_many_collectors_at_once_do_it_once(hosted: Hosted, double: Double, state: Path) -> None:
    """Every leftover is removed by exactly one of them, and none of them fails."""
    program = (
        BEGIN
        + """
for n in range(6):
    if os.fork() == 0:
        ephemeral(f"bot-x{n}").__enter__()
        os.kill(os.getpid(), signal.SIGKILL)
for n in range(6):
    os.wait()
"""
    )
    assert run(program, double.url) == (0, "", "")
    assert len(hosted.left()) == 6
    collect = (
        BEGIN
        + """
for n in range(4):
    if os.fork() == 0:
        for one in mgmt.gc():
            os.write(1, f"{one.workload_slug}\\n".encode())  # In one piece.
        os._exit(0)
print([os.waitstatus_to_exitcode(os.wait()[1]) for n in range(4)])
"""
    )
    status, out, err = run(collect, double.url)
    assert (status, err) == (0, "")
    assert sorted(out.split("\n")) == sorted(["", "[0, 0, 0, 0]", *(f"bot-x{n}" for n in range(6))])
    assert hosted.left() == []
    assert entries(state) == []
