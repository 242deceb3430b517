"""The platform under test, with short pauses, and a plain client for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local.platform_client import PlatformClient

from inferencekey.local import Platform
from inferencekey.local.phases import Timings

QUICK = Timings(
    start_timeout=10,
    stop_grace=2,
    keep_alive=0.1,
    pauses_before_ready=(0.05, 0.05),
    pauses_after_ready=(0.05, 0.05, 0.05),
)


@pytest.fixture(autouse=True)
def own_runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records of running engines, and everything that commands keep, stay within the test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "run"


@pytest.fixture
def platform() -> Iterator[Platform]:
    """A platform in memory."""
    with Platform(timings=QUICK) as started:
        yield started


@pytest.fixture
def client(platform: Platform) -> PlatformClient:
    """A client with the platform's own tokens."""
    return PlatformClient(platform.env())
