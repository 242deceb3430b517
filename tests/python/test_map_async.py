"""A `map` on an event loop: async iterables of prompts, tasks, what it leaves."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from itertools import repeat

import pytest
from clients import async_endpoint
from double import Double, Until
from mapped import echo, hang, left, texts

from inferencekey import (
    AsyncTextMap,
    MapResult,
    ValidationError,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_one_task_at_a_time_iterates_in_the_loop_where_it_was_begun() -> None:
    """The second gets an error, and the first goes on."""
    held = threading.Event()

    async def main(double: Double, items: AsyncTextMap[MapResult]) -> str:
        first = asyncio.ensure_future(items.__anext__())
        await asyncio.to_thread(double.journal.wait_for_requests, 2)
        with pytest.raises(ValidationError, match="one task at a time"):
            await items.__anext__()
        held.set()
        return (await first).text

    async def read_on(items: AsyncTextMap[MapResult]) -> None:
        with pytest.raises(ValidationError, match="another event loop"):
            await items.__anext__()

    with Double(lambda request: [Until(held), echo(request)]) as double:
        items = async_endpoint(double).map(texts(2))
        assert asyncio.run(main(double, items)) == "p0"
        asyncio.run(read_on(items))


def test_prompts_may_come_from_an_async_iterable() -> None:
    """Without an end, and in need of the answers to what it gave before."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    ended: list[bool] = []

    async def conversation() -> AsyncIterator[str]:
        try:
            yield "0"
            while True:
                yield str(int(await heard.get()) + 1)
        finally:
            ended.append(True)

    async def main(double: Double) -> list[str]:
        seen = []
        async with async_endpoint(double).map(conversation(), concurrency=3) as items:
            async for item in items:
                seen.append(item.text)
                if len(seen) == 5:
                    break
                heard.put_nowait(item.text)
        await asyncio.sleep(0)
        assert ended == [True]
        return seen

    with Double(echo) as double:
        assert asyncio.run(main(double)) == ["0", "1", "2", "3", "4"]


def test_what_an_async_iterable_raises_comes_out_behind_what_it_gave() -> None:
    """Unchanged; and nobody complains about an exception that was never retrieved."""

    async def prompts() -> AsyncIterator[str]:
        yield "a"
        raise ZeroDivisionError

    async def main(double: Double) -> list[str]:
        items = async_endpoint(double).map(prompts())
        seen = [(await items.__anext__()).text]
        with pytest.raises(ZeroDivisionError):
            await items.__anext__()
        return seen

    with Double(echo) as double:
        assert asyncio.run(main(double)) == ["a"]


def test_an_iterable_that_fails_when_nobody_asks_any_more_is_not_complained_about() -> None:
    """The loop would say that an exception was never retrieved."""
    complaints: list[object] = []

    async def main(double: Double) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, found: complaints.append(found))
        left, failed = asyncio.Event(), asyncio.Event()

        async def prompts() -> AsyncIterator[str]:
            yield "p0"
            await left.wait()
            failed.set()
            raise ZeroDivisionError

        items = async_endpoint(double).map(prompts())
        assert (await items.__anext__()).text == "p0"
        left.set()
        await failed.wait()
        await items.aclose()
        del items
        gc.collect()

    with Double(echo) as double:
        asyncio.run(main(double))
    assert complaints == []


def test_prompts_that_are_refused_here_leave_the_loop_to_others() -> None:
    """Who never waits could not be cancelled either."""

    async def read() -> None:
        async for item in async_endpoint(double).map(repeat(""), on_error="return"):
            assert isinstance(item, ValidationError)

    async def main() -> None:
        task = asyncio.ensure_future(read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Double() as double:
        asyncio.run(main())
    assert double.journal.connections == []


def test_an_async_iterable_runs_in_one_task() -> None:
    """A timeout around its `yield`s ends what it waits for, as in a plain `async for`."""

    async def prompts() -> AsyncIterator[str]:
        task = asyncio.current_task()
        for text in ["a", "b", "c"]:
            assert asyncio.current_task() is task
            yield text

    async def main(double: Double) -> list[str]:
        return [item.text async for item in async_endpoint(double).map(prompts())]

    with Double(echo) as double:
        assert asyncio.run(main(double)) == ["a", "b", "c"]


@pytest.mark.parametrize("is_async", [True, False])
def test_a_task_that_is_cancelled_ends_its_requests_on_the_wire(is_async: bool) -> None:
    """And draws no more, also where it waits for a prompt."""

    async def prompts() -> AsyncIterator[str]:
        for text in ["hang 0", "hang 1"]:
            yield text
        await asyncio.Event().wait()

    async def main(double: Double) -> None:
        given = prompts() if is_async else ["hang 0", "hang 1"]
        items = async_endpoint(double).map(given)
        task = asyncio.ensure_future(items.__anext__())
        await asyncio.to_thread(double.journal.wait_for_requests, 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(left, double)
        with pytest.raises(StopAsyncIteration):
            await items.__anext__()

    with Double(hang) as double:
        asyncio.run(main(double))


def test_a_dropped_map_leaves_neither_requests_nor_tasks() -> None:
    """Although it was waiting for a prompt when it was left."""

    async def prompts() -> AsyncIterator[str]:
        yield "p0"
        yield "hang"
        await asyncio.Event().wait()

    async def main(double: Double) -> None:
        async for _ in async_endpoint(double).map(prompts()):
            break
        await asyncio.to_thread(left, double)
        # asyncio closes the caller's generator in a task of its own, when it comes to that.
        while asyncio.all_tasks() != {asyncio.current_task()}:
            await asyncio.sleep(0)

    with Double(hang) as double:
        asyncio.run(main(double))


def test_a_long_map_keeps_nothing_of_what_it_gave() -> None:
    """Neither it nor its loop: a map may run for days."""
    from inferencekey._async.port import port

    async def main(double: Double) -> None:
        items = async_endpoint(double).map(texts(100), concurrency=5)
        async for item in items:
            requests, window = items._requests, items._window
            assert requests is not None
            kept = (requests._sent, window._sent, window._arrived, port("test")._receivers)
            assert max(len(one) for one in kept) <= 5, item.text
        assert item.text == texts(100)[-1]
        assert not any(kept)

    with Double(echo) as double:
        asyncio.run(main(double))
