"""Pieces of streamed answers, and what became of a stream."""

from __future__ import annotations

from collections.abc import Sequence

from clients import delta
from double import (
    Connection,
    chunked_head,
    frames,
    sse,
)

from inferencekey import (
    InferenceKeyError,
    TextStream,
    Timeouts,
)

HEAD = chunked_head()


TWO = frames(delta("Hel"), delta("lo"))


STOP = frames(delta(None, "stop"))


DONE = frames("[DONE]")


WHOLE = sse(delta("Hel"), delta("lo"), delta(None, "stop"), "[DONE]")


def ids(rows: Sequence[tuple[object, ...]]) -> list[str]:
    """The names of a table."""
    return [str(row[0]) for row in rows]


def texts_of(stream: TextStream) -> tuple[list[str], InferenceKeyError | None]:
    """The texts that came, and the error at their end."""
    texts: list[str] = []
    try:
        texts.extend(chunk.text for chunk in stream)
    except InferenceKeyError as error:
        return texts, error
    return texts, None


def closed(connection: Connection) -> bool:
    """Does the server see the client go? Nothing else ends these connections so soon."""
    return connection.closed.wait(5)


SHORT = Timeouts(first_token=0.3, idle=0.3)
