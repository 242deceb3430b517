"""What fault tests share."""

from __future__ import annotations

from typing import Any

import pytest
from aio import blocking
from authority import Authority, make_authority
from clients import async_management
from double import Double


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no system trusts."""
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["blocking", "async"])
def either_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs the tests of a module with the client of either kind: they make theirs by name."""

    def management(double: Double, **options: Any) -> Any:
        return blocking(async_management(double, **options))

    if request.param == "async":
        monkeypatch.setattr(request.module, "management", management)
