"""A streamed answer, awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inferencekey import _ffi
from inferencekey._async.operation import AsyncOperation
from inferencekey._closing import AsyncClosing
from inferencekey._errors import InferenceKeyError
from inferencekey._stream import Stream

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any, NoReturn

    from inferencekey._client import Bound
    from inferencekey._results import TextChunk


class AsyncTextStream(Stream, AsyncClosing):
    """The chunks of one answer, in order; read by one task at a time.

    An async iterator and context manager. The request is sent when the stream is awaited, entered,
    or first read. The connection is let go at the end, by `close()` or `aclose()`, when the task
    that reads is cancelled, and when the object is dropped.

    `request_id` is known once it is open, `usage` and `timing` when the iteration has ended by
    itself; until then they are None.
    """

    def __init__(self, bound: Bound, request: Mapping[str, object]) -> None:
        self._bound = bound
        # Checked at once, as the blocking endpoint does it.
        self._request = bound._checked("generate_text_stream", request)
        self._operation: AsyncOperation | None = None
        self._is_closed = False
        self._begin()

    async def _open(self) -> AsyncTextStream:
        if self._operation is None and not self._is_closed:
            self._forks = _ffi.forks
            self._operation = AsyncOperation(self._bound, "generate_text_stream", self._request)
            # The first event says that the response's head is good.
            self._take_opening(await self._event())
        return self

    def __await__(self) -> Generator[Any, None, AsyncTextStream]:
        return self._open().__await__()

    def __aiter__(self) -> AsyncTextStream:
        return self

    async def __anext__(self) -> TextChunk:
        if self._forks != _ffi.forks and self._operation is not None:
            self._refuse_forked()
        while True:
            for chunk in self._batch:
                return chunk
            if self._operation is None:
                await self._open()
            event = await self._event()
            if event is None:
                raise StopAsyncIteration
            self._take_batch(event)
            if self._operation is not None:
                self._operation.rest()

    async def _event(self) -> _ffi.Event | None:
        """The next event, waited for; None after the end."""
        if self._operation is None or self._is_closed:
            return None
        self._operation.claim()
        try:
            event = await self._operation.next()
        except InferenceKeyError as error:
            self.close()
            self._add_given(error)
            raise
        except BaseException:
            self.close()
            raise
        if event is None:
            self._end_account()
            self.close()
        return event

    def close(self) -> None:
        """End the stream, on the wire too. Never blocks; closing again does nothing."""
        self._is_closed = True
        self._batch, self._closing = iter(()), {}
        if self._operation is not None:
            self._operation.free()

    async def __aenter__(self) -> AsyncTextStream:
        return await self._open()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("an AsyncTextStream is neither copied nor pickled: it has one connection")

    def __repr__(self) -> str:
        state = "ended" if self._is_closed else "open"
        return f"<AsyncTextStream {state}, chunks read: {len(self._given())}>"
