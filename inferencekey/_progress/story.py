"""What there is to tell of a wait, in words: every display tells the same story."""

from __future__ import annotations

import shlex
import time

from inferencekey._errors import WaitTimeout, WorkloadFailed
from inferencekey._readiness import PhaseTimes
from inferencekey._words import clock_time, described, printable

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from inferencekey._results import ReadinessEvent
    from inferencekey._retry import Retry

PHASES = ("scheduling", "provisioning", "bootstrapping", "ready")
# Seconds without an event after which that is worth a word.
QUIET_SECONDS = 15.0


class Story:
    """One workload's way to `ready`.

    goes_on: the workload is there after the wait, whatever becomes of it.
    """

    def __init__(
        self,
        slug: str,
        *,
        project: str | None = None,
        goes_on: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slug = printable(slug)
        self.clock = clock
        self.times = PhaseTimes(clock)
        self.last: ReadinessEvent | None = None
        self.trouble = ""
        """Why no event can come for the moment."""
        self._project = project
        self._goes_on = goes_on
        self._heard_at = clock()
        self._known = -1
        """Of PHASES the last one that was seen."""
        self._failed_in = ""

    def take(self, event: ReadinessEvent) -> bool:
        """An event ends what kept it away; true if it begins a phase."""
        if event.phase == "error" and self.last is not None:
            self._failed_in = self.last.phase
        self.last, self.trouble, self._heard_at = event, "", self.clock()
        if event.phase in PHASES:
            self._known = PHASES.index(event.phase)
        return self.times.take(event.phase)

    def lost(self, retry: Retry) -> None:
        """The connection is lost, and will be tried again."""
        words = printable(str(retry.error)).removeprefix(f"{retry.operation}: ")
        self.trouble = f"reconnecting: {words}"

    def phases(self) -> list[tuple[str, str]]:
        """Each phase with `done`, `runs` or `ahead`; an unknown one stands where it came."""
        if self.last is None:
            return [("runs", "waiting for the platform")]
        current, reached = self.last.phase, self._known + 1
        done = [("done", phase) for phase in PHASES[:reached] if phase != current]
        ahead = [("ahead", phase) for phase in PHASES[reached:]]
        return [*done, ("runs", printable(current)), *ahead]

    def said(self) -> str:
        """Step and message of the last event."""
        if self.last is None:
            return ""
        step = f"[{printable(self.last.step)}] " if self.last.step else ""
        return f"{step}{printable(self.last.message)}".strip()

    def note(self) -> str:
        """Why there is nothing new: the connection is lost, or nothing was said for a while."""
        if self.trouble:
            return self.trouble
        silence = self.clock() - self._heard_at
        return f"no news for {int(silence)} s" if silence >= QUIET_SECONDS else ""

    def elapsed(self) -> str:
        """Time since the call."""
        return clock_time(self.times.elapsed())

    def by_phase(self) -> str:
        """`scheduling 0:04, provisioning 1:40`."""
        times = self.times.seconds().items()
        return ", ".join(f"{printable(phase)} {clock_time(seconds)}" for phase, seconds in times)

    def outcome(self, error: BaseException | None) -> str:
        """How it ended: `ready`, `failed`, `timeout`, `interrupted` or `error`."""
        if error is None:
            return "ready"
        if isinstance(error, KeyboardInterrupt):
            return "interrupted"
        if isinstance(error, WaitTimeout):
            return "timeout"
        return "failed" if isinstance(error, WorkloadFailed) else "error"

    def failure(self, error: BaseException) -> str:
        """How it ended, if not with `ready`."""
        outcome = self.outcome(error)
        if outcome == "timeout":
            last = f"; last: {described(self.last)}" if self.last else ""
            goes_on = ", it goes on starting" if self._goes_on else ""
            return f"not ready after {self.elapsed()}{goes_on}{last}"
        if outcome == "failed":
            where = f" in {printable(self._failed_in)}" if self._failed_in else ""
            said = f": {self.said()}" if self.said() else ""
            return f"failed{where} after {self.elapsed()}{said}"
        words = printable(str(error)).removeprefix("wait_until_ready: ") or type(error).__name__
        return f"no longer followed after {self.elapsed()}: {words}"

    def farewell(self, dot: str) -> str:
        """What may be done after Ctrl-C."""
        if not self._goes_on:
            return f"{self.slug}: interrupted after {self.elapsed()}"
        where = f" --project {shlex.quote(printable(self._project))}" if self._project else ""
        command = f"{shlex.quote(self.slug)}{where}"
        return (
            f"{self.slug} goes on without you. Wait again: inferencekey wait {command} {dot} "
            f"delete it: inferencekey delete {command}"
        )
