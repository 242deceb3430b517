"""Many prompts at once: `map`, by either kind of client (issue 5)."""

from __future__ import annotations

import contextlib
import copy
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from aio import blocking
from clients import async_endpoint, completion, endpoint
from double import HANG, Double, Pause, Request, Step, Until, answer
from mapped import LIMITED, asked, echo, hang, left, texts

import inferencekey
from inferencekey import (
    ConfigurationError,
    MapResult,
    RateLimited,
    Retry,
    RetryPolicy,
    ValidationError,
)

pytestmark = pytest.mark.usefixtures("nothing_left")


Bot = Callable[..., Any]


@pytest.fixture(params=["blocking", "async"])
def bot(request: pytest.FixtureRequest) -> Bot:
    """Makes an endpoint of the double, of either kind."""
    if request.param == "blocking":
        return endpoint
    return lambda double, **options: blocking(async_endpoint(double, **options))


def first_then_hang() -> Iterator[str]:
    """A prompt with an answer, and others without."""
    yield "p0"
    yield from (f"hang {number}" for number in count())


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


@pytest.mark.parametrize("bad", [None, 5, b"Hi", {"role": "user"}])
def test_what_is_no_prompt_is_refused_in_its_place(bot: Bot, bad: object) -> None:
    """By the name of what the caller gave."""
    with Double(echo) as double:
        first, second = bot(double).map(["a", bad], on_error="return")
    assert first.text == "a"
    assert (type(second), second.index, second.prompt) == (ValidationError, 1, bad)
    assert (second.field, second.operation) == ("prompts[1]", "map")
    assert str(second).startswith("map: `prompts[1]` must be a text, or a list of messages; it is")


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


@pytest.mark.parametrize("on_error", ["raise", "return"])
@pytest.mark.parametrize("is_drawn_out", [True, False])
def test_closing_the_client_ends_a_map(bot: Bot, on_error: str, is_drawn_out: bool) -> None:
    """As the error of a closed client, also where errors take their places."""
    prompts = ["p0", "hang 1", "hang 2"] if is_drawn_out else first_then_hang()
    with Double(hang) as double:
        made = bot(double)
        items = made.map(prompts, concurrency=3, on_error=on_error)
        assert next(items).text == "p0"
        double.journal.wait_for_requests(3)
        made._client.close()
        with pytest.raises(ConfigurationError, match="map: the client is closed") as caught:
            list(items)
        assert (caught.value.code, caught.value.operation) == ("client_closed", "map")
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
