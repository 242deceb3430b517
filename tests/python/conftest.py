"""What holds for every test: nothing of the machine that runs it reaches it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy nor a token comes in from outside."""
    for name in list(os.environ):
        if name.startswith("INFERENCEKEY_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails a test that leaves an object in the core."""
    from inferencekey._ffi import lib

    gc.collect()
    before = lib.ikey_live_objects()
    yield
    gc.collect()
    assert lib.ikey_live_objects() == before
