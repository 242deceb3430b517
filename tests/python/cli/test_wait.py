"""`wait`: until workloads are ready, or not in time."""

from __future__ import annotations

import json

import pytest
from cli.conftest import Plane, Run, live
from cli.terminal import Terminal

from inferencekey.cli.ready import until_ready


def test_ready_workloads_are_told_with_their_time(plane: Plane, run: Run) -> None:
    """Progress is on stderr; stdout has nothing but what `--json` asks for."""
    plane.workloads += [live("bot", phase="ready"), live("other", phase="ready")]
    done = run("wait", "bot", "other")
    assert (done.returncode, done.stdout) == (0, "")
    assert "bot: ready" in done.stderr
    shown = json.loads(run("wait", "bot", "other", "--json").stdout)
    assert [workload["slug"] for workload in shown["workloads"]] == ["bot", "other"]
    assert all(workload["seconds"] >= 0 for workload in shown["workloads"])


def test_not_in_time_is_an_exit_code_of_its_own(plane: Plane, run: Run) -> None:
    """A script can wait again, or give up; one timeout is for all together."""
    plane.workloads += [live("bot", phase="ready"), live("slow", phase="provisioning")]
    done = run("wait", "bot", "slow", "--timeout", "0.5")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith(
        "[wait_timeout]\n\nhint: it goes on starting: wait again with `inferencekey wait`, "
        "perhaps longer\n"
    )


def test_what_is_ready_is_told_though_another_is_late(plane: Plane, run: Run) -> None:
    """As JSON, beside the error: a script need not ask again."""
    plane.workloads += [live("bot", phase="ready"), live("slow", phase="provisioning")]
    done = run("wait", "bot", "slow", "--timeout", "0.5", "--json")
    assert done.returncode == 3
    assert [one["slug"] for one in json.loads(done.stdout)["workloads"]] == ["bot"]


def test_a_slow_first_workload_leaves_the_others_a_second() -> None:
    """One that is ready would else be taken for late, unasked."""
    asked: list[float] = []

    class Ready:
        def wait_until_ready(self, slug: str, *, project: str | None, timeout: float) -> None:
            asked.append(timeout)

    addresses = [(None, "bot"), (None, "other")]
    assert len(list(until_ready(Ready(), addresses, 0.0))) == 2  # type: ignore[arg-type]
    assert asked == [0.0, 1.0]


@pytest.mark.parametrize(
    ("slug", "timeout", "code"),
    [
        ("failed", "5", "workload_failed"),
        ("absent", "5", "not_found"),
        ("failed", "-1", "invalid_argument"),
        ("failed", "nan", "invalid_argument"),
    ],
)
def test_what_will_never_be_ready_is_an_error(
    plane: Plane, run: Run, slug: str, timeout: str, code: str
) -> None:
    """Exit code 1: waiting longer would not help."""
    plane.workloads.append(live("failed", phase="error"))
    done = run("wait", slug, "--timeout", timeout, "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == code


def test_ctrl_c_ends_the_wait_and_not_the_workload(plane: Plane) -> None:
    """130, at once, without a stack trace."""
    plane.workloads.append(live("slow", phase="provisioning"))
    with Terminal("wait", "slow") as terminal:
        terminal.until("provisioning")
        terminal.type("\x03")
        assert terminal.end() == 130
        assert "Traceback" not in terminal.shown
        assert (
            "slow goes on without you. Wait again: inferencekey wait slow · "
            "delete it: inferencekey delete slow\n"
        ) in terminal.shown
    assert plane.slugs() == ["slow"]
