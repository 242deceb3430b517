"""The events of a workload on its way to `ready`: what `readiness` gives, and what a wait is."""

from __future__ import annotations

import time

from inferencekey import _marshal
from inferencekey._closing import Closing
from inferencekey._errors import InferenceKeyError
from inferencekey._results import ReadinessEvent
from inferencekey._retry import log
from inferencekey._watcher import Silent
from inferencekey._words import clock_time, described, printable

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from inferencekey._ffi import Operation


class PhaseTimes:
    """How long each phase has lasted, as this process saw it, by a clock in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = self._phase_began = clock()
        self._seconds: dict[str, float] = {}
        self.phase: str | None = None
        """The phase that runs, `ready` or `error` at the end; None before the first event."""

    def take(self, phase: str) -> bool:
        """An event names its phase; true if that is another one than before."""
        if phase == self.phase:
            return False
        self._seconds = self.seconds()
        self.phase, self._phase_began = phase, self._clock()
        return True

    def elapsed(self) -> float:
        """Since the wait began, in seconds."""
        return self._clock() - self._began

    def in_phase(self) -> float:
        """Since the phase began, in seconds."""
        return self._clock() - self._phase_began

    def seconds(self) -> dict[str, float]:
        """The phases in the order in which they came; the one that runs counts up to now."""
        seconds = dict(self._seconds)
        if self.phase not in (None, "ready", "error"):
            seconds[self.phase] = seconds.get(self.phase, 0.0) + self.in_phase()
        return seconds


class Following:
    """What is seen of a workload on its way, however its events are awaited."""

    __slots__ = ("__weakref__", "_slug", "_times", "_watcher")

    def __init__(self, slug: str, watcher: Silent) -> None:
        self._slug = printable(slug)
        # The clock starts first, so that it never shows less than the deadline.
        self._times = PhaseTimes()
        self._watcher = watcher

    @property
    def seconds_by_phase(self) -> dict[str, float]:
        """How long each phase has lasted up to now, in the order in which they came.

        As seen from here: of a phase that had begun before, only the rest.
        """
        return self._times.seconds()

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        raise NotImplementedError

    def _taken(self, head: bytes) -> ReadinessEvent:
        event = ReadinessEvent.from_answer(_marshal.decode(head))
        if self._times.take(event.phase):
            self._watcher.make_way()
            since = clock_time(self._times.elapsed())
            log("info", "wait_until_ready: %s: %s (%s)", self._slug, described(event), since)
        return event

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        kind = type(self).__name__
        raise TypeError(f"a {kind} is neither copied nor pickled: it has one connection")

    def __repr__(self) -> str:
        phase = f", phase: {printable(self._times.phase)}" if self._times.phase else ""
        state = "ended" if self.ended else "open"
        return f"<{type(self).__name__} of {self._slug} {state}{phase}>"


class Readiness(Following, Closing):
    """The events of one workload, in order, as they come; used from any one thread at a time.

    What `ManagementClient.readiness` gives. It ends after `ready`, and raises what
    `wait_until_ready` raises. The connection is let go at the end, by `close()`, and when the
    object is dropped. Each new phase is also a line of the logger `inferencekey`, at INFO.
    """

    __slots__ = ("_operation",)

    def __init__(self, slug: str, start: Callable[[], Operation], watcher: Silent) -> None:
        super().__init__(slug, watcher)
        self._operation = start()
        self._operation.before_notice = watcher.make_way

    def __iter__(self) -> Readiness:
        return self

    def __next__(self) -> ReadinessEvent:
        while not self._operation.ended:
            event = self.poll()
            if event is not None:
                return event
        raise StopIteration

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self._operation.ended

    def poll(self) -> ReadinessEvent | None:
        """The next event; None if a slice of time brought none, or at the end."""
        try:
            taken = self._operation.next()
            return None if taken is None else self._taken(taken.head)
        except InferenceKeyError:
            raise
        except BaseException:
            # Ctrl-C, or what a signal handler or a hook raised.
            self.close()
            raise

    def close(self) -> None:
        """End it, on the wire too. Never blocks; closing again does nothing."""
        self._operation.free()
