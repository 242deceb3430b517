"""One running call of the core on an event loop."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING
from weakref import ref

from inferencekey import _ffi, _marshal
from inferencekey._async.port import port
from inferencekey._errors import Cancelled, ForkedError, InferenceKeyError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from inferencekey._client import Bound
    from inferencekey._retry import Retry

# Events that nobody has asked for yet: with so many an operation stops reading from its connection,
# and with so few it goes on.
MOST_WAITING, FEW_WAITING = 4, 1
# Seconds after which a caller who has not come back is taken to be busy with what it got.
AWAY_AFTER = 0.05


class AsyncOperation(_ffi.Told):
    """The events of one call; ended at its end, with `free`, or when nobody holds it any more."""

    __slots__ = (
        "__weakref__",
        "_arrived",
        "_context",
        "_failure",
        "_is_paused",
        "_looks",
        "_name",
        "_port",
        "_tag",
        "_waiter",
        "ended",
    )

    def __init__(
        self,
        bound: Bound,
        name: str,
        request: _marshal.Encoded,
        on_retry: Callable[[Retry], None] | None = None,
        on_create: Callable[[dict[str, object]], None] | None = None,
    ) -> None:
        super().__init__(on_retry or bound._on_retry)
        self.on_create = on_create
        self.ended = False
        self._arrived: list[_ffi.Event] = []
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._is_paused = False
        self._looks = False
        # Of the caller, in which its hooks run and its lines are logged.
        self._context = copy_context()
        self._name = name
        self._tag = 0
        self._port = port(name)
        try:
            self._tag = self._port.submit(bound._handle(), name, request, self)
        except InferenceKeyError as error:
            # The frames below hold what was refused, piece by piece.
            raise error.with_traceback(None) from None

    def receive(self, event: _ffi.Event) -> None:
        """From the port. A hook that raises ends the call."""
        if self.ended:
            self._wake()
            return
        if event.kind == _ffi.NOTICE:
            try:
                self._context.run(self.take_notice, event.head)
            except BaseException as raised:
                self._failure = raised
                self.free()
            return
        arrived = self._arrived
        if event.kind == _ffi.ERROR:
            self._failure = _ffi.exception(_marshal.decode(event.head))
        elif event.kind != _ffi.END and not (arrived and arrived[-1] is event):
            arrived.append(event)
        if event.is_last:
            self.ended = True
        elif len(arrived) >= MOST_WAITING and not self._is_paused:
            self._pause(True)
        self._wake()

    def fail(self, error: InferenceKeyError) -> None:
        """From the port: what was to come will not."""
        if not self.ended:
            error.operation = self._name
            self._failure = self._inherited() or error
            self.ended = True
        self._wake()

    async def next(self, seconds: float | None = None) -> _ffi.Event | None:
        """The next event; None at the end, or if `seconds` brought none.

        A cancelled task leaves the operation as it is: it goes on, or is freed.
        """
        if not self._arrived and not self.ended:
            if self._is_paused:
                self._pause(False)
            self._waiter = waiter = asyncio.get_running_loop().create_future()
            timer = None
            if seconds is not None:
                timer = waiter.get_loop().call_later(seconds, self._wake)
            try:
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        if self._arrived:
            event = self._arrived.pop(0)
            if self._is_paused and len(self._arrived) <= FEW_WAITING:
                self._pause(False)
            return event
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return None

    def claim(self) -> None:
        """Raises where `next` would take an event from somebody else, who goes on undisturbed."""
        if (inherited := self._inherited()) is not None:
            raise inherited
        if not self._port.serves(asyncio.get_running_loop()):
            raise self._refusal("it was begun in another event loop: read it there")
        if self._waiter is not None:
            raise self._refusal("another task waits for it: one task at a time may read it")

    def _inherited(self) -> ForkedError | None:
        """What a forked child is told: the operation goes on in the parent."""
        if self._port.forks == _ffi.forks:
            return None
        return ForkedError(
            f"{self._name}: it was begun before the fork of this process",
            operation=self._name,
            hint="begin it in the process that reads it",
        )

    def _refusal(self, words: str) -> ValidationError:
        return ValidationError(f"{self._name}: {words}", operation=self._name)

    def rest(self) -> None:
        """The caller has something to do with what it got: if that takes long, it is no stall of
        the platform's (wire.md 3.2)."""
        if not self._looks and not self.ended:
            self._looks = True
            asyncio.get_running_loop().call_later(AWAY_AFTER, _look, ref(self))

    def look(self) -> None:
        """Pauses the operation if the caller has not come back."""
        self._looks = False
        if self._waiter is None and not self.ended and not self._is_paused:
            self._pause(True)

    def _pause(self, paused: bool) -> None:
        self._is_paused = paused
        self._port.pause(self._tag, paused)

    async def linger(self, seconds: float) -> None:
        """Goes on for a moment, whatever comes of it."""
        if seconds and not self.ended:
            try:
                await self.next(seconds)
            except InferenceKeyError:
                return

    def free(self) -> None:
        """Ends it on the wire too, if it was not over; who waits for it is told. Never blocks."""
        if not self.ended:
            self.ended = True
            self._port.cancel(self._tag)
            if self._waiter is not None and self._failure is None:
                words = f"{self._name}: cancelled by the caller"
                self._failure = Cancelled(words, operation=self._name)
        self._wake()

    def _wake(self) -> None:
        """Ends the wait for an arrival, if there is one."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __del__(self) -> None:
        if not getattr(self, "ended", True) and self._tag:
            self._port.cancel(self._tag)


def _look(operation: ref[AsyncOperation]) -> None:
    # The loop's timer keeps no operation alive that was dropped.
    held = operation()
    if held is not None:
        held.look()
