"""What is said about workloads that stay, and where: it never hides an error of the program's."""

from __future__ import annotations

import contextlib
import sys

from inferencekey._errors import WaitTimeout

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._ephemeral.journal import Entry
    from inferencekey._errors import InferenceKeyError

# Why a workload that was not found may be there all the same.
INTERRUPTED = "its create was interrupted, and it may still appear"


def left(entry: Entry, why: str) -> str:
    """A workload may still run that should not."""
    return (
        f"{_named(entry)} may be left on {entry.base_url}: {why}; "
        "`inferencekey gc` or ManagementClient.gc() deletes it"
    )


def kept(entry: Entry) -> str:
    """A workload still runs, as was asked for."""
    slug, project = entry.workload_slug, entry.project_slug
    return (
        f"{_named(entry)} is kept, because its block failed; "
        f"`inferencekey delete {slug} --project {project}` or ManagementClient.delete() deletes it"
    )


def after_the_wait(error: InferenceKeyError) -> str:
    """The workload goes, so there is nothing left to wait for, to look at or to correct."""
    if isinstance(error, WaitTimeout):
        return "the workload is deleted again: give `ephemeral` a longer `timeout`"
    return "the workload is deleted again: correct the spec"


def deleted(entry: Entry) -> str:
    """Nothing runs any more."""
    return f"{_named(entry)} is deleted"


def _named(entry: Entry) -> str:
    id = f" ({entry.id})" if entry.id else ""
    return f"the workload `{entry.workload_slug}`{id} of project `{entry.project_slug}`"


def say(words: str) -> None:
    """Print one line to stderr, if there is one."""
    with contextlib.suppress(AttributeError, OSError, RuntimeError, ValueError):
        print(f"inferencekey: {words}", file=sys.stderr, flush=True)


def note(error: BaseException, words: str) -> None:
    """Have the words below the message in a traceback, from Python 3.11 on."""
    # An exception of the program's may allow no attributes.
    with contextlib.suppress(Exception):
        notes = [*getattr(error, "__notes__", ()), words]
        error.__notes__ = notes  # type: ignore[attr-defined]


def hint(error: InferenceKeyError, words: str) -> None:
    """Replace the hint of the error."""
    error.hint = words
    error.__notes__ = [f"hint: {words}"]
