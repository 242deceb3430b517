"""What the operations in `blocking.py` and `asynchronous.py` share, because it awaits nothing.

The answer of an operation is a few words that are the same for all clients that did the same.
"""

from __future__ import annotations

import time
from typing import Any

SHORT_STREAMS = 230
PROMPT = "word " * ((4 << 20) // 5)


def of_texts(texts: list[str]) -> str:
    """Answer for the chunks of a stream; those without a text do not count."""
    return f"{sum(map(bool, texts))} chunks, {len(''.join(texts))} characters"


def of_sum(count: int, total: float) -> str:
    """Answer for numbers. Their sum is rounded, since clients may add in another order."""
    return f"{count} numbers, sum {total:.6f}"


def of_array(array: Any) -> str:
    """Answer for a numpy array: as it is, or as the 32-bit floats that models compute with.

    Row by row, since a copy of all would count as the client's memory.
    """
    return of_sum(array.size, sum(float(row.astype("f4").sum(dtype="f8")) for row in array))


def of_find(in_sync: bool) -> str:
    """Answer for a look into a list."""
    return f"in sync: {str(in_sync).lower()}"


class FirstText:
    """Notes when the first chunk came."""

    def __init__(self) -> None:
        self.begin = time.perf_counter_ns()
        self.time = 0
        self.text = ""

    def each(self, text: str) -> None:
        """Called with every chunk's text."""
        if not self.text:
            self.time = time.perf_counter_ns() - self.begin
            self.text = text


class Delays:
    """Notes how long each chunk was on its way: its text is the time at which it was sent."""

    def __init__(self, times: list[int]) -> None:
        self.count = 0
        self._times = times

    def each(self, text: str) -> None:
        """Called with every chunk's text."""
        received = time.monotonic_ns()
        if text:
            self._times.append(received - int(text))
            self.count += 1
