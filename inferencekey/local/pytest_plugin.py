"""The pytest fixture `inferencekey_platform`: an embedded platform for one test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .platform import Platform


@pytest.fixture
def inferencekey_platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A fresh platform with an empty project, its four variables set for the length of the test.

    It lives in memory and serves the bundled model, openly, where an engine is not installed."""
    from .platform import Platform

    with Platform(stand_in=True) as platform:
        for name, value in platform.env().items():
            monkeypatch.setenv(name, value)
        yield platform
