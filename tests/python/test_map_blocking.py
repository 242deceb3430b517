"""A `map` without an event loop: threads, signals, forks, iterables that block."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from child import run, running
from clients import endpoint
from double import Double, Request, Until
from mapped import LIMITED, asked, echo, hang, left, texts

from inferencekey import (
    MapResult,
    TextMap,
    ValidationError,
    _ffi,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_one_thread_at_a_time_iterates() -> None:
    """The second gets an error, and the first goes on."""
    held = threading.Event()
    with Double(lambda request: [Until(held), echo(request)]) as double:
        items: TextMap[MapResult] = endpoint(double).map(texts(2))
        first: list[str] = []
        thread = threading.Thread(target=lambda: first.append(next(items).text))
        thread.start()
        double.journal.wait_for_requests(2)
        with pytest.raises(ValidationError, match="one thread at a time"):
            next(items)
        held.set()
        thread.join(5)
        assert first == ["p0"]
        assert [item.text for item in items] == ["p1"]


def test_another_thread_may_close_it() -> None:
    """The one that iterates sees the end."""
    with Double(hang) as double:
        items = endpoint(double).map(["hang 0", "hang 1"])
        ended: list[list[MapResult]] = []
        thread = threading.Thread(target=lambda: ended.append(list(items)))
        thread.start()
        double.journal.wait_for_requests(2)
        items.close()
        thread.join(5)
        assert ended == [[]]
        left(double)


def test_a_repeat_that_is_due_goes_on_before_another_prompt_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The iterable may keep the caller waiting for it."""
    has_item = threading.Event()
    answers = iter([[Until(has_item), LIMITED], echo])

    def limit(request: Request) -> Any:
        answer = next(answers) if asked(request) == "a" else echo
        return answer(request) if callable(answer) else answer

    def repeated(double: Double) -> bool:
        return [asked(request) for request in double.journal.requests].count("a") == 2

    def prompts(double: Double) -> Iterator[str]:
        yield from "ab"
        double.journal.wait_for(lambda _: repeated(double))
        yield "c"

    take, waits = _ffi.Queue.take, iter([10_000])

    def take_notice(queue: _ffi.Queue, came: list[_ffi.Event], wait_ms: int = 0) -> bool:
        return take(queue, came, next(waits, wait_ms))

    with Double(limit) as double:
        items = endpoint(double).map(prompts(double), concurrency=2, ordered=False)
        assert next(items).text == "b"
        # The notice comes while the caller has something else to do.
        has_item.set()
        monkeypatch.setattr(_ffi.Queue, "take", take_notice)
        assert sorted(item.text for item in items) == ["a", "c"]


FORKED = """
url, = ARGS
bot = DataClient(base_url=url, project="acme", api_key=API_KEY).endpoint("bot")
begun, fresh = bot.map(["a", "b", "c"], concurrency=1), bot.map(["d"])
assert next(begun).text == "a"
child = os.fork()
if not child:
    try:
        next(begun)
    except ForkedError as error:
        assert error.operation == "map" and error.hint
        begun.close()
        assert [item.text for item in fresh] == ["d"]
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert [item.text for item in [*begun, *fresh]] == ["b", "c", "d"]
print("done")
"""


def test_a_map_that_was_begun_before_a_fork_is_refused_in_the_child() -> None:
    """The parent's goes on; one that was not begun works in both."""
    with Double(echo) as double:
        assert run(FORKED, double.url) == (0, "done\n", "")


INTERRUPTED = {
    "blocking": """
bot = DataClient(base_url=ARGS[0], project="acme", api_key=API_KEY).endpoint("bot")
try:
    print("ready", flush=True)
    list(bot.map(f"hang {n}" for n in range(10**9)))
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
    "async": """
import asyncio
bot = AsyncDataClient(base_url=ARGS[0], project="acme", api_key=API_KEY).endpoint("bot")
async def main():
    async for _ in bot.map(f"hang {n}" for n in range(10**9)):
        pass
try:
    print("ready", flush=True)
    asyncio.run(main())
except KeyboardInterrupt:
    print("interrupted", flush=True)
""",
}


@pytest.mark.parametrize("program", INTERRUPTED.values(), ids=INTERRUPTED)
def test_ctrl_c_ends_a_map(program: str) -> None:
    """With 32 requests on their way, all of which end."""
    with (
        Double(hang) as double,
        running(f"ARGS = {(double.url,)!r}\n{program}input()") as process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        double.journal.wait_for_requests(32)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        # The process lives on.
        left(double)
        assert len(double.journal.requests) == 32


THREADS = """
bot = DataClient(base_url=ARGS[0], project="acme", api_key=API_KEY).endpoint("bot")
def threads():
    return len(os.listdir("/proc/self/task"))
most = 0
for item in bot.map((str(n) for n in range(300)), concurrency=64):
    most = max(most, threads())
assert most == 2, most
deadline = time.monotonic() + 5
while threads() > 1:
    assert time.monotonic() < deadline, "a thread is left"
    time.sleep(0.01)
open_map = bot.map((str(n) for n in range(300)), concurrency=64)
next(open_map)
print("done")
"""


def test_a_map_takes_one_thread_which_ends_with_it() -> None:
    """However many requests are on their way; one that is open at the end holds nobody up."""
    with Double(echo) as double:
        assert run(THREADS, double.url, flags=("-W", "error")) == (0, "done\n", "")
