"""One line of a terminal that is drawn again, at most ten times a second."""

from __future__ import annotations

import os

from inferencekey._progress.columns import Part, fitted, width
from inferencekey._watcher import Silent
from inferencekey._words import clock_time

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._progress.output import Output
    from inferencekey._progress.story import Story
    from inferencekey._results import ReadinessEvent
    from inferencekey._retry import Retry

BETWEEN_DRAWS = 0.1
# Columns that a layout has to leave for step and message.
ROOM_FOR_WORDS = 20
_LAST = ("ready", "error")
GREEN, CYAN, YELLOW, RED, DIM = "32", "36", "33", "31", "2"


class Live(Silent):
    """`bot ✓ scheduling ▸ provisioning 0:29 of 0:33 · bootstrapping · ready  [pull] 45 %`."""

    def __init__(self, story: Story, output: Output) -> None:
        self._story = story
        self._output = output
        self._drawn: tuple[list[Part], int] | None = None
        """What stands in the line now, and the width that the terminal had."""
        self._drawn_at = float("-inf")
        self._has_drawn = False

    def __call__(self, event: ReadinessEvent | None) -> None:
        """Draws the line again if it would look different, and the last time is long enough ago."""
        if event is not None:
            self._story.take(event)
        now = self._story.clock()
        # The end draws a line of its own.
        if now - self._drawn_at >= BETWEEN_DRAWS and self._story.times.phase not in _LAST:
            columns = self._output.columns()
            line = fitted(self._line(columns - 1), columns - 1, self._output.marks["cut"])
            if self._drawn != (line, columns):
                self._output.write(self._erasing() + self._painted(line))
                self._drawn, self._drawn_at, self._has_drawn = (line, columns), now, True

    def lost(self, retry: Retry) -> None:
        """Keeps the failure in view until the next event."""
        self._story.lost(retry)
        self(None)

    def make_way(self) -> None:
        """Takes the line away; it is drawn again soon."""
        if self._drawn is not None:
            self._output.write(self._erasing())
            self._drawn = None

    def end(self, error: BaseException | None) -> None:
        """Puts how it ended in the place of the line; an error before the first line, nowhere."""
        story, marks = self._story, self._output.marks
        if isinstance(error, KeyboardInterrupt):
            # Commands to copy stay whole, however narrow the terminal is.
            self._output.write(f"{self._erasing()}{story.farewell(marks['dot'])}\n")
        elif error is None:
            self._last_line(self._ready())
        elif self._has_drawn or story.last is not None:
            words = f" {story.slug} {story.failure(error)}"
            self._last_line([(marks["failed"], RED), (words, "")])

    def _last_line(self, line: list[Part]) -> None:
        columns = self._output.columns()
        line = fitted(line, columns - 1, self._output.marks["cut"])
        self._output.write(f"{self._erasing()}{self._painted(line)}\n")
        self._drawn = None

    def _ready(self) -> list[Part]:
        story, marks = self._story, self._output.marks
        times = story.by_phase()
        by_phase = f" {marks['dot']} {times}" if times else ""
        for name in (f"{story.slug} ", ""):
            line = [(marks["done"], GREEN), (f" {name}ready in {story.elapsed()}{by_phase}", "")]
            if width(line) < self._output.columns():
                break
        return line

    def _line(self, room: int) -> list[Part]:
        """The first of three layouts that leaves room for the words, or else the last."""
        phases, slug = self._story.phases(), (f"{self._story.slug} ", "")
        long = [slug, *self._marked(phases)]
        short = [slug, *self._collapsed(phases)]
        shortest = self._marked([one for one in phases if one[0] == "runs"])
        fits = (head for head in (long, short) if width(head) + ROOM_FOR_WORDS <= room)
        return [*next(fits, shortest), *self._words()]

    def _marked(self, phases: list[tuple[str, str]]) -> list[Part]:
        """Each phase with its mark and name."""
        parts: list[Part] = []
        for state, name in phases:
            mark = self._output.marks[state]
            if state == "runs":
                parts += [(mark, CYAN), (f" {name} ", ""), (f"{self._times()} ", DIM)]
            elif state == "done":
                parts += [(mark, GREEN), (f" {name} ", "")]
            else:
                parts += [(f"{mark} {name} ", DIM)]
        return parts

    def _collapsed(self, phases: list[tuple[str, str]]) -> list[Part]:
        """Of those that are done the marks alone, and none that is ahead."""
        done = "".join(self._output.marks["done"] for state, _ in phases if state == "done")
        return [(done, GREEN), *self._marked([one for one in phases if one[0] == "runs"])]

    def _times(self) -> str:
        """Of the phase, and in all."""
        times = self._story.times
        if self._story.last is None:
            return self._story.elapsed()
        return f"{clock_time(times.in_phase())} of {self._story.elapsed()}"

    def _words(self) -> list[Part]:
        note, said = self._story.note(), self._story.said()
        between = f" {self._output.marks['dot']} " if note and said else ""
        return [(" ", ""), (note, YELLOW), (f"{between}{said}", "")]

    def _painted(self, line: list[Part]) -> str:
        if not self._output.has_colour:
            return "".join(text for text, _ in line)
        return "".join(f"\x1b[{style}m{text}\x1b[0m" if style else text for text, style in line)

    def _erasing(self) -> str:
        """Clears the line. A terminal that became narrower has broken it into several."""
        if self._drawn is not None and _breaks_lines():
            line, _ = self._drawn
            rows = (max(width(line), 1) - 1) // self._output.columns()
            if rows:
                return f"\x1b[{rows}A\r\x1b[J"
        return "\r\x1b[2K"


def _breaks_lines() -> bool:
    """Most terminals break lines anew when they become narrower; these cut them."""
    return not os.environ.get("XTERM_VERSION") and os.environ.get("TERM") != "linux"
