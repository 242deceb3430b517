"""Answers to many prompts, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from inferencekey import _ffi
from inferencekey._async.port import port
from inferencekey._async.source import Source
from inferencekey._closing import AsyncClosing
from inferencekey._errors import (
    ConfigurationError,
    InferenceKeyError,
    ValidationError,
    client_closed,
)
from inferencekey._window import another_reads

if TYPE_CHECKING:
    from typing import NoReturn

    from inferencekey._client import Bound
    from inferencekey._window import Prompt, Window

Item = TypeVar("Item")


class Requests:
    """What a map has on its way in a loop: sent through the loop's port, awaited as one."""

    def __init__(self, bound: Bound, window: Window) -> None:
        self._bound = bound
        self._window = window
        self._told = _ffi.Told(bound._on_retry)
        # Of whoever asked for the first item: hooks run in it.
        self._context = copy_context()
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        # The index of the prompt by the tag of the operation.
        self._sent: dict[int, int] = {}
        self._port = port("map")

    def serve(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Do they come in on this loop?"""
        return self._port.serves(loop)

    def send(self, prompt: Prompt) -> None:
        """Asks for the answer to a drawn prompt. What cannot be sent is answered with its error."""
        index = self._window.take(prompt)
        try:
            request = self._window.request(index)
            tag = self._port.submit(self._bound._handle(), "generate_text", request, self)
        except ConfigurationError:
            # No other prompt would fare better.
            raise client_closed("map") from None
        except InferenceKeyError as error:
            self._window.fail(index, error.with_traceback(None))
            self._drop()
        else:
            self._sent[tag] = index

    def receive(self, event: _ffi.Event) -> None:
        """From the port. What a hook raises comes out of the map."""
        if event.kind == _ffi.NOTICE:
            try:
                self._context.run(self._told.take_notice, event.head)
            except BaseException as raised:
                self._failure = raised
        else:
            index = self._sent.get(event.tag)
            if index is not None:
                self._window.settle(index, event)
                self._drop()
            if event.is_last:
                self._sent.pop(event.tag, None)
        self.wake()

    def fail(self, error: InferenceKeyError) -> None:
        """From the port: what was to come will not."""
        error.operation = "map"
        self._failure = error
        self.wake()

    def _drop(self) -> None:
        """Ends on the wire what will never be given."""
        dropped = self._window.dropped()
        for tag in [tag for tag, index in self._sent.items() if index in dropped]:
            del self._sent[tag]
            self._port.cancel(tag)

    def raise_failure(self) -> None:
        """Raises what a hook raised meanwhile, or the port failed with; ForkedError in a child."""
        self._window.refuse_forked()
        if self._failure is not None:
            raise self._failure

    async def wait(self) -> None:
        """Until something has come, or `wake` is called."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        """Ends a wait."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def cancel(self) -> None:
        """Ends them on the wire. Never blocks."""
        sent, self._sent = self._sent, {}
        for tag in sent:
            self._port.cancel(tag)
        self.wake()

    def __del__(self) -> None:
        # On any thread, perhaps: the loop's own objects are not touched.
        for tag in getattr(self, "_sent", ()):
            self._port.cancel(tag)


class AsyncTextMap(AsyncIterator[Item], AsyncClosing):
    """The items of a `map`: an async iterator and context manager, for one task at a time.

    Nothing is drawn or sent before the first item is asked for. What is on its way goes on while
    the caller awaits something else; it ends on the wire with the last item, an exception,
    `close()` or `aclose()`, the end of the `async with` block, when the task that iterates is
    cancelled, and when the object is dropped. It belongs to the loop in which it is first iterated
    over.
    """

    def __init__(self, bound: Bound, prompts: Iterator[Prompt] | Source, window: Window) -> None:
        self._bound = bound
        self._prompts = prompts
        self._window = window
        self._requests: Requests | None = None
        self._is_read = False
        self._is_closed = False

    def __aiter__(self) -> AsyncTextMap[Item]:
        return self

    async def __anext__(self) -> Item:
        self._window.refuse_forked()
        if self._is_read:
            raise another_reads("task")
        if self._requests is None:
            self._requests = Requests(self._bound, self._window)
        elif not self._requests.serve(asyncio.get_running_loop()):
            raise ValidationError(
                "map: it was begun in another event loop: iterate there", operation="map"
            )
        self._is_read = True
        try:
            return await self._next(self._requests)
        except BaseException:
            # The end too, and a task that was cancelled.
            self.close()
            raise
        finally:
            self._is_read = False

    async def _next(self, requests: Requests) -> Item:
        window = self._window
        while not (self._is_closed or window.is_over):
            requests.raise_failure()
            has_drawn = window.has_room and self._draw(requests)
            # What has come meanwhile is given before another prompt is drawn.
            item: Item | None = window.next()
            if item is not None:
                if has_drawn and isinstance(item, InferenceKeyError):
                    # Perhaps refused here: who waits for nothing lets others have their turn.
                    await asyncio.sleep(0)
                return item
            if not has_drawn:
                await requests.wait()
        window.finish()
        raise StopAsyncIteration

    def _draw(self, requests: Requests) -> bool:
        """Draws a prompt, or finds that there are no more; False while it has to be awaited."""
        if isinstance(self._prompts, Source) and not self._prompts.is_ready(requests.wake):
            return False
        try:
            prompt = next(self._prompts)
        except StopIteration:
            self._window.end()
        except Exception as failure:
            # The caller's own. It comes out in its place, behind what was drawn before it.
            self._window.end(failure)
        else:
            requests.send(prompt)
        return True

    def close(self) -> None:
        """End what is on its way, on the wire too. Never blocks; closing again does nothing."""
        self._is_closed = True
        if isinstance(self._prompts, Source):
            self._prompts.close()
        self._prompts = iter(())
        if self._requests is not None:
            self._requests.cancel()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an AsyncTextMap is neither copied nor pickled: it has connections")

    def __repr__(self) -> str:
        return f"<AsyncTextMap {'ended' if self._is_closed else 'open'}, {self._window!r}>"
