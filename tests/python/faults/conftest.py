"""What fault tests share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aio import blocking
from authority import Authority, make_authority
from clients import async_endpoint, async_management


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no system trusts."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["blocking", "async"])
def either_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the tests of a module with the client of either kind: they make theirs by name."""

    made: dict[str, Callable[..., Any]] = {
        "management": async_management,
        "endpoint": async_endpoint,
    }
    if request.param == "async":
        for name, make in made.items():
            if hasattr(request.module, name):
                monkeypatch.setattr(request.module, name, _blocking(make))


def _blocking(make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda double, **options: blocking(make(double, **options))
