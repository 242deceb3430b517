"""Event loops and the port of each: several, busy, interrupted, gone, in a forked child."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

import pytest
from child import DEVELOPMENT, SAY_NO_SLOWNESS, run
from clients import async_endpoint, completion, delta
from double import (
    HANG,
    Double,
    Request,
    Until,
    answer,
    chunk,
    chunked_head,
    frames,
    sse,
)

from inferencekey import (
    AsyncEndpoint,
    InternalError,
    TextResult,
    Timeouts,
    _ffi,
)
from inferencekey._async.operation import AsyncOperation
from inferencekey._async.port import Port, port

PROGRAM = """
import asyncio
url, = ARGS
bot = AsyncDataClient(base_url=url, project="acme", api_key=API_KEY).endpoint("bot")
"""


def echo(request: Request) -> bytes:
    """The prompt, as a stream or whole."""
    body = request.json()
    text = body["messages"][0]["content"]
    if body.get("stream"):
        return sse(delta(text), delta(None, "stop"), "[DONE]")
    return answer(completion(text))


def test_one_client_serves_loops_in_several_threads() -> None:
    """At once and one after the other, each with its own answers."""

    async def several(bot: AsyncEndpoint, name: str) -> list[str]:
        results = await asyncio.gather(
            *(bot.generate_text(prompt=f"{name} {n}") for n in range(20))
        )
        return [result.text for result in results]

    with Double(echo) as double, ThreadPoolExecutor(4) as pool:
        bot = async_endpoint(double)
        jobs = [pool.submit(asyncio.run, several(bot, f"loop {n}")) for n in range(12)]
        for number, job in enumerate(jobs):
            assert job.result() == [f"loop {number} {n}" for n in range(20)]


def test_loops_that_are_gone_leave_neither_threads_nor_descriptors() -> None:
    """A port goes with its loop."""
    with Double(echo) as double:
        program = (
            PROGRAM
            + """
import gc
async def main():
    assert (await bot.generate_text(prompt="Hi")).text == "Hi"
counts = []
for _ in range(12):
    asyncio.run(main())
    gc.collect()
    counts.append(len(os.listdir("/proc/self/fd")))
assert counts[-1] <= counts[1], counts
deadline = time.monotonic() + 5
while len(os.listdir("/proc/self/task")) > 2:
    assert time.monotonic() < deadline, "threads are left"
    time.sleep(0.01)
print("done")
"""
        )
        assert run(program, double.url) == (0, "done\n", "")


ENDS = {
    "an unread stream": """
async def main():
    global stream
    stream = await bot.generate_text_stream(prompt="Hi")
asyncio.run(main())
""",
    "a loop closed with calls under way": """
async def main():
    stream = await bot.generate_text_stream(prompt="Hi")
    return stream
loop = asyncio.new_event_loop()
stream = loop.run_until_complete(main())
loop.close()
stream.close()
""",
    "tasks cancelled by the end of asyncio.run": """
async def main():
    tasks = [asyncio.ensure_future(bot.generate_text(prompt="Hi")) for _ in range(5)]
    await asyncio.sleep(0.05)
asyncio.run(main())
""",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_process_ends_promptly_and_silently(end: str) -> None:
    """Whatever is open, nothing is said, even to an interpreter that looks for such things."""
    with Double(lambda _: [chunked_head(), chunk(frames(delta("Hel"))), HANG]) as double:
        program = SAY_NO_SLOWNESS + PROGRAM + end + "print('done')\n"
        assert run(program, double.url, seconds=8, flags=DEVELOPMENT) == (0, "done\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_a_port_of_its_own() -> None:
    """The inherited client works there, and the parent's calls go on."""
    with Double(echo) as double:
        program = (
            PROGRAM
            + """
async def several(name):
    texts = [f"{name} {n}" for n in range(20)]
    results = await asyncio.gather(*(bot.generate_text(prompt=text) for text in texts))
    assert [result.text for result in results] == texts
asyncio.run(several("before"))
child = os.fork()
asyncio.run(several("parent" if child else "child"))
if not child:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print("done")
"""
        )
        assert run(program, double.url) == (0, "done\n", "")


def test_a_busy_loop_makes_no_call_fail() -> None:
    """What has arrived is read before the clocks are looked at."""
    sent = threading.Semaphore(0)

    class Sent:
        """A step that tells that everything before it is on its way."""

        def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
            sent.release()

    def be_busy(seconds: float) -> None:
        time.sleep(seconds)
        assert sent.acquire(timeout=10)

    async def read_all(bot: AsyncEndpoint) -> list[str]:
        stream = bot.generate_text_stream(prompt="Hi", timeout=Timeouts(first_token=0.2, idle=0.2))
        return [chunk.text async for chunk in stream]

    async def main(bot: AsyncEndpoint) -> None:
        # What comes after it finds its connection, and so is sent before anybody waits.
        await bot.generate_text(prompt="Hi")
        call = asyncio.create_task(bot.generate_text(prompt="Hi", timeout=0.2))
        await asyncio.sleep(0)
        be_busy(0.3)
        assert (await call).text == "Hi"
        reads = asyncio.create_task(read_all(bot))
        await asyncio.sleep(0)
        be_busy(0.3)
        assert await reads == ["Hel", "lo", ""]

    with Double(
        answer(completion("Hi")),
        [answer(completion("Hi")), Sent()],
        [sse(delta("Hel"), delta("lo"), delta(None, "stop"), "[DONE]"), Sent()],
    ) as double:
        asyncio.run(main(async_endpoint(double)))


def test_what_a_signal_handler_interrupts_is_delivered_when_the_loop_runs_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a notebook Ctrl-C ends what runs, and the loop and its other tasks go on."""
    receive = AsyncOperation.receive
    interrupts = iter([True])

    def interrupted(operation: AsyncOperation, event: Any) -> None:
        receive(operation, event)
        if next(interrupts, False):
            raise KeyboardInterrupt

    monkeypatch.setattr(AsyncOperation, "receive", interrupted)
    all_there = threading.Event()
    with Double(lambda _: [Until(all_there), answer(completion("on"))]) as double:
        bot = async_endpoint(double)
        calls: list[asyncio.Task[TextResult]] = []

        async def interrupt() -> None:
            calls.extend(asyncio.ensure_future(bot.generate_text(prompt="?")) for _ in range(3))
            await asyncio.to_thread(double.journal.wait_for_requests, 3)
            all_there.set()
            time.sleep(0.2)  # On most machines the answers come at once then.
            await asyncio.gather(*calls)

        loop = asyncio.new_event_loop()
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(interrupt())
        assert [loop.run_until_complete(call).text for call in calls] == ["on"] * 3
        loop.close()


async def read(bot: AsyncEndpoint) -> list[str]:
    """Several events of one operation."""
    stream = await bot.generate_text_stream(prompt="Hi")
    return [chunk.text async for chunk in stream]


async def ask(bot: AsyncEndpoint) -> list[str]:
    """A short answer, which is copied to Python, and one that is too long for that."""
    results = [await bot.generate_text(prompt=text) for text in ("Hi", "long " * 1000)]
    return [result.text.strip() for result in results]


async def ask_many(bot: AsyncEndpoint) -> list[str]:
    """Operations that one receiver waits for."""
    return [item.text async for item in bot.map(["Hi", "Ho"])]


DELIVERED = {
    "stream": (read, ["Hi", ""]),
    "calls": (ask, ["Hi", ("long " * 1000).strip()]),
    "map": (ask_many, ["Hi", "Ho"]),
}


@pytest.mark.parametrize(("calls", "expected"), DELIVERED.values(), ids=DELIVERED)
def test_a_signal_handler_may_raise_anywhere_in_a_delivery(
    calls: Callable[[AsyncEndpoint], Coroutine[Any, Any, list[str]]],
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where CPython calls one: at the start of a function, and behind each call of one in C.

    In asyncio's own functions there is nothing that we could do.
    """
    deliver, left, interrupts = Port._deliver, 0, 0

    def interrupt(frame: FrameType, event: str, _: object) -> None:
        nonlocal left
        is_ours = frame.f_globals["__name__"].startswith("inferencekey.")
        left -= is_ours and event in ("call", "c_return")
        if left == 0:
            raise KeyboardInterrupt

    def interrupted(given: Port) -> None:
        sys.setprofile(interrupt if left > 0 else None)
        try:
            deliver(given)
        finally:
            sys.setprofile(None)

    monkeypatch.setattr(Port, "_deliver", interrupted)
    with Double(echo) as double:
        bot = async_endpoint(double)
        for left in range(1, 80):  # noqa: B007 - `interrupt` counts it down
            loop = asyncio.new_event_loop()
            task = loop.create_task(calls(bot))
            while not task.done():
                try:
                    loop.run_until_complete(task)
                except KeyboardInterrupt:
                    interrupts += 1
            loop.close()
            assert task.result() == expected
    assert interrupts > 20


def test_what_a_receiver_fails_at_keeps_nothing_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It comes out of the loop, and not again and again."""
    receive = AsyncOperation.receive
    failing: list[AsyncOperation] = []

    def fail(operation: AsyncOperation, event: Any) -> None:
        if operation in (failing or [operation]):
            failing[:] = [operation]
            raise MemoryError
        receive(operation, event)

    async def main(bot: AsyncEndpoint) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
        lost = asyncio.ensure_future(bot.generate_text(prompt="?"))
        while not failing:
            await asyncio.sleep(0)
        assert (await bot.generate_text(prompt="on")).text == "on"
        assert [type(what["exception"]) for what in told] == [MemoryError]
        lost.cancel()

    told: list[dict[str, Any]] = []
    monkeypatch.setattr(AsyncOperation, "receive", fail)
    with Double(echo) as double:
        asyncio.run(main(async_endpoint(double)))


def test_a_port_that_fails_ends_what_waits_for_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call gets an error of its own, the loop none; its next call works."""
    take, told = _ffi.Queue.take, []

    def fail(queue: _ffi.Queue, came: list[_ffi.Event], wait_ms: int = 0) -> bool:
        raise InternalError("the queue is broken", hint="report it")

    async def main(double: Double) -> None:
        bot = async_endpoint(double)
        asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
        stream = await bot.generate_text_stream(prompt="hang")
        await stream.__anext__()
        calls = [bot.generate_text(prompt="hang") for _ in range(2)]
        items = bot.map(["hang", "hang"]).__anext__()
        tasks = [asyncio.ensure_future(call) for call in (*calls, items, stream.__anext__())]
        await asyncio.to_thread(double.journal.wait_for_requests, 5)
        monkeypatch.setattr(_ffi.Queue, "take", fail)
        failed = port("test")
        ring.set()
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        monkeypatch.setattr(_ffi.Queue, "take", take)
        assert [type(error) for error in errors] == [InternalError] * 4
        assert len({id(error) for error in errors}) == 4
        operations = [error.operation for error in errors if isinstance(error, InternalError)]
        assert operations == ["generate_text", "generate_text", "map", "generate_text_stream"]
        assert (await bot.generate_text(prompt="on")).text == "on"
        # A timer of the one that failed does nothing to the one that took its place.
        another = port("test")
        failed._deliver()
        assert port("test") is another
        assert not told

    def one_rings(request: Request) -> Any:
        if request.json()["messages"][0]["content"] == "hang":
            return [
                chunked_head(),
                chunk(frames(delta("Hel"))),
                Until(ring),
                chunk(b": more"),
                HANG,
            ]
        return echo(request)

    ring = threading.Event()
    with Double(one_rings) as double:
        asyncio.run(main(double))


GOES_ON_IN_A_CHILD = """
async def main():
    call = asyncio.ensure_future(bot.generate_text(prompt="wait"))
    item = asyncio.ensure_future(bot.map(["wait"]).__anext__())
    await asyncio.sleep(0)
    child = os.fork()
    if not child:
        errors = await asyncio.gather(call, item, return_exceptions=True)
        told = [f"{error.operation}: it was begun before the fork of this process"
                for error in errors if type(error) is ForkedError and error.hint]
        os._exit(7 if told == [str(error) for error in errors] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert (await bot.generate_text(prompt="go")).text == "go"
    assert [(await one).text for one in (call, item)] == ["wait"] * 2
asyncio.run(main())
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_loop_that_goes_on_in_a_forked_child_is_told() -> None:
    """What it awaited is the parent's, and is still answered there."""
    gone = threading.Event()

    def wait(request: Request) -> Any:
        if request.json()["messages"][0]["content"] == "go":
            gone.set()
            return echo(request)
        return [Until(gone), echo(request)]

    with Double(wait) as double:
        assert run(PROGRAM + GOES_ON_IN_A_CHILD, double.url) == (0, "done\n", "")


COLLECTED = """
import gc
from inferencekey import _ffi

seen = []

class Holder:
    def __init__(self, queue):
        self.queue = queue
        self.cycle = self

    def __del__(self):
        seen.append(self.queue._native.tag)
        self.queue.free()

for _ in range(20):
    Holder(_ffi.Queue("test", polled=True))
gc.collect()
assert seen == [0] * 20, seen
"""


def test_a_queue_may_be_freed_by_a_holder_that_is_collected_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The collector ends the members of a cycle in any order. glibc fills memory that is freed."""
    monkeypatch.setenv("MALLOC_PERTURB_", "165")
    monkeypatch.setenv("PYTHONMALLOC", "malloc")
    status, _, errors = run(COLLECTED)
    assert status == 0, errors
