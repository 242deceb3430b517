"""One output of a notebook's cell that is written anew. IPython is used, never loaded."""

from __future__ import annotations

import html
import sys

from inferencekey._watcher import Silent
from inferencekey._words import clock_time

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from inferencekey._progress.story import Story
    from inferencekey._results import ReadinessEvent
    from inferencekey._retry import Retry

# Each update is a message to the browser.
BETWEEN_UPDATES = 0.5
_MARKS = {"done": "✓", "runs": "▸", "ahead": "·"}
_COLOURS = {"done": "#2a9d4a", "runs": "#0b7fab", "ahead": "#8a8a8a"}
_FAILED = "#c0392b"


class View:
    """What a cell shows: HTML, or text where there is none."""

    def __init__(self, text: str, markup: str) -> None:
        self._text = text
        self._html = markup

    def _repr_html_(self) -> str:
        return self._html

    def __repr__(self) -> str:
        return self._text


class Notebook(Silent):
    """The phases with their marks, and below them what the platform says."""

    def __init__(self, story: Story) -> None:
        self._story = story
        self._handle: Any = None
        self._is_usable = True
        self._shown = ""
        self._shown_at = float("-inf")

    def __call__(self, event: ReadinessEvent | None) -> None:
        """Shows what is new."""
        if event is not None:
            self._story.take(event)
        if self._story.clock() - self._shown_at >= BETWEEN_UPDATES:
            self._show(self._view())

    def lost(self, retry: Retry) -> None:
        """Keeps the failure in view until the next event."""
        self._story.lost(retry)
        self._show(self._view())

    def end(self, error: BaseException | None) -> None:
        """Shows how it ended, in the same place."""
        story = self._story
        if isinstance(error, KeyboardInterrupt):
            self._show(_line(story.farewell("·"), _COLOURS["ahead"]))
        elif error is None:
            times = story.by_phase()
            by_phase = f" · {times}" if times else ""
            words = f"✓ {story.slug} ready in {story.elapsed()}{by_phase}"
            self._show(_line(words, _COLOURS["done"]))
        elif self._handle is not None or story.last is not None:
            self._show(_line(f"✗ {story.slug} {story.failure(error)}", _FAILED))

    def _view(self) -> View:
        story = self._story
        phases = story.phases()
        marked = [f"{_MARKS[state]} {name}" for state, name in phases]
        coloured = [
            f'<span style="color:{_COLOURS[state]}">{html.escape(f"{_MARKS[state]} {name}")}</span>'
            for state, name in phases
        ]
        times = f"{clock_time(story.times.in_phase())} of {story.elapsed()}"
        words = " · ".join(part for part in (story.note(), story.said()) if part)
        text = f"{story.slug} {' '.join(marked)} {times} {words}".rstrip()
        shown = (
            f"<div><b>{html.escape(story.slug)}</b> {' '.join(coloured)} "
            f"<small>{times}</small><br><small>{html.escape(words)}&nbsp;</small></div>"
        )
        return View(text, shown)

    def _show(self, view: View) -> None:
        if not self._is_usable or repr(view) == self._shown:
            return
        self._shown, self._shown_at = repr(view), self._story.clock()
        try:
            if self._handle is None:
                show = sys.modules["IPython.display"].display
                self._handle = show(view, display_id=True)
            else:
                self._handle.update(view)
        except Exception:  # No display, no error.
            self._is_usable = False


def _line(text: str, colour: str) -> View:
    return View(text, f'<div style="color:{colour}">{html.escape(text)}</div>')
