"""What fault tests share."""

from __future__ import annotations

import pytest
from authority import Authority, make_authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no system trusts."""
    return make_authority(tmp_path_factory.mktemp("authority"))
