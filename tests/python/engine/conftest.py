"""One engine per model and module: starting takes less than a second, and modules stay apart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("mistralrs", reason="the bundled engine needs the extra `local`")

from .engine_process import Engine, running


@pytest.fixture(scope="module")
def text_engine() -> Iterator[Engine]:
    """The bundled text model under its own name."""
    with running("--model", "tiny") as engine:
        yield engine


@pytest.fixture(scope="module")
def embedding_engine() -> Iterator[Engine]:
    """The bundled embedding model under its own name."""
    with running("--model", "tiny-embed") as engine:
        yield engine
