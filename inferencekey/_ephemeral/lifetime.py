"""The end of a workload's lifetime while its `with` block still runs."""

from __future__ import annotations

import threading

from inferencekey._errors import InferenceKeyError
from inferencekey._retry import log

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._ephemeral.lease import Lease

# In seconds: of one try to delete, and between two of them.
_DELETE, _PAUSE = 30.0, 10.0


class Lifetime:
    """A thread that deletes the workload when its time is over, unless it is stopped before."""

    def __init__(self, lease: Lease, seconds: float) -> None:
        self.has_passed = False
        self._lease = lease
        self._seconds = seconds
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="inferencekey-lifetime", daemon=True).start()

    def stop(self) -> None:
        """The workload is taken care of."""
        self._stopped.set()

    def _run(self) -> None:
        seconds = self._seconds
        while not self._stopped.wait(min(seconds, threading.TIMEOUT_MAX)):
            if self._lease.is_over:
                return
            self.has_passed = True
            try:
                self._lease.delete(_DELETE)
                return
            except InferenceKeyError as error:
                log("warning", "max_lifetime has passed, and the delete failed: %s", error)
            seconds = _PAUSE
