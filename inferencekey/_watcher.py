"""Who takes the events of a wait: nobody, or a callback. The displays are in `_progress`."""

from __future__ import annotations

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from inferencekey._results import ReadinessEvent
    from inferencekey._retry import Retry


class Silent:
    """Shows nothing; the base of what shows something."""

    def __call__(self, event: ReadinessEvent | None) -> None:
        """Takes an event, or None where a slice of time passed without one."""

    def lost(self, retry: Retry) -> None:
        """Takes that readiness cannot be followed for the moment, and will be asked for again."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the terminal as a next line of output wants it."""


class Callback(Silent):
    """The caller shows it; what the callback raises is the caller's."""

    def __init__(self, on_progress: Callable[[ReadinessEvent], None]) -> None:
        self._on_progress = on_progress

    def __call__(self, event: ReadinessEvent | None) -> None:
        if event is not None:
            self._on_progress(event)
