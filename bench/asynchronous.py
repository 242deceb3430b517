"""The operations that are measured, of an asyncio client.

Each notes in `times` what it is about, in nanoseconds, and returns what tells that it did what the
other clients did. Line by line the twin of `blocking.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter_ns as now

import operations
from meter import Done, Meter
from operations import PROMPT, SHORT_STREAMS
from sides import Asynchronous


async def chat(client: Asynchronous, times: list[int], prompt: str = "x") -> str:
    """A whole answer."""
    begin = now()
    text = await client.chat(prompt)
    times.append(now() - begin)
    return text


async def prompt(client: Asynchronous, times: list[int]) -> str:
    """A whole answer to a prompt of 4 MiB."""
    return await chat(client, times, PROMPT)


async def stream(client: Asynchronous, times: list[int]) -> str:
    """A stream of many chunks; notes the time for each."""
    texts: list[str] = []
    begin = now()
    await client.read("long", texts.append)
    times.append((now() - begin) // len(texts))
    return operations.of_texts(texts)


async def first(client: Asynchronous, times: list[int]) -> str:
    """The first chunk of a stream, which is then read to its end."""
    noted = operations.FirstText()
    await client.read("short", noted.each)
    times.append(noted.time)
    return noted.text


async def short_streams(client: Asynchronous, times: list[int]) -> str:
    """Streams of few chunks, one after the other."""
    texts: list[str] = []
    begin = now()
    for _ in range(SHORT_STREAMS):
        await client.read("short", texts.append)
    times.append(now() - begin)
    return operations.of_texts(texts)


async def paced(client: Asynchronous, times: list[int]) -> str:
    """A stream of one chunk a millisecond; notes how long each was on its way."""
    noted = operations.Delays(times)
    await client.read("paced", noted.each)
    return f"{noted.count} chunks"


async def lists(client: Asynchronous, times: list[int], slug: str) -> str:
    """Embeddings as lists, every number touched."""
    begin = now()
    rows = await client.lists(slug)
    total = sum(sum(row) for row in rows)
    times.append(now() - begin)
    return operations.of_sum(sum(map(len, rows)), total)


async def array(client: Asynchronous, times: list[int], slug: str) -> str:
    """Embeddings as a numpy array."""
    begin = now()
    found = await client.array(slug)
    times.append(now() - begin)
    return operations.of_array(found)


async def find(client: Asynchronous, times: list[int], workloads: str) -> str:
    """Is a workload there, and as declared?"""
    begin = now()
    in_sync = await client.find(int(workloads))
    times.append(now() - begin)
    return operations.of_find(in_sync)


Operation = Callable[..., Awaitable[str]]

OPERATIONS: dict[str, Operation] = {
    "chat": chat,
    "prompt": prompt,
    "stream": stream,
    "first": first,
    "short-streams": short_streams,
    "paced": paced,
    "lists": lists,
    "array": array,
    "find": find,
}


class Runner:
    """Runs operations of one client, all on one loop."""

    def __init__(self, make: Callable[[], Asynchronous]) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = self._loop.run_until_complete(_made_on_the_loop(make))

    def run(self, words: str, seconds: float, lanes: int) -> dict[str, object]:
        """Repeat an operation for that long, at least once, in that many tasks."""
        return self._loop.run_until_complete(self._run(words, seconds, lanes))

    def close(self) -> None:
        """Close the client and the loop."""
        self._loop.run_until_complete(self._client.close())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _run(self, words: str, seconds: float, lanes: int) -> dict[str, object]:
        meter = Meter()
        end = now() + round(seconds * 1e9)
        done = await asyncio.gather(*(self._lane(words, end) for _ in range(lanes)))
        return meter.result(done)

    async def _lane(self, words: str, end: int) -> Done:
        verb, *arguments = words.split(":")
        operation = OPERATIONS[verb]
        calls = 0
        times: list[int] = []
        while True:
            answer = await operation(self._client, times, *arguments)
            calls += 1
            if now() >= end:
                return Done(calls, times, answer)


async def _made_on_the_loop(make: Callable[[], Asynchronous]) -> Asynchronous:
    return make()
