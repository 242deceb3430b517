"""`delete` asks somebody, or wants to hear `--yes`."""

from __future__ import annotations

import json

from cli.conftest import Plane, Run, live
from cli.terminal import Terminal


def test_without_a_terminal_it_asks_nobody_and_deletes_nothing(plane: Plane, run: Run) -> None:
    """It neither hangs on a question nor takes silence for a yes."""
    plane.workloads.append(live("bot"))
    done = run("delete", "bot")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: nothing was deleted: there is no terminal to ask on\n\n"
        "hint: say `--yes` to delete without being asked\n"
    )
    assert plane.slugs() == ["bot"]


def test_with_yes_it_deletes_and_tells_what_was_there(plane: Plane, run: Run) -> None:
    """A line per workload; one that is not there is no error, since it is gone."""
    plane.workloads += [live("bot"), live("other"), live("kept")]
    done = run("delete", "bot", "gone", "Bot", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "bot  deleted\ngone  was not there\nBot  was not there\n"
    assert json.loads(run("delete", "other", "gone", "-y", "--json").stdout) == {
        "workloads": [{"slug": "other", "deleted": True}, {"slug": "gone", "deleted": False}]
    }
    assert plane.slugs() == ["kept"]


def test_on_a_terminal_it_asks(plane: Plane) -> None:
    """Anything but a yes leaves everything as it is."""
    plane.workloads += [live("bot"), live("other")]
    for answer, code, left in (("\n", 1, 2), ("n\n", 1, 2), ("^C", 130, 2), ("y\n", 0, 0)):
        with Terminal("delete", "bot", "other") as terminal:
            terminal.until("Delete bot, other for good? [y/N]: ")
            if answer == "^C":
                assert terminal.interrupted() == code
            else:
                terminal.type(answer)
                assert terminal.end() == code
            assert len(plane.workloads) == left


def test_what_was_deleted_is_told_also_where_the_next_fails(plane: Plane, run: Run) -> None:
    """The first is gone; the second has a slug that cannot be."""
    plane.workloads.append(live("bot"))
    done = run("delete", "bot", "../x", "--yes", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"workloads": [{"slug": "bot", "deleted": True}]}
    assert json.loads(done.stderr)["error"]["field"] == "workload_slug"
