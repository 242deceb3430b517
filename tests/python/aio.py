"""The async clients behind the blocking interface, so that one test serves both."""

from __future__ import annotations

import asyncio
import inspect
import weakref
from typing import Any

from inferencekey import AsyncEndpoint, AsyncManagementClient, AsyncTextMap, AsyncTextStream
from inferencekey._async.ephemeral import AsyncEphemeral

_WRAPPED = (AsyncManagementClient, AsyncEphemeral, AsyncEndpoint)


class Blocking:
    """An async object: each call runs in an event loop of its own, which is closed afterwards."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        return self._call(value) if inspect.ismethod(value) else value

    def _call(self, method: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            async def awaited() -> Any:
                made = method(*args, **options)
                return await made if inspect.iscoroutine(made) else made

            return blocking(asyncio.run(awaited()))

        return call

    def __enter__(self) -> Any:
        return blocking(asyncio.run(self._target.__aenter__()))

    def __exit__(self, *error: Any) -> None:
        asyncio.run(self._target.__aexit__(*error))


class OnLoop:
    """A stream or a map: each step runs the loop that it is bound to."""

    def __init__(self, items: AsyncTextStream | AsyncTextMap[Any]) -> None:
        self._items = items
        self._loop = asyncio.new_event_loop()
        # Not in `__del__`: in a cycle that is collected, its sockets may be gone by then.
        weakref.finalize(self, self._loop.close)
        # A stream is sent here, as the blocking endpoint does it.
        self._run(items.__aenter__())

    def _run(self, awaitable: Any) -> Any:
        return self._loop.run_until_complete(awaitable)

    def __iter__(self) -> OnLoop:
        return self

    def __next__(self) -> Any:
        try:
            return self._run(self._items.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def close(self) -> None:
        """Does not wait, so it needs no loop."""
        self._items.close()

    def __enter__(self) -> OnLoop:
        return self

    def __exit__(self, *error: Any) -> None:
        self._run(self._items.__aexit__(*error))


def blocking(value: Any) -> Any:
    """What a test may use like the blocking client's."""
    if isinstance(value, (AsyncTextStream, AsyncTextMap)):
        return OnLoop(value)
    return Blocking(value) if isinstance(value, _WRAPPED) else value
