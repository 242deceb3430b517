"""SIGTERM and SIGHUP delete what this process created, and then do what they did before.

A handler belongs to the process, so there is one per signal for all `with` blocks, in whatever
order these end. Ctrl-C needs none: it is an exception.
"""

from __future__ import annotations

import os
import signal

from inferencekey._ephemeral import live

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    Before = Callable[[int, FrameType | None], Any] | int

_NUMBERS = (signal.SIGTERM, signal.SIGHUP)


class Handler:
    """What a signal does while there are ephemeral workloads, and what it did before.

    It does no harm when it is called later, by a handler that was set on top of it.
    """

    def __init__(self, number: signal.Signals, before: Before) -> None:
        self.number = number
        self.before = before

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Delete, then go on as if there had been no handler.

        A second signal that comes meanwhile does the same all over, and is done first.
        """
        live.end_all()
        if callable(self.before):
            self.before(self.number, frame)
        else:
            # By the signal itself, so that whoever waits for the process sees what ended it.
            signal.signal(self.number, signal.SIG_DFL)
            os.kill(os.getpid(), self.number)


# One for each `with` block that is open, and the handlers as long as there is one.
_blocks: list[None] = []
_set: list[Handler] = []


def watch() -> None:
    """Set the handlers, if none of ours is set. Other threads than the main one cannot."""
    _blocks.append(None)
    for number in _NUMBERS:
        before = signal.getsignal(number)
        # What is not Python's (None) cannot be chained. Ignored stays ignored (nohup).
        if before is None or before == signal.SIG_IGN or isinstance(before, Handler):
            continue
        handler = Handler(number, before)
        try:
            signal.signal(number, handler)
        except ValueError:
            return
        _set.append(handler)


def unwatch() -> None:
    """Restore what was there, once the last block is over. What others have set since stays."""
    del _blocks[-1:]  # In a forked child there are none any more.
    if not _blocks:
        _restore()


def _restore() -> None:
    try:
        for handler in _set:
            current: object = signal.getsignal(handler.number)
            if current is handler:
                signal.signal(handler.number, handler.before)
    except ValueError:
        # Not the main thread. The handlers stay, and pass their signals on.
        return
    _set.clear()


def _forked() -> None:
    _blocks.clear()
    _restore()


# Nothing of a child's is to be deleted, so its signals do what they did before.
os.register_at_fork(after_in_child=_forked)
