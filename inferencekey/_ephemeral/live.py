"""The leases of this process. What is still there when the interpreter ends is deleted then."""

from __future__ import annotations

import atexit
import time

from inferencekey._ephemeral import words

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from inferencekey._ephemeral.lease import Lease

# For all leases together: a platform that does not answer holds nobody up for longer, in seconds.
_AT_THE_END = 10.0

# Signal handlers use it at any point, so no lock guards it: each step on it is one of the
# interpreter's own.
_leases: set[Lease] = set()


def add(lease: Lease) -> None:
    """From here on the lease ends with the process at the latest."""
    _leases.add(lease)


def discard(lease: Lease) -> None:
    """Somebody else has taken care of it."""
    _leases.discard(lease)


def end_all() -> None:
    """Delete what is there, within 10 s. What is left then is named on stderr."""
    until = time.monotonic() + _AT_THE_END
    for lease in list(_leases):
        if not lease.is_due:
            continue
        try:
            # Half a second is enough for a platform that is well, also after one that is not.
            if not lease.delete(max(until - time.monotonic(), 0.5)):
                words.say(words.left(lease.entry, words.INTERRUPTED))
        except BaseException as failure:
            # Ctrl-C too: whoever insists is heard.
            lease.hand_to_gc()
            words.say(words.left(lease.entry, str(failure) or type(failure).__name__))


atexit.register(end_all)
