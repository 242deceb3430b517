"""A workload for the time of an `async with` block, and `gc`, awaited."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from inferencekey._async import calls, readiness
from inferencekey._async.data import AsyncDataClient
from inferencekey._data import data_client_beside
from inferencekey._ephemeral.context import Block
from inferencekey._ephemeral.steps import Ask, is_running

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Any

    from inferencekey._async.data import AsyncEndpoint
    from inferencekey._ephemeral.steps import Result, Steps, Wait
    from inferencekey._secret import Secret


async def run(steps: Steps[Result]) -> Result:
    """What the steps come to, broken off when the task is cancelled."""
    return await _run(steps, _take)


async def run_to_the_end(steps: Steps[Result]) -> Result:
    """The same, but for deletes: they go on within their own time.

    That the task was cancelled meanwhile comes out once all is done, in place of what came of it.
    """
    late: list[asyncio.CancelledError] = []

    async def take(step: Ask | Wait) -> Any:
        if isinstance(step, Ask) and step.operation == "delete":
            return await calls.ask_to_the_end(step.client, step.operation, step.request, late)
        return await _take(step)

    try:
        return await _run(steps, take)
    finally:
        if late:
            raise late[-1]


async def _run(steps: Steps[Result], take: Callable[[Ask | Wait], Awaitable[Any]]) -> Result:
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            step = steps.send(answer) if error is None else steps.throw(error)
            answer, error = await take(step), None
        except StopIteration as end:
            result: Result = end.value
            return result
        except BaseException as raised:
            error = raised if is_running(steps) else None
            if error is None:
                raise


async def _take(step: Ask | Wait) -> Any:
    if isinstance(step, Ask):
        return await calls.ask(
            step.client, step.operation, step.request, step.grace_ms, step.on_create
        )
    return await readiness.wait(step.client, **step.options)


class AsyncEphemeral(Block):
    """What `AsyncManagementClient.ephemeral` gives: an async context manager, entered once."""

    _endpoint: AsyncEndpoint

    def _address(self, project: str | None, slug: Any, api_key: Secret) -> AsyncDataClient:
        client = data_client_beside(AsyncDataClient, self._client, project, api_key)
        self._endpoint = client.endpoint(slug)
        return client

    async def __aenter__(self) -> AsyncEndpoint:
        """Create the workload if it is absent, wait until it is ready, and give its endpoint."""
        await run_to_the_end(self._entering())
        return self._endpoint

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Delete the workload if this block created it."""
        await run_to_the_end(self._leaving(error))
