"""The operations that are measured, of a blocking client.

Each notes in `times` what it is about, in nanoseconds, and returns what tells that it did what the
other clients did. `asynchronous.py` is its twin, and `native/limit` knows them by the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns as now

import operations
from meter import Done, Meter
from operations import PROMPT, SHORT_STREAMS
from sides import Blocking


def chat(client: Blocking, times: list[int], prompt: str = "x") -> str:
    """A whole answer."""
    begin = now()
    text = client.chat(prompt)
    times.append(now() - begin)
    return text


def prompt(client: Blocking, times: list[int]) -> str:
    """A whole answer to a prompt of 4 MiB."""
    return chat(client, times, PROMPT)


def stream(client: Blocking, times: list[int]) -> str:
    """A stream of many chunks; notes the time for each."""
    texts: list[str] = []
    begin = now()
    client.read("long", texts.append)
    times.append((now() - begin) // len(texts))
    return operations.of_texts(texts)


def first(client: Blocking, times: list[int]) -> str:
    """The first chunk of a stream, which is then read to its end."""
    noted = operations.FirstText()
    client.read("short", noted.each)
    times.append(noted.time)
    return noted.text


def short_streams(client: Blocking, times: list[int]) -> str:
    """Streams of few chunks, one after the other."""
    texts: list[str] = []
    begin = now()
    for _ in range(SHORT_STREAMS):
        client.read("short", texts.append)
    times.append(now() - begin)
    return operations.of_texts(texts)


def paced(client: Blocking, times: list[int]) -> str:
    """A stream of one chunk a millisecond; notes how long each was on its way."""
    noted = operations.Delays(times)
    client.read("paced", noted.each)
    return f"{noted.count} chunks"


def lists(client: Blocking, times: list[int], slug: str) -> str:
    """Embeddings as lists, every number touched."""
    begin = now()
    rows = client.lists(slug)
    total = sum(sum(row) for row in rows)
    times.append(now() - begin)
    return operations.of_sum(sum(map(len, rows)), total)


def array(client: Blocking, times: list[int], slug: str) -> str:
    """Embeddings as a numpy array."""
    begin = now()
    found = client.array(slug)
    times.append(now() - begin)
    return operations.of_array(found)


def find(client: Blocking, times: list[int], workloads: str) -> str:
    """Is a workload there, and as declared?"""
    begin = now()
    in_sync = client.find(int(workloads))
    times.append(now() - begin)
    return operations.of_find(in_sync)


Operation = Callable[..., str]

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
    """Runs operations of one client."""

    def __init__(self, make: Callable[[], Blocking]) -> None:
        self._client = make()

    def run(self, words: str, seconds: float, lanes: int) -> dict[str, object]:
        """Repeat an operation for that long, at least once, in that many threads."""
        meter = Meter()
        end = now() + round(seconds * 1e9)
        if lanes == 1:
            done = [self._lane(words, end)]
        else:
            with ThreadPoolExecutor(lanes) as threads:
                done = list(threads.map(lambda _: self._lane(words, end), range(lanes)))
        return meter.result(done)

    def close(self) -> None:
        """Nothing is open that the end of the process would not close."""

    def _lane(self, words: str, end: int) -> Done:
        verb, *arguments = words.split(":")
        operation = OPERATIONS[verb]
        calls = 0
        times: list[int] = []
        while True:
            answer = operation(self._client, times, *arguments)
            calls += 1
            if now() >= end:
                return Done(calls, times, answer)
