"""How fast an answer came."""

from __future__ import annotations

import time
from collections.abc import Callable

from inferencekey import TextChunk


class Meter:
    """Measures one stream, from its request to its last chunk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._first: float | None = None
        self._last = self._started
        self._pieces = 0
        self.usage: dict[str, int] | None = None
        """What the platform counted, if it says so."""
        self.finish_reason: str | None = None

    def take(self, chunk: TextChunk) -> None:
        """Count one chunk."""
        now = self._clock()
        if chunk.text:
            self._first = self._first or now
            self._last = now
            self._pieces += 1
        self.finish_reason = chunk.finish_reason or self.finish_reason
        usage = chunk.raw.get("usage")
        if isinstance(usage, dict):
            self.usage = usage

    @property
    def tokens(self) -> int:
        """Tokens of the answer: as the platform counted, else its pieces, mostly one token each."""
        counted = (self.usage or {}).get("completion_tokens")
        return counted if isinstance(counted, int) else self._pieces

    @property
    def first_token_seconds(self) -> float | None:
        """From the request to the first text."""
        return None if self._first is None else self._first - self._started

    @property
    def seconds(self) -> float:
        """From the request to the last text."""
        return self._last - self._started

    @property
    def tokens_per_second(self) -> float | None:
        """Speed of writing: the wait for the first token is not part of it."""
        if self._first is None or self._last <= self._first or self.tokens < 2:
            return None
        return (self.tokens - 1) / (self._last - self._first)

    def __str__(self) -> str:
        about = "" if self.usage else "about "
        parts = [f"{about}{self.tokens} {'token' if self.tokens == 1 else 'tokens'}"]
        if self.tokens_per_second is not None:
            parts.append(f"{self.tokens_per_second:.1f} tokens/s")
        if self.first_token_seconds is not None:
            parts.append(f"first token after {self.first_token_seconds:.2f} s")
        if self.finish_reason not in (None, "stop"):
            parts.append(f"ended by {self.finish_reason}")
        return " · ".join(parts)

    def as_json(self) -> dict[str, object]:
        """The same facts, for programs; times in seconds."""
        return {
            "finish_reason": self.finish_reason,
            "usage": self.usage,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "first_token_seconds": self.first_token_seconds,
            "tokens_per_second": self.tokens_per_second,
        }
