"""A block of `ephemeral` in an event loop: cancelled, interrupted, dropped, it leaves nothing."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from child import run, running
from clients import API_KEY, SPEC, async_management
from double import HANG, Double, Request, Send, Until, answer

from ephemeral.hosted import BEGIN, Answer, Hosted, entries
from inferencekey import (
    AsyncEndpoint,
    AsyncManagementClient,
    ConfigurationError,
)


def ephemeral(mgmt: AsyncManagementClient, **options: Any) -> Any:
    """A block that shows nothing."""
    return mgmt.ephemeral(SPEC, **{"api_key": API_KEY, "silent": True, **options})


def test_a_block_gets_an_async_endpoint_and_leaves_nothing(state: Path) -> None:
    """Created, waited for, used, deleted."""
    hosted = Hosted()
    with Double(hosted) as double:

        async def main() -> None:
            async with ephemeral(async_management(double)) as bot:
                assert isinstance(bot, AsyncEndpoint)
                assert hosted.left() == ["bot"]
                assert (await bot.generate_text(prompt="Hi")).text == "Hi"
            with pytest.raises(ConfigurationError, match="closed"):
                await bot.generate_text(prompt="Hi")

        asyncio.run(main())
        assert hosted.left() == []
        assert entries(state) == []


def test_the_intent_is_on_disk_before_the_create_is_sent(state: Path) -> None:
    """The core's thread waits for the loop."""
    seen: list[int] = []

    def look(request: Request) -> Answer | None:
        if request.method == "POST":
            seen.append(len(entries(state)))
        return None

    with Double(Hosted(look)) as double:

        async def main() -> None:
            async with ephemeral(async_management(double)):
                pass

        for _ in range(5):
            asyncio.run(main())
    assert seen == [1] * 5


@pytest.mark.parametrize("point", ["create", "wait", "block", "delete"])
def test_a_block_whose_task_is_cancelled_leaves_nothing(point: str, state: Path) -> None:
    """Wherever it is. The task is still cancelled at the end."""
    there, go_on = threading.Event(), threading.Event()
    moments = {"create": "POST", "wait": "/readiness-events", "delete": "DELETE"}

    def hold(request: Request) -> Answer | None:
        here = moments.get(point, "-")
        if there.is_set() or not (request.method == here or request.target.endswith(here)):
            return None
        there.set()
        if point == "wait":
            return [HANG]
        # What was sent is done, whoever still listens.
        done = hosted.answer(request)
        return [Until(go_on), Send(done)]

    hosted = Hosted(hold)
    with Double(hosted) as double:

        async def block() -> None:
            async with ephemeral(async_management(double)):
                if point != "delete":
                    there.set()
                    await asyncio.sleep(3600)

        async def main() -> None:
            task = asyncio.ensure_future(block())
            await asyncio.to_thread(there.wait, 5)
            task.cancel()
            asyncio.get_running_loop().call_later(0.2, go_on.set)
            with pytest.raises(asyncio.CancelledError):
                await task
            assert hosted.left() == []

        asyncio.run(main())
        assert hosted.left() == []
        assert entries(state) == []


def test_a_delete_that_fails_does_not_hide_that_its_task_was_cancelled(state: Path) -> None:
    """The failure is told in the log, and `gc` may try again."""
    there, go_on = threading.Event(), threading.Event()

    def refuse(request: Request) -> Answer | None:
        if request.method != "DELETE" or there.is_set():
            return None
        there.set()
        return [Until(go_on), Send(answer({"error": {"code": "c", "message": "no"}}, 403))]

    hosted = Hosted(refuse)
    with Double(hosted) as double:
        mgmt = async_management(double)

        async def block() -> None:
            async with ephemeral(mgmt):
                pass

        async def main() -> None:
            task = asyncio.ensure_future(block())
            await asyncio.to_thread(there.wait, 5)
            task.cancel()
            await asyncio.sleep(0)
            go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [one.workload_slug for one in await mgmt.gc()] == ["bot"]

        asyncio.run(main())
        assert hosted.left() == []


def test_an_exception_of_the_block_comes_out_and_nothing_is_left(state: Path) -> None:
    """`keep_on_error` leaves it."""
    hosted = Hosted()
    with Double(hosted) as double:

        async def main(**options: Any) -> None:
            async with ephemeral(async_management(double), **options):
                raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            asyncio.run(main())
        assert hosted.left() == []
        with pytest.raises(KeyError, match="mine"):
            asyncio.run(main(keep_on_error=True))
        assert hosted.left() == ["bot"]


ASYNC_BEGIN = (
    BEGIN.replace("ManagementClient(", "AsyncManagementClient(")
    + """
import asyncio
async def main():
    async with ephemeral():
        print("inside", flush=True)
        await asyncio.sleep(3600)
"""
)


@pytest.mark.parametrize(
    ("signal", "status", "left"),
    [("SIGINT", -2, []), ("SIGTERM", -15, []), ("SIGKILL", -9, ["bot"])],
)
def test_signals(signal: str, status: int, left: list[str], state: Path) -> None:
    """Ctrl-C under `asyncio.run`, the polite end, and the other one, after which `gc` tidies up."""
    hosted = Hosted()
    with Double(hosted) as double:
        program = f"ARGS = {(double.url,)!r}\n{ASYNC_BEGIN}\nasyncio.run(main())\n"
        with running(program) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "inside\n"
            process.send_signal(getattr(__import__("signal"), signal))
            assert process.wait(10) == status
        assert hosted.left() == left
        collected = asyncio.run(async_management(double).gc())
        assert [one.workload_slug for one in collected] == left
        assert hosted.left() == []
        assert entries(state) == []


def test_a_loop_that_is_dropped_inside_a_block_leaves_nothing_at_the_exit(state: Path) -> None:
    """The process deletes what no task will."""
    hosted = Hosted()
    with Double(hosted) as double:
        program = (
            ASYNC_BEGIN
            + """
block = ephemeral()
asyncio.run(block.__aenter__())
print("entered")
"""
        )
        assert run(program, double.url) == (0, "entered\n", "")
        assert hosted.left() == []
        assert entries(state) == []
