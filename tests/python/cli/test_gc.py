"""`gc`: what killed processes left behind is deleted, and nothing else."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli.conftest import Plane, Run, live
from clients import API_KEY

KILLED = """
import os, signal, sys
from inferencekey import ManagementClient, WorkloadSpec
spec = WorkloadSpec(name="Left", slug=sys.argv[1], model="m", backend="vllm")
with ManagementClient.from_env().ephemeral(spec, silent=True):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _own_state(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFERENCEKEY_STATE_DIR", str(state_dir))
    monkeypatch.setenv("INFERENCEKEY_API_KEY", API_KEY)


def leave(slug: str) -> None:
    """A process that creates a workload and is killed."""
    killed = subprocess.run([sys.executable, "-c", KILLED, slug], check=False, timeout=15)
    assert killed.returncode == -signal.SIGKILL


def test_what_a_killed_process_left_is_deleted(plane: Plane, run: Run) -> None:
    """A line per workload; what others made stays."""
    plane.workloads.append(live("bot"))
    assert run("gc").stderr == "nothing was left behind\n"
    leave("one")
    assert plane.slugs() == ["bot", "one"]
    done = run("gc")
    assert (done.returncode, done.stdout, done.stderr) == (0, "acme/one  deleted\n", "")
    leave("two")
    shown = json.loads(run("gc", "--json").stdout)
    assert [leftover["slug"] for leftover in shown["deleted"]] == ["two"]
    assert (shown["kept"], plane.slugs()) == ([], ["bot"])
    assert json.loads(run("gc", "--json").stdout) == {"deleted": [], "kept": []}


def test_what_cannot_be_deleted_is_named_and_is_an_error(plane: Plane, run: Run) -> None:
    """A script sees that something is left; another run may delete it."""
    leave("one")
    plane.refused = "one"
    done = run("gc")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("acme/one  kept: ")
    assert json.loads(run("gc", "--json").stdout)["kept"][0]["why"]
    assert run("gc", "--project", "other").returncode == 0
    plane.refused = None
    assert run("gc").returncode == 0
    assert plane.slugs() == []
