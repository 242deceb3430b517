"""Many prompts at once: `map`, by either kind of client (issue 5)."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import pickle
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from aio import blocking
from child import run, running
from clients import async_endpoint, completion, endpoint
from double import HANG, Connection, Double, Pause, Request, Step, Until, answer

import inferencekey
from inferencekey import (
    AsyncTextMap,
    ConfigurationError,
    MapResult,
    RateLimited,
    Retry,
    RetryPolicy,
    TextMap,
    ValidationError,
    _ffi,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

LIMITED = answer({"error": {"code": "rate_limited"}}, 429, {"retry-after": "0"})


Bot = Callable[..., Any]


@pytest.fixture(params=["blocking", "async"])
def bot(request: pytest.FixtureRequest) -> Bot:
    """Makes an endpoint of the double, of either kind."""
    if request.param == "blocking":
        return endpoint
    return lambda double, **options: blocking(async_endpoint(double, **options))


def asked(request: Request) -> str:
    """The prompt of a request."""
    text: str = request.json()["messages"][0]["content"]
    return text


def echo(request: Request) -> bytes:
    """The prompt as the answer."""
    return answer(completion(asked(request)))


def texts(number: int) -> list[str]:
    """So many prompts."""
    return [f"p{index}" for index in range(number)]


def hang(request: Request) -> Any:
    """No answer to a prompt that asks for none."""
    return [HANG] if asked(request).startswith("hang") else echo(request)


def first_then_hang() -> Iterator[str]:
    """A prompt with an answer, and others without."""
    yield "p0"
    yield from (f"hang {number}" for number in count())


def left(double: Double) -> None:
    """Waits until the double has seen the end of every request that hangs, of which there are."""

    def hanging() -> list[Connection]:
        connections = [one for one in double.journal.connections if one.requests]
        return [one for one in connections if asked(one.requests[-1]).startswith("hang")]

    double.journal.wait_for(lambda journal: bool(hanging()))
    assert all(connection.closed.wait(5) for connection in hanging())


def test_every_prompt_gets_its_answer(bot: Bot) -> None:
    """In the order of the prompts, whatever the number of requests at once."""
    for concurrency in (1, 3, 32, 1000):
        with Double(echo) as double:
            items = list(bot(double).map(texts(40), concurrency=concurrency))
            assert len(double.journal.connections) <= concurrency
        assert [(item.index, item.prompt, item.text) for item in items] == [
            (index, text, text) for index, text in enumerate(texts(40))
        ]
        assert all(item.model == "m-1" and item.raw["id"] == "c1" for item in items)


def test_no_prompts_are_no_items(bot: Bot) -> None:
    """And no request."""
    with Double() as double:
        assert list(bot(double).map([])) == []
        assert double.journal.connections == []


@pytest.mark.parametrize("ordered", [True, False])
def test_an_answer_that_is_late_is_waited_for_or_overtaken(bot: Bot, ordered: bool) -> None:
    """`ordered` is the prompts' order; without it the caller is told what an item answers."""
    last = threading.Event()

    def respond(request: Request) -> Any:
        if asked(request) == "p0":
            return [Until(last), echo(request)]
        if ordered and asked(request) == "p3":
            last.set()
        return echo(request)

    with Double(respond) as double:
        seen = []
        for item in bot(double).map(texts(4), concurrency=4, ordered=ordered):
            seen.append(item.index)
            assert (item.prompt, item.text) == (f"p{item.index}", f"p{item.index}")
            if len(seen) == 3:
                last.set()
    assert seen == [0, 1, 2, 3] if ordered else (sorted(seen[:3]), seen[3]) == ([1, 2, 3], 0)


@pytest.mark.parametrize("ordered", [True, False])
def test_prompts_are_drawn_as_there_is_room(bot: Bot, ordered: bool) -> None:
    """None before the first item is asked for; then as many as may be at once, and one for one."""
    drawn: list[int] = []

    def endless() -> Iterator[str]:
        for number in count():
            drawn.append(number)
            yield f"p{number}"

    with (
        Double(echo) as double,
        bot(double).map(endless(), concurrency=5, ordered=ordered) as items,
    ):
        assert (drawn, double.journal.connections) == ([], [])
        for given in range(50):
            next(items)
            assert given < len(drawn) <= given + 5
        assert len(double.journal.requests) <= len(drawn)


def test_results_that_wait_for_an_earlier_one_take_room(bot: Bot) -> None:
    """One answer that does not come stops the drawing; it does not fill the memory."""
    drawn: list[int] = []
    drawn_before: list[list[int]] = []
    held = threading.Event()

    def prompts() -> Iterator[str]:
        for number in range(9):
            drawn.append(number)
            yield f"p{number}"

    def respond(request: Request) -> Any:
        return [Until(held), echo(request)] if asked(request) == "p0" else echo(request)

    def release(double: Double) -> None:
        double.journal.wait_for_requests(3)
        # Time enough to be answered twice, and to draw what should not be.
        time.sleep(0.2)
        drawn_before.append(list(drawn))
        held.set()

    with Double(respond) as double:
        threading.Thread(target=release, args=(double,)).start()
        items = list(bot(double).map(prompts(), concurrency=3))
    assert [item.text for item in items] == texts(9)
    assert drawn_before == [[0, 1, 2]]


def test_a_prompt_is_a_text_or_a_conversation(bot: Bot) -> None:
    """With the options of `generate_text`, as that would send it."""
    messages = [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hi"}]
    with Double(echo) as double:
        items = list(bot(double).map(["a", messages], temperature=1, max_tokens=7))
        bodies = sorted((r.json() for r in double.journal.requests), key=lambda b: len(str(b)))
    more = {"model": "bot", "stream": False, "temperature": 1.0, "max_tokens": 7}
    assert bodies == [
        {"messages": [{"role": "user", "content": "a"}], **more},
        {"messages": messages, **more},
    ]
    assert items[1].prompt is messages


@pytest.mark.parametrize(
    ("options", "field"),
    [
        *[({"concurrency": bad}, "concurrency") for bad in (0, -1, 1001, 2.0, "8", True, None)],
        *[({"ordered": bad}, "ordered") for bad in (None, 1, "yes")],
        *[({"on_error": bad}, "on_error") for bad in (None, "ignore", True, ["raise"])],
        *[({"prompts": bad}, "prompts") for bad in (None, 5, "Hi", b"Hi", {"role": "user"})],
        *[({"temperature": bad}, "temperature") for bad in ("hot", float("nan"), True)],
        *[({"max_tokens": bad}, "max_tokens") for bad in (0, 1.5)],
        *[({"timeout": bad}, "timeout") for bad in (-1, "soon")],
    ],
)
def test_a_bad_argument_is_refused_by_the_call(
    bot: Bot, options: dict[str, Any], field: str
) -> None:
    """Not by the first item, and nothing is drawn or sent."""
    with Double(echo) as double:
        with pytest.raises(ValidationError) as caught:
            bot(double).map(**{"prompts": iter(["a"]), **options})
        assert caught.value.field == field
        assert double.journal.connections == []


def test_the_first_error_ends_the_rest(bot: Bot) -> None:
    """What came before it is given; what is on its way ends on the wire, and no more is drawn."""
    drawn: list[str] = []
    hanging = threading.Event()

    def prompts() -> Iterator[str]:
        for text in ["p0", "p1", "refused", *[f"hang {number}" for number in range(50)]]:
            drawn.append(text)
            yield text

    def respond(request: Request) -> Any:
        if asked(request) == "refused":
            refusal = answer({"error": {"code": "no", "message": "not this"}}, 400)
            return [Until(hanging), refusal]
        if asked(request) == "hang 0":
            hanging.set()
        return hang(request)

    with Double(respond) as double:
        items = bot(double).map(prompts(), concurrency=4)
        assert [next(items).text, next(items).text] == ["p0", "p1"]
        with pytest.raises(ValidationError, match="not this") as caught:
            next(items)
        assert (caught.value.index, caught.value.prompt) == (2, "refused")
        assert caught.value.operation == "generate_text"
        left(double)
        assert len(drawn) <= 6
        assert list(items) == []


def test_after_an_error_nothing_is_drawn_that_would_never_be_given(bot: Bot) -> None:
    """Also while what came before it is still awaited."""
    drawn: list[str] = []
    refused = threading.Event()

    class Refused:
        """A step that tells that the refusal is out."""

        def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
            refused.set()

    def prompts() -> Iterator[str]:
        for text in ["p0", "refused", "p2", "p3"]:
            drawn.append(text)
            yield text

    def respond(request: Request) -> Any:
        if asked(request) == "refused":
            return [answer(b"", 400), Refused()]
        return [Until(refused), Pause(0.05), echo(request)]

    with Double(respond) as double:
        items = bot(double).map(prompts(), concurrency=2)
        assert next(items).text == "p0"
        with pytest.raises(ValidationError):
            next(items)
        assert drawn == ["p0", "refused"]


@pytest.mark.parametrize("ordered", [True, False])
def test_errors_may_take_their_places(bot: Bot, ordered: bool) -> None:
    """The server's and those of prompts that cannot be sent; the others go on."""
    prompts = ["a", "bad", "", "b", [], "c", 5, None, float("nan")]

    def respond(request: Request) -> bytes:
        return answer(b"", 500) if asked(request) == "bad" else echo(request)

    with Double(respond) as double:
        given = list(bot(double).map(prompts, on_error="return", ordered=ordered, concurrency=2))
        assert len(double.journal.requests) == 4
    items = sorted(given, key=lambda item: item.index)
    if ordered:
        assert items == given
    assert [type(item).__name__ for item in items] == [
        "MapResult",
        "ServerError",
        "ValidationError",
        "MapResult",
        "ValidationError",
        "MapResult",
        *["ValidationError"] * 3,
    ]
    assert all(item.prompt is prompt for item, prompt in zip(items, prompts, strict=True))


def test_what_the_iterable_raises_comes_out_behind_what_it_gave(bot: Bot) -> None:
    """Unchanged, once, whatever `on_error` says."""

    def prompts() -> Iterator[str]:
        yield from texts(3)
        raise ZeroDivisionError

    with Double(echo) as double:
        items = bot(double).map(prompts(), on_error="return")
        assert [next(items).text for _ in range(3)] == texts(3)
        with pytest.raises(ZeroDivisionError):
            next(items)
        assert list(items) == []


def break_out(items: Any) -> None:
    """Leaves the loop, and with it the last reference."""
    for _ in items:
        break


def close(items: Any) -> None:
    """By name, twice."""
    next(items)
    items.close()
    items.close()
    assert list(items) == []


def block(items: Any) -> None:
    """The end of a block, by an exception."""
    with contextlib.suppress(ZeroDivisionError), items:
        next(items)
        raise ZeroDivisionError


@pytest.mark.parametrize("leave", [break_out, close, block])
def test_a_map_that_is_left_ends_on_the_wire(bot: Bot, leave: Callable[[Any], None]) -> None:
    """However it is left, with no further call."""
    with Double(hang) as double:
        made = bot(double)
        leave(made.map(first_then_hang(), concurrency=4, ordered=False))
        left(double)
        assert next(made.map(["p0"])).text == "p0"


def test_closing_the_client_ends_a_map(bot: Bot) -> None:
    """As the error of a closed client, also where errors take their places."""
    with Double(hang) as double:
        made = bot(double)
        items = made.map(first_then_hang(), concurrency=3, on_error="return")
        assert next(items).text == "p0"
        made._client.close()
        with pytest.raises(ConfigurationError) as caught:
            list(items)
        assert caught.value.code == "client_closed"
        left(double)
        with pytest.raises(ConfigurationError):
            made.map(["p0"])


def test_all_prompts_share_the_clients_budget(bot: Bot) -> None:
    """A server that refuses everything gets each prompt once, and no more repeats than are paid."""
    policy = RetryPolicy(2, first_pause=0, budget=20)
    with Double(lambda request: LIMITED) as double:
        items = list(bot(double, retries=policy).map(texts(30), on_error="return"))
        assert all(isinstance(item, RateLimited) for item in items)
        assert len(double.journal.requests) == 30 + 20 // 5
        assert sum(item.attempts for item in items) == len(double.journal.requests)


def test_repeats_are_told_and_what_the_hook_raises_comes_out(bot: Bot) -> None:
    """On the thread that iterates; an exception of the hook ends the map on the wire."""
    told: list[tuple[int, int]] = []
    refused: set[str] = set()

    def respond(request: Request) -> Any:
        if asked(request) in refused or asked(request) == "hang":
            return hang(request)
        refused.add(asked(request))
        return LIMITED

    def tell(retry: Retry) -> None:
        told.append((retry.attempts, threading.get_ident()))

    def fail(retry: Retry) -> None:
        raise ZeroDivisionError

    policy = RetryPolicy(2, first_pause=0)
    with Double(respond) as double:
        items = list(bot(double, retries=policy, on_retry=tell).map(texts(5)))
        assert [item.text for item in items] == texts(5)
        assert told == [(1, threading.get_ident())] * 5
        with pytest.raises(ZeroDivisionError):
            list(bot(double, on_retry=fail).map(["hang", "fails"]))
        left(double)


def test_a_prompt_that_waits_for_its_turn_uses_no_time(bot: Bot) -> None:
    """The clocks are each request's own; an endpoint that is coming up is waited for."""
    warming = answer({"error": {"code": "warming"}}, 503, {"retry-after": "0"})
    late: list[Step] = [Pause(0.3), answer(completion("Hi"))]
    with Double(warming, *[late] * 4) as double:
        items = list(
            bot(double, retries=RetryPolicy(first_pause=0)).map(texts(4), concurrency=1, timeout=1)
        )
        assert [item.text for item in items] == ["Hi"] * 4
        assert len(double.journal.requests) == 5


def test_a_map_is_neither_copied_nor_pickled_and_says_how_far_it_is(bot: Bot) -> None:
    """Its items are both: they are values."""
    with Double(echo) as double:
        made = bot(double).map(["a"])
        inner = getattr(made, "_items", made)
        for function in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="neither copied nor pickled"):
                function(inner)
        assert repr(inner) == f"<{type(inner).__name__} open, given: 0, on their way: 0>"
        (item,) = made
        assert repr(inner) == f"<{type(inner).__name__} ended, given: 1, on their way: 0>"
    assert repr(item) == (
        "MapResult(text='a', model='m-1', finish_reason='stop', index=0, prompt='a')"
    )
    assert copy.deepcopy(item) == pickle.loads(pickle.dumps(item)) == item
    assert isinstance(item, inferencekey.TextResult)
    assert item != MapResult(item.text, item.model, "stop", item.raw, index=1, prompt="a")


def test_an_error_of_a_map_keeps_its_place_in_a_pickle(bot: Bot) -> None:
    """Which prompt it was can be told in another process."""
    with Double(lambda request: answer(b"", 500)) as double:
        (error,) = bot(double).map(["a"], on_error="return")
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.index, twin.prompt, twin.status) == (0, "a", 500)


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


class Countdown:
    """An iterator that is no iterable."""

    def __init__(self) -> None:
        self.left = 3

    def __next__(self) -> str:
        self.left -= 1
        if self.left < 0:
            raise StopIteration
        return str(self.left)


class Counted:
    """An iterable over one."""

    def __iter__(self) -> Any:
        return Countdown()


def test_an_iterator_needs_no_more_than_next(bot: Bot) -> None:
    """As for a plain `for`."""
    with Double(echo) as double:
        assert [item.text for item in bot(double).map(Counted())] == ["2", "1", "0"]


@pytest.mark.parametrize("ordered", [True, False])
def test_after_an_error_what_would_never_be_given_ends_on_the_wire(bot: Bot, ordered: bool) -> None:
    """At once, while an earlier prompt is still waited for."""
    sent, late = threading.Event(), threading.Event()

    def respond(request: Request) -> Any:
        if asked(request) == "first" and ordered:
            return [Until(late), echo(request)]
        return [Until(sent), answer(b"", 400)] if asked(request) == "bad" else [HANG]

    def release(double: Double) -> None:
        try:
            double.journal.wait_for_requests(4)
            sent.set()
            left(double)
        finally:
            late.set()

    with Double(respond) as double, ThreadPoolExecutor(1) as thread:
        released = thread.submit(release, double)
        with pytest.raises(ValidationError):
            list(bot(double).map(["first", "bad", "hang 0", "hang 1"], ordered=ordered))
        released.result(20)


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
