"""A JSON object per line, for CI and other programs.

Every object has `workload`, `kind`, `phase`, `step`, `message` and `elapsed_ms` (all four of the
last event, null before the first), `seconds` (since the call) and `phase_seconds` (since the phase
began). `kind` is

`event`: the platform said something.
`lost`: readiness cannot be followed for the moment, and will be asked for again; `error` says why.
`waiting`: nothing was said for 15 seconds.
`end`: the last line; `outcome` is `ready`, `failed`, `timeout`, `interrupted` or `error`,
    `seconds_by_phase` an object with the length of each phase.
"""

from __future__ import annotations

import json

from inferencekey._progress.plain import HEARTBEAT_SECONDS
from inferencekey._watcher import Silent

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._progress.output import Output
    from inferencekey._progress.story import Story
    from inferencekey._results import ReadinessEvent
    from inferencekey._retry import Retry


class JsonLines(Silent):
    """Every event, and what else happens."""

    def __init__(self, story: Story, output: Output) -> None:
        self._story = story
        self._output = output
        self._shown_at = story.clock()

    def __call__(self, event: ReadinessEvent | None) -> None:
        """Writes an event, or that none comes."""
        if event is not None:
            self._story.take(event)
            self._write("event")
        elif self._story.clock() - self._shown_at >= HEARTBEAT_SECONDS:
            self._write("waiting")

    def lost(self, retry: Retry) -> None:
        """Writes why."""
        self._story.lost(retry)
        self._write("lost", error=str(retry.error))

    def end(self, error: BaseException | None) -> None:
        """Writes how it ended."""
        times = self._story.times.seconds()
        self._write(
            "end",
            outcome=self._story.outcome(error),
            seconds_by_phase={phase: round(seconds, 3) for phase, seconds in times.items()},
        )

    def _write(self, kind: str, **more: object) -> None:
        story, last = self._story, self._story.last
        self._shown_at = story.clock()
        line = {
            "workload": story.slug,
            "kind": kind,
            "phase": last.phase if last else None,
            "step": last.step if last else None,
            "message": last.message if last else None,
            "elapsed_ms": last.elapsed_ms if last else None,
            "seconds": round(story.times.elapsed(), 3),
            "phase_seconds": round(story.times.in_phase(), 3),
            **more,
        }
        # ASCII alone: it fits every encoding, and steers no terminal.
        self._output.write(f"{json.dumps(line)}\n")
