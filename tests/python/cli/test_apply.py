"""`apply`: what it shows, asks, writes, and leaves."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from pathlib import Path

import pytest
from cli.conftest import Declare, Plane, Run, cli, live
from cli.terminal import Terminal
from double import Double, answer


def test_without_a_terminal_it_applies_and_asks_nobody(
    plane: Plane, run: Run, declare: Declare
) -> None:
    """The plan is on stderr, what was done on stdout; doing it again changes nothing."""
    plane.workloads.append(live("other", model_name="old"))
    file = declare("bot", "other")
    done = run("apply", "-f", file)
    assert (done.returncode, done.stdout) == (0, "acme/bot  created\nacme/other  updated\n")
    assert "1 to create, 1 to update" in done.stderr
    assert [one["model_name"] for one in plane.workloads] == ["m", "m"]
    again = run("apply", "-f", file, "--json")
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(again.stdout)["workloads"][0] == {
        "project": "acme",
        "slug": "bot",
        "action": "unchanged",
        "changed": False,
        "ready_after_seconds": None,
    }


@pytest.mark.parametrize(
    ("typed", "code", "left"),
    [("\n", 1, []), ("n\n", 1, []), ("y\n", 0, ["bot"])],
)
def test_on_a_terminal_it_shows_the_plan_and_asks(
    plane: Plane, declare: Declare, typed: str, code: int, left: list[str]
) -> None:
    """Anything but a yes leaves everything as it is."""
    with Terminal("apply", "-f", declare("bot")) as terminal:
        assert "create" in terminal.until("Apply this plan? [y/N]: ")
        terminal.type(typed)
        assert terminal.end() == code
    assert plane.slugs() == left


def test_ctrl_c_at_the_question_writes_nothing(plane: Plane, declare: Declare) -> None:
    """130, without a stack trace."""
    with Terminal("apply", "-f", declare("bot")) as terminal:
        terminal.until("Apply this plan? [y/N]: ")
        assert terminal.interrupted() == 130
        assert "Traceback" not in terminal.shown
    assert plane.slugs() == []


def test_where_nothing_is_to_be_written_nobody_is_asked(plane: Plane, declare: Declare) -> None:
    """Nor where `--yes` is said."""
    plane.workloads.append(live("bot"))
    for arguments in (["bot"], ["bot", "other", "--yes"]):
        slugs = [name for name in arguments if name != "--yes"]
        flags = [name for name in arguments if name == "--yes"]
        with Terminal("apply", "-f", declare(*slugs), *flags) as terminal:
            assert terminal.end() == 0
            assert "[y/N]" not in terminal.shown
    assert plane.slugs() == ["bot", "other"]


def test_a_plan_that_moved_before_the_yes_is_not_applied(plane: Plane, declare: Declare) -> None:
    """What somebody said yes to is what is written, or nothing is."""
    plane.workloads.append(live("bot", model_name="old", updated_at="2026-01-01T00:00:00Z"))
    with Terminal("apply", "-f", declare("bot")) as terminal:
        terminal.until("[y/N]: ")
        plane.workloads[0].update(model_name="newer", updated_at="2026-01-01T00:00:01Z")
        terminal.type("y\n")
        assert terminal.end() == 1
        assert "[plan_stale]" in terminal.shown
    assert plane.workloads[0]["model_name"] == "newer"


DRIFT = [
    # policy, exit code, model afterwards, words
    ("reconcile", 0, "m", "acme/bot  updated"),
    ("fail", 1, "old", "[drift]"),
    ("warn", 0, "old", "warning: "),
    ("ignore", 0, "old", "acme/bot  left as it is"),
]


@pytest.mark.parametrize(("policy", "code", "model", "words"), DRIFT)
def test_a_policy_says_what_becomes_of_drift(
    plane: Plane, run: Run, declare: Declare, policy: str, code: int, model: str, words: str
) -> None:
    """As with `ensure`; what is absent is created, unless drift stops it all."""
    plane.workloads.append(live("bot", model_name="old"))
    done = run("apply", "-f", declare("absent", "bot"), "--on-drift", policy)
    assert done.returncode == code, done.stderr
    assert words in done.stdout + done.stderr
    assert "Warning:" not in done.stderr
    assert plane.workloads[0]["model_name"] == model
    assert plane.slugs() == (["bot"] if code else ["bot", "absent"])


@pytest.mark.parametrize("policy", ["fail", "warn", "ignore"])
def test_what_is_left_as_it_is_is_not_created_either(
    plane: Plane, run: Run, declare: Declare, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the workload goes away after the plan: nobody was shown a create."""
    there = answer({"workloads": [live("bot", model_name="old")]})
    with Double(there, *[answer({"workloads": []})] * 5) as double:
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", double.url)
        run("apply", "-f", declare("bot"), "--on-drift", policy)
        assert {request.method for request in double.journal.requests} == {"GET"}


def test_a_file_on_standard_input_needs_a_yes_where_a_person_looks_on(
    plane: Plane, declare: Declare
) -> None:
    """Nobody can answer there, and nothing was asked."""
    with open(declare("bot"), encoding="utf-8") as file:
        text = file.read()
    for flags, code, left in (([], 1, []), (["--yes"], 0, ["bot"])):
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0):
            done = subprocess.run(
                cli("apply", "-f", "-", "--format", "json", *flags),
                input=text, stdout=subprocess.DEVNULL, stderr=theirs, text=True, timeout=15,
                check=False,
            )  # fmt: skip
            os.close(theirs)
        assert (done.returncode, plane.slugs()) == (code, left)


def test_a_file_is_read_once_however_many_workloads_are_named(
    plane: Plane, run: Run, declare: Declare, tmp_path: Path
) -> None:
    """A pipe has nothing to say a second time."""
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    text = Path(declare("bot", "other")).read_text("utf-8")
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    assert run("apply", "-f", str(pipe), "bot", "other").returncode == 0
    assert plane.slugs() == ["bot", "other"]


def test_a_conflict_stops_before_any_write(plane: Plane, run: Run, declare: Declare) -> None:
    """What cannot change in place is nobody's half-done work."""
    plane.workloads.append(live("bot", task_type="embedding"))
    done = run("apply", "-f", declare("absent", "bot", task_type="text2text"), "--yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert "[immutable_field]" in done.stderr
    assert plane.slugs() == ["bot"]


def test_it_stops_at_the_first_failure_and_says_what_is_left(
    plane: Plane, run: Run, declare: Declare
) -> None:
    """What was applied stays, and running it again goes on from there."""
    plane.refused = "second"
    file = declare("first", "second", "third")
    done = run("apply", "-f", file)
    assert (done.returncode, done.stdout) == (1, "acme/first  created\n")
    assert "not applied: acme/second, acme/third\n\nerror: " in done.stderr
    as_json = run("apply", "-f", file, "--json")
    assert [row["slug"] for row in json.loads(as_json.stdout)["workloads"]] == ["first"]
    assert json.loads(as_json.stderr)["error"]["status"] == 500
    plane.refused = None
    assert run("apply", "-f", file).returncode == 0
    assert plane.slugs() == ["first", "second", "third"]


def test_with_wait_it_tells_when_they_are_ready(plane: Plane, run: Run, declare: Declare) -> None:
    """Also those that were ready before."""
    plane.workloads += [live("bot", phase="ready"), live("other", phase="ready")]
    done = run("apply", "-f", declare("bot", "other"), "--wait", "--json")
    assert done.returncode == 0
    assert all(row["ready_after_seconds"] >= 0 for row in json.loads(done.stdout)["workloads"])
    plane.workloads[1]["phase"] = "provisioning"
    late = run("apply", "-f", declare("bot", "other"), "--wait", "--wait-timeout", "0.5")
    assert late.returncode == 3
    assert late.stdout == "acme/bot  unchanged\nacme/other  unchanged\n"
