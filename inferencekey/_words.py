"""How the platform's words and times are shown: on one line, steering nothing."""

from __future__ import annotations

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._results import ReadinessEvent

# Characters of a text that are shown at most: no line needs more, and a log is no place for them.
LONGEST = 1000


def printable(text: str) -> str:
    """Server text with everything that could steer a terminal, or reorder a line, as a blank."""
    start = str(text)[:LONGEST]
    shown = "".join(character if character.isprintable() else " " for character in start)
    return " ".join(shown.split())


def described(event: ReadinessEvent) -> str:
    """Phase, step and message in a line."""
    step = f" [{printable(event.step)}]" if event.step else ""
    message = f": {printable(event.message)}" if event.message else ""
    return f"{printable(event.phase)}{step}{message}"


def clock_time(seconds: float) -> str:
    """A length of time, as 0:07 or 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
