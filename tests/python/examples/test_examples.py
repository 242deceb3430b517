"""The programs of the documentation, run as a reader would run them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inferencekey import Backend, ManagementClient, TaskType, WorkloadSpec
from inferencekey.local import Platform

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """One platform for all programs, standing in for engines that are not installed."""
    with Platform(stand_in=True) as started:
        yield started


@pytest.fixture
def mgmt(platform: Platform) -> Iterator[ManagementClient]:
    """A client that looks at what the programs left behind."""
    with ManagementClient(
        base_url=platform.base_url, sdk_token=platform.sdk_token, project=platform.project
    ) as client:
        yield client


def start(platform: Platform, *command: str, stdin: int | None = None) -> subprocess.Popen[str]:
    """Start a Python program with the platform in its environment and a terminal of its own."""
    return subprocess.Popen(
        [sys.executable, "-u", *command],
        env={**os.environ, **platform.env(), "NO_COLOR": "1"},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(platform: Platform, *command: str) -> str:
    """Run a program to its end; it has to succeed."""
    process = start(platform, *command)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, f"{out}\n{err}"
    return out


def slugs(mgmt: ManagementClient) -> list[str]:
    """Return what exists on the platform."""
    return sorted(workload["slug"] for workload in mgmt.list())


@pytest.mark.parametrize("program", ["quickstart.py", "async_quickstart.py"])
def test_quickstart_answers_and_leaves_nothing(
    platform: Platform, mgmt: ManagementClient, program: str
) -> None:
    """The quickstart prints an answer; its workload is gone afterwards."""
    assert run(platform, str(EXAMPLES / program)).strip()
    assert "support-bot" not in slugs(mgmt)


def test_first_ensure_changes_only_what_differs(platform: Platform, mgmt: ManagementClient) -> None:
    """The first run creates, the second changes nothing, a drift is refused or reconciled."""
    out = run(platform, str(EXAMPLES / "first_ensure.py"))
    for line in ("first run:  changed = True", "second run: changed = False", "refused: "):
        assert line in out
    assert "reconciled: changed = True" in out
    assert slugs(mgmt) == []


def test_first_call_streams_and_embeds(platform: Platform, mgmt: ManagementClient) -> None:
    """Text, stream and embeddings come from workloads that are already there."""
    for slug, model, task in (
        ("caller-bot", "inferencekey-tiny", TaskType.TEXT2TEXT),
        ("caller-embedder", "inferencekey-tiny-embed", TaskType.EMBEDDING),
    ):
        spec = WorkloadSpec(
            name=slug, slug=slug, model=model, backend=Backend.LLAMACPP, task_type=task
        )
        mgmt.ensure(spec)
        mgmt.wait_until_ready(slug, timeout=60, silent=True)
    out = run(platform, str(EXAMPLES / "first_call.py"), "caller-bot", "caller-embedder")
    assert re.search(r"^inferencekey-tiny: .+ \((stop|length)\)$", out, re.MULTILINE)
    assert re.search(r"^2 vectors of \d+ numbers$", out, re.MULTILINE)
    for slug in ("caller-bot", "caller-embedder"):
        assert mgmt.delete(slug)


def test_map_answers_each_line(platform: Platform, mgmt: ManagementClient) -> None:
    """In the order of the lines; a blank one is an error in its place."""
    mgmt.ensure(WorkloadSpec("Bot", "map-bot", "inferencekey-tiny", Backend.LLAMACPP))
    mgmt.wait_until_ready("map-bot", timeout=60, silent=True)
    process = start(platform, str(EXAMPLES / "map.py"), "map-bot", stdin=subprocess.PIPE)
    out, err = process.communicate("Hola\n\nWhat is a workload?\n", timeout=60)
    assert [line[:10] for line in out.splitlines()] == ["0: ¡Hola! ", "2: A workl"]
    assert err == "1: generate_text: `prompt` is blank\n"
    assert process.returncode == 0
    assert mgmt.delete("map-bot")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cleanup_on_exit_deletes_when_killed_in_a_call(
    platform: Platform, mgmt: ManagementClient, number: signal.Signals
) -> None:
    """Ctrl-C and `kill` in the middle of the calls: the workload is gone afterwards."""
    process = start(platform, str(EXAMPLES / "cleanup_on_exit.py"))
    assert process.stdout is not None
    assert process.stdout.readline().strip(), "no answer before the signal"
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -number, err
    assert "nightly-batch" not in slugs(mgmt)


def test_gc_deletes_what_cleanup_on_exit_could_not(
    platform: Platform, mgmt: ManagementClient
) -> None:
    """After `kill -9` the workload is there until somebody collects it."""
    process = start(platform, str(EXAMPLES / "cleanup_on_exit.py"))
    assert process.stdout is not None
    assert process.stdout.readline().strip(), "no answer before the signal"
    assert mgmt.gc() == []
    process.kill()
    process.communicate(timeout=20)
    assert "nightly-batch" in slugs(mgmt)
    assert [one.workload_slug for one in mgmt.gc()] == ["nightly-batch"]
    assert "nightly-batch" not in slugs(mgmt)


@pytest.mark.parametrize("program", ["quickstart.py", "async_quickstart.py"])
def test_quickstart_deletes_when_interrupted(
    platform: Platform, mgmt: ManagementClient, program: str
) -> None:
    """Ctrl-C as soon as the workload exists: in the rest of `ensure`, or in the wait."""
    process = start(platform, str(EXAMPLES / program))
    limit = time.monotonic() + 30
    while "support-bot" not in slugs(mgmt):
        assert time.monotonic() < limit, "the workload was never created"
        assert process.poll() is None, "the program ended before it was interrupted"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert "support-bot" not in slugs(mgmt)


def test_the_tour_succeeds(platform: Platform, mgmt: ManagementClient) -> None:
    """`make demo` runs this program; each of its steps reports."""
    out = run(platform, str(EXAMPLES / "tour.py"))
    assert [line for line in out.splitlines() if re.match(r"[1-7]\. ", line)] != []
    assert "changed = False" in out
    assert out.count("deleted = True") == 2
