"""A state folder and a platform for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from aio import blocking
from clients import async_management, management
from double import Double

from ephemeral.hosted import Hosted
from inferencekey import ManagementClient


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's state folder; it does not exist yet."""
    monkeypatch.setenv("INFERENCEKEY_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def hosted(state: Path) -> Hosted:
    """A platform in memory."""
    return Hosted()


@pytest.fixture
def double(hosted: Hosted) -> Iterator[Double]:
    """That platform on a port."""
    with Double(hosted) as started:
        yield started


@pytest.fixture(params=["blocking", "async"])
def mgmt(double: Double, request: pytest.FixtureRequest) -> Iterator[ManagementClient]:
    """A client of it, of either kind."""
    if request.param == "async":
        yield blocking(async_management(double))
        return
    with management(double) as client:
        yield client
