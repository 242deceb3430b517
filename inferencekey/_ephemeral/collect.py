"""Deleting what processes left behind that could not do it themselves."""

from __future__ import annotations

import time

from inferencekey._ephemeral import journal, lease
from inferencekey._ephemeral.leftovers import Collected, Leftover
from inferencekey._errors import (
    AuthError,
    ConfigurationError,
    ConnectionFailed,
    InferenceKeyError,
    Timeout,
)
from inferencekey._retry import log

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from inferencekey._client import Client
    from inferencekey._ephemeral.steps import Steps

# For how long after its begin, in seconds, a create may have an effect although its process is
# gone; and how long a run waits for the effects of all such creates together.
_MAY_APPEAR, _WAIT = 300.0, 3.0
# After these the platform would not answer the next request either.
_HOPELESS = (AuthError, ConfigurationError, ConnectionFailed, Timeout)


class Collector:
    """One run over the entries of a platform."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._collected = Collected()
        self._uncertain: list[journal.File] = []
        self._hopeless: InferenceKeyError | None = None

    def collecting(self, project: str | None) -> Steps[Collected]:
        """Delete what was left behind; what cannot be deleted now keeps its entry."""
        base_url = self._client._facts()["base_url"]
        journal.sweep()
        try:
            for path, entry in journal.entries():
                if entry.base_url == base_url and project in (None, entry.project_slug):
                    yield from self._visit(path, entry)
            until = time.monotonic() + _WAIT
            for file in self._uncertain:
                left = max(until - time.monotonic(), 0.0)
                if (yield from self._delete(file, left)) is False:
                    self._keep(file.entry, "it is not there, but its create may be on its way")
        finally:
            for file in self._uncertain:
                file.release()
        return self._collected

    def _visit(self, path: Path, entry: journal.Entry) -> Steps[None]:
        if journal.is_elsewhere(entry) and not entry.is_over():
            self._keep(entry, f"it belongs to a process on `{entry.host}`: run gc there")
            return
        file = journal.claim(path)
        if file is None:
            return
        try:
            if (yield from self._delete(file, 0.0)) is False:
                self._absent(file)
        finally:
            if file not in self._uncertain:
                file.release()

    def _absent(self, file: journal.File) -> None:
        """Gone, unless its create is so young that it may still have an effect."""
        if file.entry.id is None and abs(time.time() - file.entry.created) < _MAY_APPEAR:
            self._uncertain.append(file)
        else:
            file.remove()

    def _delete(self, file: journal.File, appears_within: float) -> Steps[bool | None]:
        """Was it removed? None: the platform refused, this one or all."""
        if self._hopeless is not None:
            self._keep(file.entry, str(self._hopeless), self._hopeless)
            return None
        try:
            removed = yield from lease.deletion(self._client, file.entry, None, appears_within)
        except InferenceKeyError as error:
            if isinstance(error, _HOPELESS):
                if not self._collected:
                    raise
                # What was deleted before is to be told.
                self._hopeless = error
            self._keep(file.entry, str(error), error)
            return None
        if removed:
            file.remove()
            self._collected.append(_leftover(file.entry))
        return removed

    def _keep(self, entry: journal.Entry, why: str, error: InferenceKeyError | None = None) -> None:
        log("warning", "gc: the workload `%s` is kept: %s", entry.workload_slug, why)
        self._collected.kept.append(_leftover(entry, why, error))


def _leftover(
    entry: journal.Entry, why: str | None = None, error: InferenceKeyError | None = None
) -> Leftover:
    return Leftover(entry.project_slug, entry.workload_slug, entry.id, entry.created, why, error)
