"""Asking the core for the one answer of an operation, awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from inferencekey import _marshal
from inferencekey._async.operation import AsyncOperation
from inferencekey._errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from inferencekey import _ffi
    from inferencekey._client import Bound


async def call(
    bound: Bound,
    operation: str,
    request: Mapping[str, object],
    grace_ms: int = 0,
    on_creating: Callable[[dict[str, Any]], None] | None = None,
) -> _ffi.Event:
    """The one event of an operation that gives exactly one; cancelled, it ends on the wire.

    grace_ms: how much longer it may run when the task is cancelled.
    """
    running = AsyncOperation(bound, operation, request, on_creating=on_creating)
    try:
        event = await running.next()
    except asyncio.CancelledError:
        try:
            await running.linger(grace_ms / 1000)
        finally:
            running.free()
        raise
    except BaseException:
        running.free()
        raise
    if event is None:
        raise InternalError(f"{operation}: it ended without a result")
    return event


async def ask(
    bound: Bound,
    operation: str,
    request: Mapping[str, object],
    grace_ms: int = 0,
    on_creating: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """The head of that event."""
    event = await call(bound, operation, request, grace_ms, on_creating)
    head: dict[str, Any] = _marshal.decode(event.head)
    return head


async def ask_to_the_end(
    bound: Bound, operation: str, request: Mapping[str, object]
) -> tuple[dict[str, Any], asyncio.CancelledError | None]:
    """The same, whatever happens to the task: it learns afterwards that it was cancelled.

    The clocks of the request end it.
    """
    cancelled = None
    running = AsyncOperation(bound, operation, request)
    while True:
        try:
            event = await running.next()
            break
        except asyncio.CancelledError as error:
            cancelled = error
    if event is None:
        raise InternalError(f"{operation}: it ended without a result")
    return _marshal.decode(event.head), cancelled
