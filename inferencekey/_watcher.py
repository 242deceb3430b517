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

    def make_way(self) -> None:
        """Somebody else may write now: a line of the log, or a hook of the caller's."""

    def end(self, error: BaseException | None) -> None:
        """The wait is over. `error`: what comes out of it, if the workload is not ready."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(error)


class Callback(Silent):
    """The caller shows it, `display` perhaps too; what the callback raises is the caller's."""

    def __init__(self, on_progress: Callable[[ReadinessEvent], None], display: Silent) -> None:
        self._on_progress = on_progress
        self._display = display

    def __call__(self, event: ReadinessEvent | None) -> None:
        self._display(event)
        if event is not None:
            self._display.make_way()
            self._on_progress(event)

    def lost(self, retry: Retry) -> None:
        """Only a display has a place for it."""
        self._display.lost(retry)

    def make_way(self) -> None:
        """As the display does."""
        self._display.make_way()

    def end(self, error: BaseException | None) -> None:
        """As the display does."""
        self._display.end(error)
