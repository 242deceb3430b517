"""One workload that this process created, or may have created: deleted by whoever comes first."""

from __future__ import annotations

import os
from copy import copy

from inferencekey._ephemeral import journal
from inferencekey._ephemeral.steps import Ask, run
from inferencekey._marshal import Request
from inferencekey._timeouts import clock_options, milliseconds

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._client import Client
    from inferencekey._ephemeral.steps import Steps

# Seconds in which a create shows up in the list that was sent before its connection broke.
_APPEARS_WITHIN = 5.0
# Milliseconds in which a delete that has begun still gets out under Ctrl-C, like `delete` itself.
_GRACE_MS = 150


class Lease:
    """The duty to delete a workload. It needs no lock: deleting twice is as good as once."""

    def __init__(self, client: Client, file: journal.File) -> None:
        # A client of its own: the program may close its own, and may raise in `on_retry`.
        self._client = copy(client)
        self._client._on_retry = None
        self._file = file
        self._pid = os.getpid()
        self.is_answered = False
        """The create was answered: nothing can appear any more that is not there now."""
        self.is_over = False
        """The workload is deleted, or is not to be deleted by this process."""

    @property
    def entry(self) -> journal.Entry:
        """What is known about the workload."""
        return self._file.entry

    @property
    def is_ours(self) -> bool:
        """False in a forked child, whose parent deletes the workload."""
        return self._pid == os.getpid()

    def created(self, id: str) -> None:
        """The create was answered, and the workload is this process's own."""
        self._file.add(id=id)
        self.is_answered = True

    def withdraw(self) -> None:
        """Nothing was created."""
        self._file.remove()
        self.is_over = True

    def keep(self) -> None:
        """The workload stays; if it has a lifetime, `gc` deletes it afterwards."""
        if self.entry.max_lifetime is None:
            self._file.remove()
        else:
            self._file.add(kept=True)
            self._file.release()
        self.is_over = True

    def hand_to_gc(self) -> None:
        """Lets any process delete the workload, this one included."""
        self._file.release()

    @property
    def is_due(self) -> bool:
        """Is it still this process that has to delete the workload?"""
        return self.is_ours and not self.is_over and not self._file.is_collected

    def delete(self, seconds: float) -> bool:
        """Delete the workload, and nothing but what this lease created, within that time.

        False if it did not show up although its create may still be on its way: then it is left
        to `gc`. Raises what `ManagementClient.delete` raises.
        """
        return run(self.deletion(seconds))

    def deletion(self, seconds: float) -> Steps[bool]:
        """The same, step by step."""
        was_answered = self.is_answered
        appears_within = 0.0 if was_answered else min(_APPEARS_WITHIN, seconds / 2)
        deleted = yield from deletion(self._client, self.entry, seconds, appears_within)
        if self.is_answered and not was_answered and not deleted:
            # Another thread has learnt the id in the meantime.
            return (yield from self.deletion(seconds))
        if deleted or was_answered:
            self._file.remove()
        else:
            self._file.release()
        self.is_over = True
        return deleted or was_answered


def deletion(
    client: Client, entry: journal.Entry, seconds: float | None, appears_within: float
) -> Steps[bool]:
    """Delete what the entry proves to be created by its process. True if this call removed it.

    seconds: None is as the client has it.
    """
    request = Request(
        workload_slug=entry.workload_slug,
        project=entry.project_slug,
        only={"id": entry.id, "mark": entry.mark},
        appears_within_ms=milliseconds("appears_within", appears_within, "delete"),
        **clock_options(seconds, "delete"),
    )
    answer = yield Ask(client, "delete", request, _GRACE_MS)
    deleted: bool = answer["deleted"]
    return deleted
