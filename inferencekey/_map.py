"""Answers to many prompts, on the calling thread."""

from __future__ import annotations

from _collections_abc import Iterator  # As `collections.abc`, without `collections`.
from _thread import allocate_lock

from inferencekey import _ffi
from inferencekey._closing import Closing
from inferencekey._errors import ConfigurationError, InferenceKeyError, client_closed
from inferencekey._window import another_reads

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TypeVar

    from inferencekey._client import Bound
    from inferencekey._window import Prompt, Window

    Item = TypeVar("Item")
else:
    Item = object


class TextMap(Iterator[Item], Closing):
    """The items of a `map`: an iterator and a context manager, used from one thread at a time.

    Nothing is drawn or sent before the first item is asked for. What is on its way goes on while
    the caller is busy; it ends on the wire with the last item, an exception, `close()`, the end of
    the `with` block, and when the object is dropped. It is neither copied nor pickled.
    """

    __slots__ = (
        "__weakref__",
        "_bound",
        "_is_closed",
        "_prompts",
        "_queue",
        "_told",
        "_turn",
        "_window",
    )

    def __init__(self, bound: Bound, prompts: Iterator[Prompt], window: Window) -> None:
        self._bound = bound
        self._prompts = prompts
        self._window = window
        self._told = _ffi.Told(bound._on_retry)
        self._queue: _ffi.Queue | None = None
        self._is_closed = False
        self._turn = allocate_lock()

    def __next__(self) -> Item:
        self._window.refuse_forked()
        if not self._turn.acquire(blocking=False):
            raise another_reads("thread")
        try:
            return self._next()
        except BaseException:
            # The end too. After Ctrl-C, or what a signal handler raised, nobody may come back.
            self.close()
            raise
        finally:
            self._turn.release()

    def _next(self) -> Item:
        window = self._window
        # A repeat waits until its notice is taken, and prompts may take long.
        self._receive(wait_ms=0)
        while not (self._is_closed or window.is_over):
            can_draw = window.has_room
            if can_draw:
                self._draw()
            # What has come meanwhile is given before another prompt is drawn.
            self._receive(wait_ms=0)
            item: Item | None = window.next()
            if item is not None:
                return item
            if not can_draw:
                self._receive(_ffi.SLICE_MS)
        window.finish()
        raise StopIteration

    def _draw(self) -> None:
        try:
            prompt = next(self._prompts)
        except StopIteration:
            self._window.end()
        except Exception as failure:
            # The caller's own. It comes out in its place, behind what was drawn before it.
            self._window.end(failure)
        else:
            self._send(prompt)

    def _send(self, prompt: Prompt) -> None:
        index = self._window.take(prompt)
        try:
            request = self._window.request(index)
            if self._queue is None:
                self._queue = _ffi.Queue("map", polled=False)
            self._queue.submit(self._bound._handle(), "generate_text", request, index)
        except ConfigurationError:
            # No other prompt would fare better.
            raise client_closed("map") from None
        except InferenceKeyError as error:
            self._window.fail(index, error.with_traceback(None))
            self._drop()

    def _receive(self, wait_ms: int) -> None:
        """Takes what has come, and waits at most so long for the first of it."""
        more = True
        while more:
            events: list[_ffi.Event] = []
            more = self._take(events, wait_ms)
            wait_ms = 0
            for event in events:
                if event.kind == _ffi.NOTICE:
                    self._told.take_notice(event.head)
                else:
                    self._window.settle(event.tag, event)
                    self._drop()

    def _drop(self) -> None:
        """Ends on the wire what will never be given."""
        if self._queue is not None:
            for index in self._window.dropped():
                self._queue.cancel(index)

    def _take(self, events: list[_ffi.Event], wait_ms: int) -> bool:
        if self._queue is None or self._is_closed:
            return False
        try:
            return self._queue.take(events, wait_ms)
        except InferenceKeyError:
            # Another thread may have closed it at this moment.
            if self._is_closed:
                return False
            raise

    def close(self) -> None:
        """End what is on its way, on the wire too. Never blocks; closing again does nothing."""
        self._is_closed = True
        self._prompts = iter(())
        if self._queue is not None:
            self._queue.free()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a TextMap is neither copied nor pickled: it has connections")

    def __repr__(self) -> str:
        return f"<TextMap {'ended' if self._is_closed else 'open'}, {self._window!r}>"
