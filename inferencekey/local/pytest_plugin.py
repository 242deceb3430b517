"""The pytest fixture `inferencekey_platform`: an embedded platform for one test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .platform import Platform


@pytest.fixture
def inferencekey_platform_options() -> dict[str, Any]:
    """Arguments for `Platform`; override it, for example to return `{"stand_in": True}`."""
    return {}


@pytest.fixture
def inferencekey_platform(
    inferencekey_platform_options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """A fresh platform with an empty project; `from_env` finds it for the length of the test."""
    # Not from `.platform`: the package says what to install where something is missing.
    from inferencekey.local import Platform

    with Platform(**inferencekey_platform_options) as platform:
        for name, value in platform.env().items():
            monkeypatch.setenv(name, value)
        yield platform
