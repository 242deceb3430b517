"""A model's text on its way to stdout."""

from __future__ import annotations

import sys

from . import output


def printable(text: str) -> str:
    """The text without what could steer a terminal; ends of lines and tabs stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text)


class Written:
    """Writes pieces as they come, and ends the last line."""

    def __init__(self) -> None:
        # A file or a program gets the text as it is.
        self._shown = printable if output.is_terminal(sys.stdout) else str
        self._last = ""

    def __call__(self, piece: str) -> None:
        """Write a piece at once."""
        if piece:
            sys.stdout.write(self._shown(piece))
            sys.stdout.flush()
            self._last = piece

    def end(self) -> None:
        """Begin a new line, unless the text did."""
        if self._last and not self._last.endswith("\n"):
            self("\n")
