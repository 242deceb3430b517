"""The readiness of one workload: what phase it is in, and who is told (wire.md 2.11).

A listener gets the current phase at once and every later event. Times are milliseconds on the
monotonic clock since the workload's present life began, so they never go back on one stream.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable

from .errors import error_body
from .phases import FIRST_PHASE, TERMINAL, may_follow
from .types import Phase, ReadinessRecord

_DELETED = b"event: error\ndata: " + error_body("not_found", "the workload was deleted") + b"\n\n"

Observer = Callable[[ReadinessRecord], None]


class Readiness:
    """The phase of one workload, and its listeners. Used by the event loop's thread only.

    observer: called with every event, for the platform's own log."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._queues: set[asyncio.Queue[ReadinessRecord | None]] = set()
        self._farewell: bytes | None = None
        self.restart("accepted")

    @property
    def phase(self) -> Phase:
        """The current phase."""
        return self._last.phase

    @property
    def message(self) -> str:
        """What was last said about it."""
        return self._last.message

    def restart(self, message: str) -> None:
        """Begin a new life, at the first phase: the workload is new, or its spec has changed."""
        # Somebody who is listening goes on waiting, so for them the clock goes on too.
        if not self._queues:
            self._began = time.monotonic()
        self._publish(ReadinessRecord(FIRST_PHASE, message, self._elapsed_ms(), "accept"))

    def tell(self, phase: Phase, message: str, step: str | None = None) -> None:
        """Move to `phase`, or say more about the present one. Lines of the message become one.

        Raises ValueError where the order of `phases.py` does not allow it."""
        if not may_follow(self.phase, phase):
            raise ValueError(f"the phase {phase!r} cannot follow {self.phase!r}")
        self._publish(ReadinessRecord(phase, _one_line(message), self._elapsed_ms(), step))

    def close(self, *, deleted: bool) -> None:
        """End every stream, now and later: the workload is gone, or (not deleted) the platform
        stops.

        A stream that ends without a terminal phase or an error is opened again by its client."""
        self._farewell = _DELETED if deleted else b""
        for queue in self._queues:
            queue.put_nowait(None)

    def snapshot(self) -> ReadinessRecord:
        """The last event. While the phase lasts its time is the present one."""
        last = self._last
        elapsed_ms = last.elapsed_ms if last.phase in TERMINAL else self._elapsed_ms()
        return ReadinessRecord(last.phase, last.message, elapsed_ms, last.step)

    async def frames(self, keep_alive: float) -> AsyncGenerator[bytes, None]:
        """Frames of a readiness stream, from the current phase to a terminal one or the workload's
        end.

        keep_alive: seconds of silence after which a comment is sent."""
        queue: asyncio.Queue[ReadinessRecord | None] = asyncio.Queue()
        queue.put_nowait(self.snapshot() if self._farewell is None else None)
        self._queues.add(queue)
        try:
            while True:
                try:
                    event = await asyncio.wait_for(queue.get(), keep_alive)
                except asyncio.TimeoutError:
                    yield b": keep-alive\n\n"
                    continue
                yield event_frame(event) if event else self._farewell or b""
                if event is None or event.phase in TERMINAL:
                    return
        finally:
            self._queues.discard(queue)

    def _publish(self, event: ReadinessRecord) -> None:
        self._last = event
        self._observer(event)
        for queue in self._queues:
            queue.put_nowait(event)

    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - self._began) * 1000)


def _one_line(message: str) -> str:
    """The lines joined by ` | `: clients show a message on one line, and escape what ends it."""
    return " | ".join(filter(None, (line.strip() for line in message.splitlines())))


def event_frame(event: ReadinessRecord) -> bytes:
    """One event as an SSE frame. JSON escapes line ends, so `data` is always one line."""
    fields = {"phase": event.phase, "message": event.message, "elapsed_ms": event.elapsed_ms}
    if event.step is not None:
        fields["step"] = event.step
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"
