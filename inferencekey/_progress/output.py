"""The stream that a display writes to: what it can show, how wide it is, and writing to it."""

from __future__ import annotations

import os

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_UNICODE = {"done": "✓", "runs": "▸", "ahead": "·", "failed": "✗", "dot": "·", "cut": "…"}
_ASCII = {"done": "+", "runs": ">", "ahead": ".", "failed": "x", "dot": "-", "cut": "~"}
# Of a stream that is no terminal, or of one that nobody gave a size: it says 0 columns.
_USUAL_COLUMNS = 80


class Output:
    """Writing never fails: a stream that fails once is left alone from then on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self._encoding = getattr(stream, "encoding", None) or "ascii"
        self.is_terminal = _is_terminal(stream)
        self.has_colour = _has_colour(self.is_terminal)
        self.marks = _UNICODE if self._can_hold("".join(_UNICODE.values())) else _ASCII

    def columns(self) -> int:
        """The width of the terminal as it is now."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns if self._stream else 0
        except Exception:
            columns = 0
        return columns or _USUAL_COLUMNS

    def write(self, text: str) -> None:
        """Write at once, in one piece; what the encoding cannot hold becomes a question mark."""
        if self._stream is None:
            return
        try:
            self._stream.write(text.encode(self._encoding, "replace").decode(self._encoding))
            self._stream.flush()
        except Exception:  # Whatever a program put in the place of stderr may raise anything.
            self._stream = None

    def _can_hold(self, text: str) -> bool:
        try:
            text.encode(self._encoding)
        except (UnicodeError, LookupError, TypeError):
            return False
        return True


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except Exception:
        return False


def _has_colour(is_terminal: bool) -> bool:
    """As Python's own tracebacks decide it: no-color.org, force-color.org."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return is_terminal and os.environ.get("TERM") != "dumb"
