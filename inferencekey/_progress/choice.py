"""Which display suits: what the call names, else the environment, else what there is to show on."""

from __future__ import annotations

import os
import sys
import threading

from inferencekey._errors import ValidationError
from inferencekey._progress.live import Live
from inferencekey._progress.output import Output
from inferencekey._progress.plain import Plain
from inferencekey._progress.story import Story
from inferencekey._retry import log
from inferencekey._watcher import Silent
from inferencekey._words import printable

NAMES = ("live", "plain", "notebook", "json", "log", "off")
AUTOMATIC = "auto"
VARIABLE = "INFERENCEKEY_PROGRESS"
# Longer ones, and what begins like a token, are no misspelt name, and not repeated.
_LONGEST_NAME = 20


def display(
    slug: str,
    progress: str | bool | None = None,
    *,
    project: str | None = None,
    quiet: bool = False,
    goes_on: bool = True,
) -> Silent:
    """The display of one wait.

    progress: one of NAMES or AUTOMATIC; False is `off`; True shows the wait wherever the call
        stands; None: as the environment says.
    quiet: show nothing unless `progress` names a display.

    Raises ValidationError for another `progress`.
    """
    kind = _named(progress)
    if kind is None:
        kind = "off" if quiet else _from_environment()
    if kind == AUTOMATIC:
        kind = _automatic(anywhere=progress is True)
    # Phases are logged in any case.
    if kind in ("log", "off"):
        return Silent()
    return _make(kind, Story(slug, project=project, goes_on=goes_on))


def _make(kind: str, story: Story) -> Silent:
    if kind == "notebook":
        if "IPython.display" in sys.modules:
            from inferencekey._progress.notebook import Notebook

            return Notebook(story)
        kind = "plain"
    if sys.stderr is None:
        return Silent()
    output = Output(sys.stderr)
    if kind == "json":
        from inferencekey._progress.json_lines import JsonLines

        return JsonLines(story, output)
    return Live(story, output) if kind == "live" else Plain(story, output)


def _named(progress: object) -> str | None:
    """What the call says; None if it leaves that to others."""
    if progress is None or progress is True:
        return None
    if progress is False:
        return "off"
    if isinstance(progress, str):
        name = progress.strip().lower()
        if name in (*NAMES, AUTOMATIC):
            return name
    raise _refused(progress)


def _refused(progress: object) -> ValidationError:
    known = ", ".join(f"`{name}`" for name in NAMES)
    if not isinstance(progress, str):
        what, near = f"of type {type(progress).__name__}", None
    elif len(progress) > _LONGEST_NAME or "ik_" in progress:
        what, near = "another text", None
    else:
        import difflib

        what = f"`{printable(progress)}`"
        near = next(iter(difflib.get_close_matches(progress.strip().lower(), NAMES, 1)), None)
    return ValidationError(
        f"wait_until_ready: `progress` must be one of {known}, True, False or None, not {what}",
        field="progress",
        operation="wait_until_ready",
        hint=f"did you mean `{near}`?" if near else "leave it out for what suits the place",
    )


def _from_environment() -> str:
    """What the user says. What is misspelt there fails no program."""
    name = os.environ.get(VARIABLE, "").strip().lower()
    if not name or name in (*NAMES, AUTOMATIC):
        return name or AUTOMATIC
    log("warning", "%s is none of %s: the display is chosen automatically", VARIABLE, NAMES)
    return AUTOMATIC


def _automatic(*, anywhere: bool) -> str:
    """What suits the place: libraries and servers print nothing unless `anywhere` says so."""
    is_main = threading.get_ident() == threading.main_thread().ident
    if is_main or anywhere:
        # A kernel's loop runs around every cell.
        if _is_kernel():
            return "notebook"
        if anywhere or not _has_event_loop():
            return "live" if _is_capable_terminal() else "plain"
    return "log"


def _is_kernel() -> bool:
    """Does this program run in a kernel of Jupyter's; IPython on a terminal is a terminal."""
    try:
        shell = sys.modules["IPython"].get_ipython()
    except Exception:
        return False
    return getattr(shell, "kernel", None) is not None


def _has_event_loop() -> bool:
    """Does an event loop run in this thread."""
    try:
        sys.modules["asyncio"].get_running_loop()
    except (KeyError, AttributeError, RuntimeError):
        return False
    return True


def _is_capable_terminal() -> bool:
    """Is stderr a terminal on which a line can be drawn again."""
    return (
        sys.stderr is not None
        and os.environ.get("TERM") != "dumb"
        and Output(sys.stderr).is_terminal
    )
