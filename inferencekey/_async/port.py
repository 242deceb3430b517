"""Where the operations of an event loop run: a queue of the core that the loop itself drives.

A port belongs to its loop, comes with the loop's first call and goes with the loop; clients know
of none, so one client serves any number of loops.
"""

from __future__ import annotations

import asyncio
import math
import os
import threading
from contextvars import Context
from copy import copy
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary, ref

from inferencekey import _ffi
from inferencekey._errors import InferenceKeyError

if TYPE_CHECKING:
    from inferencekey._marshal import Encoded
    from inferencekey._native import Held


# Seconds by which the same instant may differ when it is asked for twice.
ROUNDING = 0.001


class Receiver(Protocol):
    """Whose events come through a port."""

    def receive(self, event: _ffi.Event) -> None:
        """Takes an event, on the loop's thread. Raises nothing.

        If a signal handler raises meanwhile, the event comes again, and is taken once.
        """

    def fail(self, error: InferenceKeyError) -> None:
        """No more events will come; the error is its own. Raises nothing."""


class Port:
    """The queue of one loop. The loop holds it by its reader; it does not hold the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, operation: str) -> None:
        self._queue = _ffi.Queue(operation, polled=True)
        self._tags = count(1)
        # Who nobody waits for any more is not kept.
        self._receivers: dict[int, ref[Receiver]] = {}
        # Events that the core has handed over and their receivers have not got.
        self._came: list[_ffi.Event] = []
        self._loop = ref(loop)
        self._looks_at = math.inf
        self.forks = _ffi.forks
        # In a context of its own: the caller's would be kept for as long as the loop is there.
        Context().run(loop.add_reader, self._queue.descriptor, self._deliver)

    def serves(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Do its events come on this loop?"""
        return self._loop() is loop

    def submit(self, client: Held, name: str, request: Encoded, receiver: Receiver) -> int:
        """Starts an operation whose events the receiver gets; its tag."""
        tag = next(self._tags)
        self._queue.submit(client, name, request, tag)
        self._receivers[tag] = ref(receiver)
        self._set_timer()
        return tag

    def cancel(self, tag: int) -> None:
        """Ends an operation, on any thread; no more of its events are given to anybody."""
        if self._receivers.pop(tag, None) is not None:
            self._queue.cancel(tag)

    def pause(self, tag: int, paused: bool) -> None:
        """Keeps an operation from reading on, or lets it go on."""
        self._queue.pause(tag, paused)

    def _deliver(self) -> None:
        """Moves the operations on, and gives what comes of it to the receivers."""
        try:
            self._move_on()
        except BaseException:
            # Of a signal handler, which may have ended this anywhere. If the loop runs on, nobody
            # waits in vain: the event in hand is given again, before anybody reads on.
            if (loop := self._loop()) is not None:
                loop.call_soon(self._deliver)
            if self._came:
                self._give(self._came.pop(0))
            raise

    def _move_on(self) -> None:
        came, more = self._came, True
        while more or came:
            while came:
                self._give(came[0])
                del came[0]
            more = more and self._take(came)
        self._set_timer()

    def _take(self, came: list[_ffi.Event]) -> bool:
        try:
            return self._queue.take(came)
        except InferenceKeyError as error:
            self._fail(error)
            return False

    def _fail(self, error: InferenceKeyError) -> None:
        """Tells everybody who waits, once; the loop's next call gets another port."""
        loop = self._loop()
        # Not in a child that goes on with the loop, where what the loop waits with is the parent's
        # too; and not a second time, by a timer: another port may have the descriptor by then.
        if loop is not None and _ports.get(loop) is self:
            loop.remove_reader(self._queue.descriptor)
            del _ports[loop]
        self.close()
        receivers, self._receivers = self._receivers, {}
        for known in receivers.values():
            if (receiver := known()) is not None:
                receiver.fail(copy(error))

    def _give(self, event: _ffi.Event) -> None:
        known = self._receivers.get(event.tag)
        if known is not None and (receiver := known()) is not None:
            receiver.receive(event)
        if event.is_last:
            self._receivers.pop(event.tag, None)

    def _set_timer(self) -> None:
        """Comes back when the queue is due, though it does not ring."""
        due_ms = self._queue.due_ms[0]
        if due_ms < 0:
            return
        now = monotonic()
        at = now + due_ms / 1000
        # One that should have come by now is not counted on: a signal handler may have ended it.
        if at >= self._looks_at - ROUNDING and self._looks_at >= now:
            return
        if (loop := self._loop()) is not None:
            # Neither holds the other: a handle would hold the loop, and the timer the port.
            loop.call_later(due_ms / 1000, _look, ref(self), at, context=Context())
            self._looks_at = at

    def look(self, at: float) -> None:
        """By a timer; nothing, if another one came before it."""
        if at == self._looks_at:
            self._looks_at = math.inf
            self._deliver()

    def close(self) -> None:
        """Stops what still runs. Closing again does nothing."""
        self._queue.free()

    def __del__(self) -> None:
        if hasattr(self, "_tags"):
            self.close()


def _look(port: ref[Port], at: float) -> None:
    if (held := port()) is not None:
        held.look(at)


_ports: WeakKeyDictionary[asyncio.AbstractEventLoop, Port] = WeakKeyDictionary()
_lock = threading.Lock()


def port(operation: str) -> Port:
    """The port of the loop that runs in this thread. Where there can be none, the error names the
    operation that wants it."""
    loop = asyncio.get_running_loop()
    # Nobody else makes the port of this loop: it runs in this thread.
    found = _ports.get(loop)
    return _made(loop, operation) if found is None else found


def _made(loop: asyncio.AbstractEventLoop, operation: str) -> Port:
    with _lock:
        _sweep()
        made = _ports[loop] = Port(loop, operation)
        return made


def _sweep() -> None:
    """Ends the ports of closed loops that something still holds."""
    for loop in list(_ports):
        if loop.is_closed():
            _ports.pop(loop).close()


def _forked() -> None:
    """A child's loops get ports of their own; the lock may have been held by another thread."""
    global _lock
    _lock = threading.Lock()
    _ports.clear()


os.register_at_fork(after_in_child=_forked)
