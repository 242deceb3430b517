"""A thousand requests that are all on their way at the same moment (issue 5)."""

from __future__ import annotations

import resource

import pytest
from child import run

# Both ends of 1,200 connections.
DESCRIPTORS = 4096

pytestmark = pytest.mark.skipif(
    0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < DESCRIPTORS,
    reason="needs that many descriptors",
)

PROGRAM = f"""
import asyncio, gc, resource
from gate import Gate

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, hard))

def threads():
    return len(os.listdir("/proc/self/task"))

# This one and the server's. A loop drives its requests itself; a map beside none has a thread.
IN_A_LOOP, WITH_A_THREAD = 2, 3

def made(kind, gate):
    return kind(base_url=gate.url, project="acme", api_key=API_KEY, retries=0).endpoint("bot")

def texts(count):
    return [f"p{{number}}" for number in range(count)]
"""

CALLS = """
async def main(gate):
    bot = made(AsyncDataClient, gate)
    most = 0

    async def call(text):
        nonlocal most
        result = await bot.generate_text(prompt=text)
        most = max(most, threads())
        return result.text

    async def stream(text):
        async with bot.generate_text_stream(prompt=text) as chunks:
            return "".join([chunk.text async for chunk in chunks])

    results = await asyncio.gather(*map(call, texts(1000)), *map(stream, texts(200)))
    assert results == [*texts(1000), *(f"first {text}" for text in texts(200))]
    assert most == IN_A_LOOP, most

with Gate(1200) as gate:
    asyncio.run(main(gate))
print("done")
"""

ASYNC_MAP = """
async def main(gate):
    items = made(AsyncDataClient, gate).map(iter(texts(1500)), concurrency=1000)
    first = await anext(items)
    assert threads() == IN_A_LOOP, threads()
    assert [first.text, *[item.text async for item in items]] == texts(1500)

with Gate(1000) as gate:
    asyncio.run(main(gate))
print("done")
"""

MAP = """
with Gate(1000) as gate:
    items = made(DataClient, gate).map(iter(texts(1500)), concurrency=1000)
    first = next(items)
    assert threads() == WITH_A_THREAD, threads()
    assert [first.text, *(item.text for item in items)] == texts(1500)
print("done")
"""


@pytest.mark.parametrize(
    "program",
    [CALLS, ASYNC_MAP, MAP],
    ids=["1000 calls and 200 streams", "a map of 1000 in a loop", "a map of 1000"],
)
def test_a_thousand_requests_are_on_their_way_at_once(program: str) -> None:
    """The server answers none before all are there; at most one native thread carries them."""
    assert run(PROGRAM + program, seconds=18) == (0, "done\n", "")
