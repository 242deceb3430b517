"""One client, many threads; and asyncio by way of threads (faults.md 3.12)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from child import DEVELOPMENT, SAY_NO_SLOWNESS, run
from clients import completion, data, delta, endpoint
from double import (
    HANG,
    LAST_CHUNK,
    Double,
    Request,
    Step,
    Until,
    answer,
    chunk,
    chunked_head,
    frames,
)

from inferencekey import Cancelled, ConfigurationError, Endpoint, Timeout


class Meet:
    """A step that goes on once so many requests are in: calls that do not overlap fail here."""

    def __init__(self, parties: int) -> None:
        self.barrier = threading.Barrier(parties, timeout=10)

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Waits for the others."""
        self.barrier.wait()


def prompt(request: Request) -> str:
    """What was asked."""
    return str(request.json()["messages"][0]["content"])


def echo(request: Request) -> bytes:
    """The workload of the path and the prompt."""
    workload = request.target.split("/")[3]
    return answer(completion(f"{workload} {prompt(request)}"))


def spoken(request: Request) -> list[Step]:
    """The prompt as a stream, a character at a time."""
    parts = [chunk(frames(delta(letter))) for letter in prompt(request)]
    return [chunked_head(), *parts, chunk(frames(delta("", "stop"), "[DONE]")) + LAST_CHUNK]


def test_a_hundred_threads_share_a_client() -> None:
    """All are on the way at once, on a few endpoints, and each gets its own answer."""
    meet = Meet(100)
    with Double(lambda request: [meet, echo(request)]) as double, data(double) as client:
        endpoints = [client.endpoint(f"bot-{n}") for n in range(10)]

        def ask(n: int) -> str:
            return endpoints[n % 10].generate_text(prompt=f"question {n}").text

        with ThreadPoolExecutor(100) as threads:
            texts = list(threads.map(ask, range(100)))
    assert texts == [f"bot-{n % 10} question {n}" for n in range(100)]


def test_twenty_streams_are_read_in_turns() -> None:
    """From one thread; none sees a chunk of another."""
    with Double(spoken) as double, ExitStack() as streams:
        bot = endpoint(double)
        texts = [f"stream {n}" for n in range(20)]
        opened = [streams.enter_context(bot.generate_text_stream(prompt=text)) for text in texts]
        rounds = [[next(stream).text for stream in opened] for _ in range(len("stream 1"))]
        rest = ["".join(chunk.text for chunk in stream) for stream in opened]
    told = ["".join(letters) for letters in zip(*rounds, strict=True)]
    assert [start + end for start, end in zip(told, rest, strict=True)] == texts


def test_twenty_streams_are_read_on_threads_of_their_own() -> None:
    """Opened on one thread, read on another, after their client is gone."""
    meet = Meet(20)

    def respond(request: Request) -> list[Step]:
        head, *rest = spoken(request)
        return [head, meet, *rest]

    with Double(respond) as double, ThreadPoolExecutor(20) as threads:
        texts = [f"stream {n}" for n in range(20)]
        opened = threads.map(lambda text: endpoint(double).generate_text_stream(prompt=text), texts)
        read = threads.map(lambda stream: "".join(chunk.text for chunk in stream), [*opened])
        assert list(read) == texts


def test_other_threads_run_while_a_call_waits() -> None:
    """The answer comes only after another Python thread has done its share."""
    counted = threading.Event()

    def count() -> None:
        for _ in range(10_000):
            pass
        counted.set()

    with Double(lambda request: [Until(counted), echo(request)]) as double:
        thread = threading.Thread(target=count)
        bot = endpoint(double)
        thread.start()
        assert bot.generate_text(prompt="Hi").text == "bot Hi"
        thread.join()


def ask_until_closed(bot: Endpoint, n: int, started: threading.Barrier) -> str:
    """How a thread's calls end."""
    started.wait()
    try:
        for k in range(20):
            assert bot.generate_text(prompt=f"{n} {k}").text == f"bot {n} {k}"
    except (Cancelled, ConfigurationError) as error:
        return error.code
    return "answered"


@pytest.mark.usefixtures("nothing_left")
def test_a_client_may_be_closed_while_others_use_it() -> None:
    """Each call ends with its own answer, as cancelled, or refused by the closed client."""
    outcomes = set()
    with Double(echo) as double, ThreadPoolExecutor(8) as threads:
        for _ in range(10):
            started = threading.Barrier(9, timeout=10)
            with data(double) as client:
                bot = client.endpoint("bot")
                calls = [threads.submit(ask_until_closed, bot, n, started) for n in range(8)]
                started.wait()
            outcomes |= {call.result() for call in calls}
        del client, bot, calls
    assert outcomes <= {"answered", "cancelled", "client_closed"}
    assert outcomes != {"answered"}, "close came too late each time"


@pytest.mark.usefixtures("nothing_left")
def test_clients_are_made_used_and_dropped_on_different_threads() -> None:
    """No object is tied to the thread that made it."""
    with Double(echo) as double, ThreadPoolExecutor(8) as threads:
        made = threads.map(lambda n: endpoint(double), range(40))
        used = threads.map(lambda bot: (bot, bot.generate_text(prompt="Hi").text), [*made])
        assert [text for _, text in used] == ["bot Hi"] * 40
        del made, used


def test_asyncio_to_thread_runs_calls_side_by_side() -> None:
    """The recipe for event loops, until there are clients for them."""
    meet = Meet(5)

    async def main(double: Double) -> list[str]:
        bot = endpoint(double)
        calls = [asyncio.to_thread(bot.generate_text, prompt=f"{n}") for n in range(5)]
        return [result.text for result in await asyncio.gather(*calls)]

    with Double(lambda request: [meet, echo(request)]) as double:
        assert asyncio.run(main(double)) == [f"bot {n}" for n in range(5)]


def test_a_loop_ends_once_the_calls_timeout_does() -> None:
    """`wait_for` gives up at once; the thread it leaves behind ends by the call's own timeout."""

    async def main(double: Double) -> None:
        bot = endpoint(double)
        call = asyncio.to_thread(lambda: ended.append(outcome(bot)))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(call, 0.05)

    def outcome(bot: Endpoint) -> str:
        with pytest.raises(Timeout) as caught:
            bot.generate_text(prompt="Hi", timeout=0.5)
        return caught.value.code

    ended: list[str] = []
    with Double([HANG]) as double:
        asyncio.run(main(double))
        assert ended == ["timeout_total"]
        assert double.journal.connections[0].closed.wait(5)


def test_a_cancelled_task_leaves_no_warning_behind() -> None:
    """In Python's development mode, where nothing goes unnoticed."""
    program = """
import asyncio
url, = ARGS
bot = DataClient(base_url=url, project="acme", api_key=API_KEY).endpoint("bot")
async def main():
    task = asyncio.create_task(asyncio.to_thread(bot.generate_text, prompt="Hi", timeout=0.3))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled")
asyncio.run(main())
"""
    with Double([HANG]) as double:
        program = SAY_NO_SLOWNESS + program
        assert run(program, double.url, flags=DEVELOPMENT) == (0, "cancelled\n", "")
