"""A workload that is still coming up is waited for, apart from retries (wire.md 5.5)."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from clients import LIVE, completion, delta, endpoint, management
from double import Double, answer, sse

from inferencekey import (
    Endpoint,
    EndpointWarming,
    InferenceKeyError,
    Retry,
    RetryPolicy,
    ServerError,
    Timeouts,
)

PUSHED = answer(b"", 503, {"retry-after": "0"})
CHAT = answer(completion("Hi"))
EMBEDDINGS = answer({"data": [{"index": 0, "embedding": [1.0]}], "model": "m"})
STREAM = sse(delta("Hi"), delta(None, "stop"), "[DONE]")
# Waits are told by the server, or are nothing.
AT_ONCE = RetryPolicy(first_pause=0)

CALLS: list[tuple[str, Callable[[Endpoint], object], bytes]] = [
    ("chat", lambda bot: bot.generate_text(prompt="Hi"), CHAT),
    ("stream", lambda bot: list(bot.generate_text_stream(prompt="Hi")), STREAM),
    ("embed", lambda bot: bot.embed(input="a"), EMBEDDINGS),
]
IDS = [name for name, *_ in CALLS]


def coded(code: str) -> bytes:
    """A 503 that says why."""
    return answer({"error": {"code": code, "message": "not yet"}}, 503)


WARMING = [
    ("a pushback", PUSHED),
    ("an unreadable pushback", answer(b"", 503, {"retry-after": "soon"})),
    *[(code, coded(code)) for code in ("model_loading", "warming", "cold_start", "scaled_to_zero")],
]


@pytest.mark.parametrize(("name", "call", "good"), CALLS, ids=IDS)
@pytest.mark.parametrize(("sign", "warming"), WARMING, ids=[sign for sign, _ in WARMING])
def test_a_warming_endpoint_is_waited_for(
    name: str, call: Callable[[Endpoint], object], good: bytes, sign: str, warming: bytes
) -> None:
    """More often than three times, without a token of the budget, and the caller sees nothing."""
    told: list[Retry] = []
    policy = RetryPolicy(0, first_pause=0, budget=0)
    with Double(*[warming] * 6, good) as double:
        call(endpoint(double, retries=policy, on_retry=told.append))
        assert len(double.journal.requests) == 7
        assert len({request.body for request in double.journal.requests}) == 1
    assert [(retry.reason, retry.attempts) for retry in told] == [
        ("warming", sent) for sent in range(1, 7)
    ]
    assert all(isinstance(retry.error, EndpointWarming) for retry in told)


@pytest.mark.parametrize(("name", "call", "good"), CALLS, ids=IDS)
def test_cold_start_0_fails_at_once(
    name: str, call: Callable[[Endpoint], object], good: bytes
) -> None:
    """For callers that have somewhere else to go."""
    with Double(coded("model_loading"), good) as double:
        with pytest.raises(EndpointWarming, match="not yet") as caught:
            call(endpoint(double, cold_start=0))
        error = caught.value
        assert (error.code, error.api_code) == ("endpoint_warming", "model_loading")
        assert (error.status, error.attempts, error.retryable) == (503, 1, True)
        assert isinstance(error, ServerError)
        assert len(double.journal.requests) == 1


@pytest.mark.parametrize(("name", "call", "good"), CALLS, ids=IDS)
@pytest.mark.parametrize(
    "limit", [{"cold_start": 0.5}, {"timeout": Timeouts(total=0.5)}], ids=["cold_start", "total"]
)
def test_the_wait_has_an_end(
    name: str, call: Callable[[Endpoint], object], good: bytes, limit: dict[str, object]
) -> None:
    """`cold_start` ends it, and so does `total`; the error tells how often it was asked."""
    policy = RetryPolicy(first_pause=0.02, longest_pause=0.02)
    with Double(lambda request: coded("warming")) as double:
        started = time.monotonic()
        with pytest.raises(InferenceKeyError) as caught:
            call(endpoint(double, retries=policy, **limit))
        assert 0.2 < time.monotonic() - started < 8
        assert (caught.value.attempts or 0) > 1
        if "cold_start" in limit:
            assert isinstance(caught.value, EndpointWarming)
            assert caught.value.attempts == len(double.journal.requests)
        else:
            # `total` may come in the middle of a send.
            assert caught.value.code in ("endpoint_warming", "timeout_total")


def test_an_endpoint_is_asked_once_more_at_the_end_of_its_time() -> None:
    """Pauses grow, but none skips over the end of `cold_start`."""
    policy = RetryPolicy(first_pause=60, longest_pause=60)
    with Double(coded("warming"), CHAT) as double:
        bot = endpoint(double, cold_start=0.2, retries=policy)
        assert bot.generate_text(prompt="Hi").text == "Hi"


def test_a_pushback_beyond_cold_start_surfaces_at_once() -> None:
    """With what the server asked for, so that the caller can come back then."""
    with Double(answer(b"", 503, {"retry-after": "60"})) as double:
        with pytest.raises(EndpointWarming) as caught:
            endpoint(double, cold_start=30).generate_text(prompt="Hi")
        assert (caught.value.retry_after, caught.value.attempts) == (60.0, 1)


@pytest.mark.parametrize("call", [CALLS[0][1], CALLS[1][1]], ids=IDS[:2])
def test_a_503_without_a_hint_is_no_warming(call: Callable[[Endpoint], object]) -> None:
    """A chat costs money: nobody asked for it to be sent again."""
    with Double(answer(b"", 503), CHAT) as double:
        with pytest.raises(ServerError) as caught:
            call(endpoint(double, retries=AT_ONCE))
        assert (type(caught.value), caught.value.attempts) == (ServerError, 1)


def test_the_control_plane_knows_no_warming() -> None:
    """There a 503 is a failure, repeated like any other."""
    with Double(PUSHED, answer([LIVE])) as double:
        told: list[Retry] = []
        assert management(double, retries=AT_ONCE, on_retry=told.append).list() == [LIVE]
    assert [(retry.reason, type(retry.error)) for retry in told] == [("retry", ServerError)]


def test_a_failure_while_it_warms_up_counts_as_ever() -> None:
    """Waiting and repeating are counted apart."""
    with Double(
        PUSHED, PUSHED, answer(b"", 502), PUSHED, answer(b"", 502), PUSHED, EMBEDDINGS
    ) as double:
        endpoint(double, retries=AT_ONCE).embed(input="a")
        assert len(double.journal.requests) == 7
    with Double(
        lambda request: PUSHED if len(double.journal.requests) % 2 else answer(b"", 502)
    ) as double:
        with pytest.raises(ServerError) as caught:
            endpoint(double, retries=AT_ONCE).embed(input="a")
        assert (caught.value.status, caught.value.attempts) == (502, 6)
