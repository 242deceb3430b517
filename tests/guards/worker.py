"""The process whose calls are counted. Prints one JSON object: what was found, by name.

python tests/guards/worker.py ORIGIN BODY_BYTES, with the library of `counting.c` preloaded. The
endpoints `unary`, `stream` and `vectors`, and the list of a project, answer as `__main__.py` says.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from inferencekey import AsyncDataClient, DataClient, ManagementClient, TextStream, WorkloadSpec

CALLS = 200
SHORT_STREAMS = 230
INPUTS = 256
LONG_PROMPT = "word " * 800_000
KEY = "ik_live_0123abcd_made_up_for_the_guards"
CONTROL_TOKEN = "ik_sdk_0123abcd_made_up_for_the_guards"

# Calls through `CDLL` would let go of the global lock, and take it again.
COUNTING = ctypes.PyDLL(None)
PROC = Path("/proc/self")


def taken(call: Callable[[], object]) -> tuple[int, int]:
    """The system calls and the allocations of a call."""
    counts = (ctypes.c_long * 2)()
    COUNTING.guards_take(counts)
    call()
    COUNTING.guards_take(counts)
    return counts[0], counts[1]


def crossings(call: Callable[[], object]) -> int:
    """How often Python enters the core in a call, on this thread."""

    def is_crossing(frame: FrameType, event: str, function: Any) -> bool:
        return event == "c_call" and function.__name__.startswith("ikey_")

    return _events(call, is_crossing)


def python_calls(call: Callable[[], object]) -> int:
    """How often a call runs a function of the package, or a coroutine goes on, on this thread."""

    def is_ours(frame: FrameType, event: str, _: object) -> bool:
        return event == "call" and frame.f_globals["__name__"].startswith("inferencekey")

    return _events(call, is_ours)


def _events(call: Callable[[], object], counts: Callable[[FrameType, str, Any], bool]) -> int:
    seen = 0

    def take(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal seen
        seen += counts(frame, event, argument)

    sys.setprofile(take)
    call()
    sys.setprofile(None)
    return seen


def peak(call: Callable[[], object]) -> int:
    """The most bytes of resident memory during a call, above those before it."""
    (PROC / "clear_refs").write_text("5")  # The peak is counted anew.
    before = _resident("VmRSS")
    call()
    return _resident("VmHWM") - before


def new_pages(call: Callable[[], object]) -> int:
    """How many bytes of memory the system had to bring in during a call."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    call()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    return faults * resource.getpagesize()


def _resident(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", (PROC / "status").read_text("ascii"))
    assert found is not None
    return int(found[1]) * 1024


def repeated(call: Callable[[], object], times: int = CALLS) -> Callable[[], object]:
    """The call that many times, after some that make what is made once."""
    for _ in range(20):
        call()
    return lambda: [call() for _ in range(times)]


def blocking(origin: str, body_bytes: int) -> dict[str, float]:
    """What the blocking client needs."""
    client = DataClient(base_url=origin, project="acme", api_key=KEY)
    unaries, streams, vectors = map(client.endpoint, ("unary", "stream", "vectors"))

    def unary() -> object:
        return unaries.generate_text(prompt="Hi")

    def stream() -> int:
        return sum(1 for _ in streams.generate_text_stream(prompt="Hi"))

    def first_chunk(count: Callable[[Callable[[], object]], float]) -> float:
        """The least of a few: one may have to wait longer than a slice. Each stream is read to its
        end, since what the connection of one that is left is worth depends on what has arrived."""
        found: list[float] = []
        opened: list[TextStream] = []

        def begin() -> None:
            opened.append(streams.generate_text_stream(prompt="Hi"))
            next(opened[0])

        for _ in range(5):
            found.append(count(begin))
            list(opened.pop())
        return min(found)

    def embed() -> object:
        return vectors.embed(input=["a"] * INPUTS).view()

    system_calls, allocations = taken(repeated(unary))
    found = {
        "unary: system calls": system_calls / CALLS,
        "unary: allocations": allocations / CALLS,
        "unary: crossings": crossings(repeated(unary)) / CALLS,
        "unary: functions in Python": python_calls(repeated(unary)) / CALLS,
    }
    for _ in range(SHORT_STREAMS):
        chunks = stream()
    system_calls, allocations = taken(stream)
    found["stream: system calls per chunk"] = system_calls / chunks
    found["stream: allocations per chunk"] = allocations / chunks
    found["stream: crossings per chunk"] = crossings(stream) / chunks
    found["stream: functions in Python per chunk"] = python_calls(stream) / chunks
    found["first chunk: crossings"] = first_chunk(crossings)
    found["first chunk: functions in Python"] = first_chunk(python_calls)
    embed()
    found["embed: peak memory per byte of the answer"] = peak(embed) / body_bytes
    return found


def control(origin: str) -> dict[str, float]:
    """What an `ensure` needs that finds the workload, the last of ten, as it is declared."""
    client = ManagementClient(base_url=origin, project="acme", sdk_token=CONTROL_TOKEN)
    spec = WorkloadSpec(name="Bot", slug="bot-9", model="m", backend="vllm")

    def ensure() -> None:
        assert not client.ensure(spec).changed

    system_calls, allocations = taken(repeated(ensure))
    return {
        "ensure: system calls": system_calls / CALLS,
        "ensure: allocations": allocations / CALLS,
        "ensure: crossings": crossings(repeated(ensure)) / CALLS,
        "ensure: functions in Python": python_calls(repeated(ensure)) / CALLS,
    }


def asynchronous(origin: str) -> dict[str, float]:
    """What the async client needs: on the thread of its event loop, and on the core's as well."""
    loop = asyncio.new_event_loop()
    endpoint = AsyncDataClient(base_url=origin, project="acme", api_key=KEY).endpoint("unary")

    def unary(prompt: str = "Hi") -> object:
        return loop.run_until_complete(endpoint.generate_text(prompt=prompt))

    system_calls, _ = taken(repeated(unary))
    found = {
        "async unary: system calls": system_calls / CALLS,
        "async unary: crossings": crossings(repeated(unary)) / CALLS,
        "async unary: functions in Python": python_calls(repeated(unary)) / CALLS,
    }
    long = repeated(lambda: unary(LONG_PROMPT), 10)
    found["async long prompt: new memory per byte"] = new_pages(long) / 10 / len(LONG_PROMPT)
    loop.close()
    return found


if __name__ == "__main__":
    origin, body_bytes = sys.argv[1], int(sys.argv[2])
    print(json.dumps({**blocking(origin, body_bytes), **control(origin), **asynchronous(origin)}))
