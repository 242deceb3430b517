"""The events of a workload on its way to `ready`, and the wait for it, awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from inferencekey import _waiting
from inferencekey._async.operation import AsyncOperation
from inferencekey._closing import AsyncClosing
from inferencekey._readiness import Following
from inferencekey._watcher import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from inferencekey._client import Client
    from inferencekey._results import ReadinessEvent
    from inferencekey._retry import Retry

# Seconds after which a display is drawn again although nothing came.
_SLICE = 0.1


class AsyncReadiness(Following, AsyncClosing):
    """The events of one workload, in order, as they come; read by one task at a time.

    What `AsyncManagementClient.readiness` gives: an async iterator and context manager. It ends
    after `ready`, and raises what `wait_until_ready` raises. The connection is let go at the end,
    by `close()` or `aclose()`, when the task that reads is cancelled, and when the object is
    dropped. Each new phase is also a line of the logger `inferencekey`, at INFO.
    """

    __slots__ = ("_is_closed", "_operation", "_parts")

    def __init__(
        self,
        client: Client,
        slug: str,
        request: Mapping[str, object],
        told: Callable[[Retry], None],
        watcher: Silent,
    ) -> None:
        super().__init__(slug, watcher)
        # Checked at once, as the blocking client does it. The operation belongs to the loop that
        # asks for the first event.
        self._parts = (client, client._checked("wait_until_ready", request), told)
        self._operation: AsyncOperation | None = None
        self._is_closed = False

    def __aiter__(self) -> AsyncReadiness:
        return self

    async def __anext__(self) -> ReadinessEvent:
        event = await self.poll(None)
        if event is None:
            raise StopAsyncIteration
        return event

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self._is_closed

    async def poll(self, seconds: float | None) -> ReadinessEvent | None:
        """The next event; None if `seconds` brought none, or at the end."""
        if self._is_closed:
            return None
        if self._operation is None:
            client, request, told = self._parts
            self._operation = AsyncOperation(client, "wait_until_ready", request, told)
            self._operation.before_notice = self._watcher.make_way
        operation = self._operation
        operation.claim()
        try:
            taken = await operation.next(seconds)
        except BaseException:
            self.close()
            raise
        if taken is not None:
            return self._taken(taken.head)
        if operation.ended:
            self.close()
        return None

    def close(self) -> None:
        """End it, on the wire too. Never blocks; closing again does nothing."""
        self._is_closed = True
        if self._operation is not None:
            self._operation.free()


def readiness(
    client: Client,
    slug: str,
    *,
    project: str | None,
    timeout: float,
    watcher: Silent | None = None,
) -> AsyncReadiness:
    """The events; what makes them stop for a while goes to the watcher and the client's hook."""
    watcher = watcher or Silent()
    request, told = _waiting.following(client, slug, project, timeout, watcher)
    return AsyncReadiness(client, slug, request, told, watcher)


async def wait(
    client: Client,
    slug: str,
    *,
    project: str | None,
    timeout: float,
    on_progress: Callable[[ReadinessEvent], None] | None,
    silent: bool,
    progress: _waiting.Progress,
    goes_on: bool = True,
) -> None:
    """Return once the workload is ready."""
    show = _waiting.watcher_for(client, slug, project, on_progress, silent, progress, goes_on)
    # Nobody looks at what nothing shows.
    seconds = None if type(show) is Silent else _SLICE
    try:
        events = readiness(client, slug, project=project, timeout=timeout, watcher=show)
        async with events:
            while not events.ended:
                event = await events.poll(seconds)
                if not events.ended:
                    show(event)
    except asyncio.CancelledError:
        # Whoever reads the display sees the same as after Ctrl-C, which this most often is.
        show.end(KeyboardInterrupt())
        raise
    except BaseException as error:
        show.end(error)
        raise
    show.end(None)
