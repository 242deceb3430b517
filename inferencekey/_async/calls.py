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
    request: Mapping[str, object] | _marshal.Encoded,
    grace_ms: int = 0,
    on_create: Callable[[dict[str, Any]], None] | None = None,
) -> _ffi.Event:
    """The one event of an operation that gives exactly one; cancelled, it ends on the wire.

    grace_ms: how much longer it may run when the task is cancelled.
    """
    encoded = _marshal.encode(operation, request)
    running = AsyncOperation(bound, operation, encoded, on_create=on_create)
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
        raise _nothing(operation)
    return event


async def ask(
    bound: Bound,
    operation: str,
    request: Mapping[str, object] | _marshal.Encoded,
    grace_ms: int = 0,
    on_create: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """The head of that event."""
    event = await call(bound, operation, request, grace_ms, on_create)
    head: dict[str, Any] = _marshal.decode(event.head)
    return head


async def ask_to_the_end(
    bound: Bound,
    operation: str,
    request: Mapping[str, object],
    late: list[asyncio.CancelledError],
) -> dict[str, Any]:
    """The same, whatever happens to the task; the clocks of the request end it.

    late: gets what the task was cancelled with meanwhile, to be raised afterwards.
    """
    running = AsyncOperation(bound, operation, _marshal.encode(operation, request))
    while True:
        try:
            event = await running.next()
            break
        except asyncio.CancelledError as error:
            late.append(error)
    if event is None:
        raise _nothing(operation)
    head: dict[str, Any] = _marshal.decode(event.head)
    return head


def _nothing(operation: str) -> InternalError:
    return InternalError(f"{operation}: it ended without a result")
