"""Text, streams and embeddings from asyncio: awaited, cancelled, left, closed."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from clients import API_KEY, async_endpoint, completion, delta
from double import (
    HANG,
    LAST_CHUNK,
    Double,
    Until,
    answer,
    chunk,
    chunked_head,
    frames,
    sse,
)

from inferencekey import (
    AsyncDataClient,
    AsyncEndpoint,
    AsyncTextStream,
    AuthError,
    Cancelled,
    Retry,
    RetryPolicy,
    StreamStalled,
    StreamTruncated,
    Timeout,
    Timeouts,
    TruncatedWarning,
    ValidationError,
)

HEAD = chunked_head()
FIRST = chunk(frames(delta("Hel")))
WHOLE = sse(delta("Hel"), delta("lo"), delta(None, "stop"), "[DONE]")


def closed(double: Double) -> None:
    """Waits until the double has seen the end of every connection."""
    assert all(connection.closed.wait(5) for connection in double.journal.connections)


async def sent(double: Double, count: int) -> None:
    """Waits, beside the loop, until so many requests are on the wire."""
    await asyncio.to_thread(double.journal.wait_for_requests, count)


def test_a_stream_is_awaited_entered_or_read() -> None:
    """All three open it, once, and give the same chunks."""

    async def read(bot: AsyncEndpoint) -> list[list[str]]:
        awaited = await bot.generate_text_stream(prompt="Hi")
        texts = [[chunk.text async for chunk in awaited]]
        async with bot.generate_text_stream(prompt="Hi") as entered:
            texts.append([chunk.text async for chunk in entered])
        async with await bot.generate_text_stream(prompt="Hi") as both:
            texts.append([chunk.text async for chunk in both])
        texts.append([chunk.text async for chunk in bot.generate_text_stream(prompt="Hi")])
        return texts

    with Double(*[WHOLE] * 4) as double:
        assert asyncio.run(read(async_endpoint(double))) == [["Hel", "lo", ""]] * 4
        assert len(double.journal.requests) == 4


def test_awaiting_opens_the_stream() -> None:
    """The status is checked before anybody iterates; what is refused locally is not even sent."""

    async def refused(bot: AsyncEndpoint) -> None:
        with pytest.raises(ValidationError):
            bot.generate_text_stream(prompt="a", messages=[])
        with pytest.raises(AuthError):
            await bot.generate_text_stream(prompt="Hi")

    with Double(answer({"error": {"code": "unauthorized", "message": "no"}}, 401)) as double:
        asyncio.run(refused(async_endpoint(double)))
        assert len(double.journal.requests) == 1


async def cancel(bot: AsyncEndpoint, opened: AsyncTextStream) -> None:
    """Cancels the task that reads."""
    task = asyncio.ensure_future(read_all(opened))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def break_out(bot: AsyncEndpoint, opened: AsyncTextStream) -> None:
    """Reads one chunk inside the block."""
    async with opened:
        async for _ in opened:
            break


async def aclose(bot: AsyncEndpoint, opened: AsyncTextStream) -> None:
    """Closes it; then there is nothing to read."""
    await opened.aclose()
    assert await read_all(opened) == ""


async def time_out(bot: AsyncEndpoint, opened: AsyncTextStream) -> None:
    """Reads under a timeout."""
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(read_all(opened), 0.05)


async def fail(bot: AsyncEndpoint, opened: AsyncTextStream) -> None:
    """Raises inside the block."""
    with pytest.raises(ZeroDivisionError):
        async with opened:
            raise ZeroDivisionError


async def read_all(stream: AsyncTextStream) -> str:
    """The whole text."""
    return "".join([chunk.text async for chunk in stream])


@pytest.mark.parametrize("leave", [cancel, break_out, aclose, time_out, fail])
def test_a_stream_that_is_left_ends_on_the_wire(leave: Callable[..., Any]) -> None:
    """However it is left; and the client goes on."""

    async def main(double: Double) -> str:
        bot = async_endpoint(double)
        opened = await bot.generate_text_stream(prompt="Hi")
        await leave(bot, opened)
        await asyncio.to_thread(closed, double)
        return (await bot.generate_text(prompt="Hi")).text

    with Double([HEAD, FIRST, HANG], answer(completion("on"))) as double:
        assert asyncio.run(main(double)) == "on"


def test_a_dropped_stream_ends_on_the_wire() -> None:
    """Nobody has to close it."""

    async def main(double: Double) -> None:
        opened = await async_endpoint(double).generate_text_stream(prompt="Hi")
        del opened
        gc.collect()
        await asyncio.to_thread(closed, double)

    with Double([HEAD, FIRST, HANG]) as double:
        asyncio.run(main(double))


@pytest.mark.parametrize(
    "script",
    [[HANG], [answer(completion("Hi"))[:20], HANG], [answer(completion("Hi"))[:-5], HANG]],
    ids=["before the head", "in the head", "in the body"],
)
@pytest.mark.parametrize("method", ["generate_text", "generate_text_stream", "embed"])
def test_a_cancelled_call_ends_on_the_wire(method: str, script: list[Any]) -> None:
    """At each stage, and the other calls of the client go on."""

    async def main(double: Double) -> str:
        bot = async_endpoint(double)
        given = {"input": "Hi"} if method == "embed" else {"prompt": "Hi"}

        async def calling() -> None:
            await getattr(bot, method)(**given)

        task = asyncio.ensure_future(calling())
        await sent(double, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(closed, double)
        return (await bot.generate_text(prompt="Hi")).text

    with Double(script, answer(completion("on"))) as double:
        assert asyncio.run(main(double)) == "on"


def test_a_pause_before_a_repeat_is_cancelled_too() -> None:
    """No second request goes out."""

    async def main(double: Double) -> None:
        told = asyncio.Event()
        bot = async_endpoint(double, on_retry=lambda retry: told.set())
        task = asyncio.ensure_future(bot.generate_text(prompt="Hi"))
        await told.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Double(answer({"error": {"code": "rate_limited"}}, 429, {"retry-after": "60"})) as double:
        asyncio.run(main(double))
        assert len(double.journal.requests) == 1


def test_repeats_are_told_and_what_the_hook_raises_comes_out() -> None:
    """On the loop's thread, before the request goes out again."""
    told: list[tuple[Retry, int]] = []

    async def main(double: Double) -> str:
        bot = async_endpoint(
            double,
            retries=RetryPolicy(first_pause=0.01),
            on_retry=lambda retry: told.append((retry, threading.get_ident())),
        )
        return (await bot.generate_text(prompt="Hi")).text

    async def raising(double: Double) -> None:
        def hook(retry: Retry) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await async_endpoint(double, on_retry=hook).generate_text(prompt="Hi")

    limited = answer({"error": {"code": "rate_limited"}}, 429, {"retry-after": "0"})
    with Double(limited, answer(completion("on")), limited) as double:
        assert asyncio.run(main(double)) == "on"
        assert [(retry.attempts, thread) for retry, thread in told] == [(1, threading.get_ident())]
        asyncio.run(raising(double))
        assert len(double.journal.requests) == 3


def test_clocks_and_cuts_end_as_those_of_the_blocking_client() -> None:
    """Same classes, same partial text."""

    async def main(double: Double) -> None:
        bot = async_endpoint(double, retries=0)
        with pytest.raises(Timeout):
            await bot.generate_text(prompt="Hi", timeout=0.1)
        stream = await bot.generate_text_stream(prompt="Hi", timeout=Timeouts(idle=0.1))
        with pytest.raises(StreamStalled) as stalled:
            await read_all(stream)
        assert stalled.value.partial is not None
        assert [chunk.text for chunk in stalled.value.partial.chunks] == ["Hel"]
        with pytest.raises(StreamTruncated) as cut:
            await read_all(bot.generate_text_stream(prompt="Hi"))
        assert cut.value.partial is not None
        assert cut.value.partial.text == "Hel"
        warned = bot.generate_text_stream(prompt="Hi", on_truncated="warn")
        with pytest.warns(TruncatedWarning):
            assert await read_all(warned) == "Hel"

    end = [HEAD, FIRST, LAST_CHUNK]
    with Double([HANG], [HEAD, FIRST, HANG], end, end) as double:
        asyncio.run(main(double))


def test_nothing_is_read_far_ahead_of_a_stream_that_nobody_reads() -> None:
    """Back-pressure reaches TCP, although the loop goes on; then the stream is read on."""
    frame = chunk(frames(delta("x" * 65536)))
    sizes: list[int] = []
    stalled = threading.Event()

    class Endless:
        """A step that sends until nobody reads any more."""

        def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
            peer.settimeout(0.3)
            try:
                while not stopped():
                    peer.sendall(frame)
                    sizes.append(len(frame))
            except TimeoutError:
                stalled.set()
            peer.settimeout(None)

    async def main(double: Double) -> None:
        stream = await async_endpoint(double).generate_text_stream(prompt="Hi")
        assert await asyncio.to_thread(stalled.wait, 10), "the server was never stopped"
        # What lies in the sockets' buffers, and not the memory of this process.
        assert sum(sizes) < 64 * 1024 * 1024
        for _ in range(min(len(sizes), 20)):
            assert (await anext(stream)).text.startswith("x")

    with Double([HEAD, Endless(), HANG]) as double:
        asyncio.run(main(double))


def test_a_stream_belongs_to_the_loop_that_opened_it() -> None:
    """Read from another loop it says so, and does not hang."""

    async def opened(bot: AsyncEndpoint) -> AsyncTextStream:
        return await bot.generate_text_stream(prompt="Hi")

    with Double([HEAD, HANG]) as double:
        stream = asyncio.run(opened(async_endpoint(double)))
        with pytest.raises(ValidationError, match="another event loop") as caught:
            asyncio.run(read_all(stream))
        assert caught.value.operation == "generate_text_stream"


def test_who_may_not_read_a_stream_takes_nothing_from_who_may() -> None:
    """Another task and another loop are refused; the one that reads gets everything."""
    refused = threading.Event()
    rest = chunk(frames(delta("lo", "stop"), "[DONE]")) + LAST_CHUNK

    async def main(bot: AsyncEndpoint) -> str:
        stream = await bot.generate_text_stream(prompt="Hi")
        first = asyncio.ensure_future(read_all(stream))
        await asyncio.sleep(0)
        with pytest.raises(ValidationError, match="another task waits"):
            await read_all(stream)
        with pytest.raises(ValidationError, match="another event loop"):
            await asyncio.to_thread(asyncio.run, read_all(stream))
        refused.set()
        return await first

    with Double([HEAD, chunk(frames(delta("Hel"))), Until(refused), rest]) as double:
        assert asyncio.run(main(async_endpoint(double))) == "Hello"


def test_what_the_caller_does_between_two_chunks_is_no_stall() -> None:
    """The clock of silence stands still while nobody asks (wire.md 3.2)."""
    asked = threading.Event()
    rest = chunk(frames(delta("lo", "stop"), "[DONE]")) + LAST_CHUNK

    async def main(bot: AsyncEndpoint) -> str:
        stream = await bot.generate_text_stream(prompt="Hi", timeout=Timeouts(idle=1))
        text = (await anext(stream)).text
        # Longer than the silence that is allowed, and the server has nothing to say meanwhile.
        await asyncio.sleep(1.4)
        asyncio.get_running_loop().call_soon(asked.set)
        return text + await read_all(stream)

    with Double([HEAD, chunk(frames(delta("Hel"))), Until(asked), rest]) as double:
        assert asyncio.run(main(async_endpoint(double))) == "Hello"


def test_closing_ends_calls_as_cancelled() -> None:
    """From another thread; `aclose` and leaving the block do the same."""

    async def main(double: Double) -> None:
        client = AsyncDataClient(base_url=double.url, project="acme", api_key=API_KEY)
        task = asyncio.ensure_future(client.endpoint("bot").generate_text(prompt="Hi"))
        await sent(double, 1)
        await asyncio.to_thread(client.close)
        with pytest.raises(Cancelled):
            await task

    with Double([HANG]) as double:
        asyncio.run(main(double))


def test_a_stream_that_is_closed_while_a_task_reads_it_is_cancelled() -> None:
    """Half an answer does not look like a whole one."""

    async def main(double: Double) -> None:
        stream = await async_endpoint(double).generate_text_stream(prompt="Hi")
        assert (await stream.__anext__()).text == "Hel"
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0)
        stream.close()
        with pytest.raises(Cancelled, match="generate_text_stream: cancelled by the caller"):
            await task

    with Double([HEAD, FIRST, HANG]) as double:
        asyncio.run(main(double))
        closed(double)


def test_embeddings_are_the_blocking_clients() -> None:
    """The same result, and the numbers stay when the port is gone."""
    rows = [{"index": 0, "embedding": [0.5, 1.0]}]

    async def main(double: Double) -> Any:
        return await async_endpoint(double).embed(input=["Hi"])

    with Double(answer({"model": "m-1", "data": rows})) as double:
        result = asyncio.run(main(double))
    gc.collect()
    assert (result.embeddings, result.model) == ([[0.5, 1.0]], "m-1")


def test_it_works_with_uvloop() -> None:
    """Calls, streams and a cancelled task."""
    uvloop = pytest.importorskip("uvloop")

    async def main(double: Double) -> str:
        bot = async_endpoint(double)
        task = asyncio.ensure_future(read_all(bot.generate_text_stream(prompt="Hi")))
        await sent(double, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(closed, double)
        results = await asyncio.gather(*(bot.generate_text(prompt="Hi") for _ in range(20)))
        mapped = [item.text async for item in bot.map(["Hi"] * 20, concurrency=4)]
        assert mapped == ["on"] * 20
        return results[-1].text

    for _ in range(2):
        with Double([HEAD, FIRST, HANG], *[answer(completion("on"))] * 40) as double:
            loop = uvloop.new_event_loop()
            assert loop.run_until_complete(main(double)) == "on"
            loop.close()
