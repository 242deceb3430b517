"""`wait_until_ready`: the events of `readiness`, taken by a display or a callback to the end."""

from __future__ import annotations

import os

from inferencekey._marshal import Request
from inferencekey._readiness import Readiness
from inferencekey._timeouts import milliseconds
from inferencekey._watcher import Callback, Silent

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from inferencekey._client import Client
    from inferencekey._results import ReadinessEvent
    from inferencekey._retry import Retry

Progress = str | bool | None
"""A name of `inferencekey._progress.choice`; True or False; None: what the environment says."""


def following(
    client: Client, slug: str, project: str | None, timeout: float, watcher: Silent
) -> tuple[Request, Callable[[Retry], None]]:
    """The request, and who is told what makes the events stop for a while."""
    timeout_ms = milliseconds("timeout", timeout, "wait_until_ready")
    on_retry = client._on_retry

    def told(retry: Retry) -> None:
        if on_retry is not None:
            on_retry(retry)
        watcher.lost(retry)

    return Request(workload_slug=slug, project=project, timeout_ms=timeout_ms), told


def readiness(
    client: Client,
    slug: str,
    *,
    project: str | None,
    timeout: float,
    watcher: Silent | None = None,
) -> Readiness:
    """The events; what makes them stop for a while goes to the watcher and the client's hook."""
    watcher = watcher or Silent()
    request, told = following(client, slug, project, timeout, watcher)
    return Readiness(slug, lambda: client._start("wait_until_ready", request, told), watcher)


def wait(
    client: Client,
    slug: str,
    *,
    project: str | None,
    timeout: float,
    on_progress: Callable[[ReadinessEvent], None] | None,
    silent: bool,
    progress: Progress,
    goes_on: bool = True,
) -> None:
    """Return once the workload is ready.

    goes_on: it is there after Ctrl-C, which then says what may be done with it.
    """
    watcher = watcher_for(client, slug, project, on_progress, silent, progress, goes_on)
    with (
        watcher as show,
        readiness(client, slug, project=project, timeout=timeout, watcher=show) as events,
    ):
        while not events.ended:
            event = events.poll()
            if not events.ended:
                show(event)


def watcher_for(
    client: Client,
    slug: str,
    project: str | None,
    on_progress: Callable[[ReadinessEvent], None] | None,
    silent: bool,
    progress: Progress,
    goes_on: bool,
) -> Silent:
    """Who takes the events of a wait: the callback, a display, both or nobody."""
    quiet = silent or on_progress is not None
    display = display_for(
        slug, progress, project=_to_name(client, project), quiet=quiet, goes_on=goes_on
    )
    if silent:
        display = Silent()
    return display if on_progress is None else Callback(on_progress, display)


def display_for(
    slug: str, progress: Progress, *, project: str | None, quiet: bool, goes_on: bool
) -> Silent:
    """The display that is wished for; quiet: none unless this call names one."""
    try:
        from inferencekey._progress import choice

        return choice.display(slug, progress, project=project, quiet=quiet, goes_on=goes_on)
    except OSError:
        # A module is a file, and there may be no descriptor left to read it with.
        return Silent()


def _to_name(client: Client, project: str | None) -> str | None:
    """The project, if commands that the user types have to name it."""
    if project is None:
        project = client._facts()["project"]
    known = os.environ.get("INFERENCEKEY_PROJECT", "").strip()
    return project if isinstance(project, str) and project.strip() != known else None
