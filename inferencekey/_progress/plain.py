"""Lines for a log: one per phase and step, and a heartbeat in between."""

from __future__ import annotations

from inferencekey._watcher import Silent
from inferencekey._words import described

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._progress.output import Output
    from inferencekey._progress.story import Story
    from inferencekey._results import ReadinessEvent
    from inferencekey._retry import Retry

# Of a message that changes inside a step (`45 %`) the heartbeat tells: it would fill a log.
HEARTBEAT_SECONDS = 15.0
# Steps may follow each other as fast as a counter.
STEP_SECONDS = 1.0


class Plain(Silent):
    """`inferencekey: bot: provisioning [pull]: pulling image (0:07)`."""

    def __init__(self, story: Story, output: Output) -> None:
        self._story = story
        self._output = output
        self._shown: tuple[str, str | None] | None = None
        self._shown_at = story.clock()

    def __call__(self, event: ReadinessEvent | None) -> None:
        """Tells of what is new, or that nothing is."""
        begins = event is not None and self._story.take(event)
        # The end has a line of its own.
        if self._story.times.phase not in ("ready", "error") and (begins or self._is_due()):
            self._tell()

    def lost(self, retry: Retry) -> None:
        """Tells it once, however often it is asked again."""
        was_lost = bool(self._story.trouble)
        self._story.lost(retry)
        if not was_lost:
            self._tell()

    def end(self, error: BaseException | None) -> None:
        """Tells how it ended, if there was anything to tell before."""
        story = self._story
        if isinstance(error, KeyboardInterrupt):
            self._line(story.farewell(self._output.marks["dot"]))
        elif error is None:
            by_phase = story.by_phase()
            times = f" {self._output.marks['dot']} {by_phase}" if by_phase else ""
            self._line(f"{story.slug}: ready in {story.elapsed()}{times}")
        elif self._shown is not None or story.last is not None:
            self._line(f"{story.slug}: {story.failure(error)}")

    def _is_due(self) -> bool:
        since = self._story.clock() - self._shown_at
        is_new = self._shown is not None and self._shown != self._place()
        return since >= (STEP_SECONDS if is_new else HEARTBEAT_SECONDS)

    def _place(self) -> tuple[str, str | None]:
        last = self._story.last
        return (last.phase, last.step) if last else ("", None)

    def _tell(self) -> None:
        story = self._story
        self._shown, self._shown_at = self._place(), story.clock()
        words = described(story.last) if story.last else "waiting for the platform"
        note = story.note()
        shown = f"{words} ({note})" if note else words
        self._line(f"{story.slug}: {shown} ({story.elapsed()})")

    def _line(self, words: str) -> None:
        self._output.write(f"inferencekey: {words}\n")
