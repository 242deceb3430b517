"""What `wait_until_ready` shows on stderr. Display never changes a result, and never fails a call.

On a terminal: one line, drawn again once a second. Elsewhere: a plain line per change, and one
each 30 s in between, so that a log shows that the wait is alive. Without a usable stderr:
nothing.
"""

from __future__ import annotations

import os
import sys
import time

from inferencekey._results import ReadinessEvent
from inferencekey._retry import Retry
from inferencekey._watcher import Silent

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TextIO

HEARTBEAT_SECONDS = 30.0
MARKS = {"ready": "\N{CHECK MARK}", "error": "\N{BALLOT X}"}
COLOURS = {"ready": "32", "error": "31"}


def display(workload_slug: str) -> Silent:
    """What suits stderr, or what `INFERENCEKEY_PROGRESS` says: `live`, `plain` or `off`."""
    wish = os.environ.get("INFERENCEKEY_PROGRESS", "").strip().lower()
    stream = sys.stderr
    if wish == "off" or stream is None:
        return Silent()
    terminal = _is_terminal(stream)
    if wish == "live" or (wish != "plain" and terminal and os.environ.get("TERM") != "dumb"):
        return Live(workload_slug, stream, colour=terminal and not os.environ.get("NO_COLOR"))
    return Plain(workload_slug, stream)


class Drawn(Silent):
    """Common to both kinds of lines: the last event, the time, and writing that cannot fail."""

    def __init__(
        self, workload_slug: str, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.slug = printable(workload_slug)
        self.last: ReadinessEvent | None = None
        self._trouble = ""
        self._stream: TextIO | None = stream
        self._clock = clock
        self._started = clock()

    def lost(self, retry: Retry) -> None:
        """Keeps the failure in view until the next event."""
        words = printable(str(retry.error)).removeprefix(f"{retry.operation}: ")
        self._trouble = f" ({words}; asking again)"
        self(None)

    def words(self) -> str:
        """What is known: the last event, and what keeps the next one away."""
        return (described(self.last) if self.last else "waiting for the platform") + self._trouble

    def take(self, event: ReadinessEvent | None) -> None:
        """An event ends what kept it away."""
        if event is not None:
            self.last, self._trouble = event, ""

    def elapsed(self) -> str:
        """Time since the call, as 0:07."""
        seconds = int(self._clock() - self._started)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

    def write(self, text: str) -> None:
        """Writes at once; a stream that fails once is left alone from then on."""
        if self._stream is None:
            return
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        try:
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()
        except Exception:  # Whatever a program put in the place of stderr may raise anything.
            self._stream = None


class Plain(Drawn):
    """A line per change, and a heartbeat."""

    def __init__(
        self, workload_slug: str, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(workload_slug, stream, clock)
        self._shown_at = self._started
        self._shown = self.words()

    def __call__(self, event: ReadinessEvent | None) -> None:
        """Prints what changed at once."""
        self.take(event)
        words, now = self.words(), self._clock()
        if words == self._shown and now - self._shown_at < HEARTBEAT_SECONDS:
            return
        self._shown, self._shown_at = words, now
        self.write(f"inferencekey: {self.slug}: {words} ({self.elapsed()})\n")


class Live(Drawn):
    """One line that is drawn again."""

    def __init__(
        self,
        workload_slug: str,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
        colour: bool = False,
    ) -> None:
        super().__init__(workload_slug, stream, clock)
        self._colour = colour
        self._drawn = ""
        self._failed = False

    def __call__(self, event: ReadinessEvent | None) -> None:
        """Draws the line again if it would look different."""
        self.take(event)
        phase = self._phase()
        start = f"{MARKS.get(phase, '…')} {self.slug} "
        line = fitted(f"{start}{self.words()}", self._columns() - len(self.elapsed()) - 3)
        line = f"{line}  {self.elapsed()}"
        if line == self._drawn:
            return
        self._drawn = line
        self.write(f"\r\x1b[2K{self._painted(line, phase)}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A wait that ends in an error, its deadline above all, does not leave a line that looks
        # as if it still went on.
        if error is not None and self._drawn:
            self._failed = True
            self(None)
        self.close()

    def _phase(self) -> str:
        """What decides mark and colour."""
        if self._failed:
            return "error"
        return self.last.phase if self.last else ""

    def close(self) -> None:
        """Keeps the last state of the line."""
        if self._drawn:
            self.write("\n")

    def _painted(self, line: str, phase: str) -> str:
        if not self._colour:
            return line
        return f"\x1b[{COLOURS.get(phase, '36')}m{line[:1]}\x1b[0m{line[1:]}"

    def _columns(self) -> int:
        try:
            size = os.get_terminal_size(self._stream.fileno()) if self._stream else None
        except Exception:
            size = None
        # A terminal that nobody gave a size has 0 columns.
        return size.columns if size and size.columns else 80


def described(event: ReadinessEvent) -> str:
    """Phase, step and message in a line."""
    step = f" [{printable(event.step)}]" if event.step else ""
    message = f": {printable(event.message)}" if event.message else ""
    return f"{printable(event.phase)}{step}{message}"


def printable(text: str) -> str:
    """Server text with everything that could steer a terminal, or reorder a line, as a blank."""
    shown = "".join(character if character.isprintable() else " " for character in str(text))
    return " ".join(shown.split())


def fitted(text: str, columns: int) -> str:
    """The text cut to that many columns of a terminal; some characters take two."""
    import unicodedata

    room = max(columns, 1)
    for index, character in enumerate(text):
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 0:
            return text[: max(index - 1, 0)] + "…"
    return text


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except Exception:
        return False
