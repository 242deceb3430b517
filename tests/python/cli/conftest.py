"""The command line as a process, with a state directory of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from clients import SDK_TOKEN
from double import Double, Request, answer, sse
from double.control_plane import ControlPlane, Workload

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Declare = Callable[..., str]


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything that commands keep stays within the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("BASE_URL", "PROJECT", "SDK_TOKEN", "API_KEY"):
        monkeypatch.delenv(f"INFERENCEKEY_{name}", raising=False)
    return tmp_path / "state"


@pytest.fixture
def run(state_dir: Path) -> Run:
    """Run `inferencekey …` and return its exit code, stdout and stderr."""

    def call(*arguments: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            cli(*arguments), capture_output=True, text=True, timeout=timeout, check=False
        )

    return call


@pytest.fixture
def up(run: Run) -> Iterator[Run]:
    """The same, while a detached platform on a free port runs."""
    started = run("local", "up", "--detach", "--port", "0")
    assert started.returncode == 0, started.stderr
    yield run
    run("local", "down")


def cli(*arguments: str) -> list[str]:
    """The command line's argv."""
    return [sys.executable, "-m", "inferencekey.cli", *arguments]


class Plane(ControlPlane):
    """A control plane in memory, on which everything is ready at once.

    refused: the slug of a workload that it neither makes nor deletes.
    phases: what the readiness route says of a slug.
    """

    refused: str | None = None
    phases: Mapping[str, str] = {}

    def __init__(self) -> None:
        super().__init__(keep=lambda workload: {"phase": "ready", **workload})

    def __call__(self, request: Request) -> bytes:
        if request.method in ("POST", "DELETE") and self._slug(request) == self.refused:
            return answer({"error": {"code": "out_of_order", "message": "out of order"}}, 500)
        if request.target.endswith("/readiness-events"):
            phase = self.phases.get(request.target.split("/")[-2])
            if phase is not None:
                return sse({"phase": phase})
        return super().__call__(request)

    def _slug(self, request: Request) -> object:
        if request.method == "POST":
            return request.json()["slug"]
        live = self.by_id(request.target.rsplit("/", 1)[1])
        return live and live["slug"]


@pytest.fixture
def plane(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plane]:
    """A control plane that the environment names."""
    plane = Plane()
    with Double(plane) as double:
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", double.url)
        monkeypatch.setenv("INFERENCEKEY_PROJECT", "acme")
        monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
        yield plane


@pytest.fixture
def declare(tmp_path: Path) -> Declare:
    """Write a file of workloads, all with the same fields, and return its name."""

    def write(*slugs: str, **fields: object) -> str:
        common = {"backend": "vllm", "model": "m", **fields}
        workloads = [{"name": slug, "slug": slug, **common} for slug in slugs]
        file = tmp_path / "workloads.json"
        file.write_text(json.dumps({"workloads": workloads}))
        return str(file)

    return write


def live(slug: str, **fields: object) -> Workload:
    """A workload as the platform describes it."""
    return {
        "id": f"wl_{slug}",
        "slug": slug,
        "name": slug,
        "backend": "vllm",
        "model_name": "m",
        **fields,
    }
