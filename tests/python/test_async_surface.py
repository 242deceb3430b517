"""Each async class has the methods of its blocking twin: names, parameters, defaults, docs."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest

import inferencekey
from inferencekey import (
    AsyncDataClient,
    AsyncEndpoint,
    AsyncManagementClient,
    AsyncPlan,
    AsyncReadiness,
    AsyncTextMap,
    AsyncTextStream,
    DataClient,
    Endpoint,
    ManagementClient,
    Plan,
    Readiness,
    TextMap,
    TextStream,
)

PAIRS: list[tuple[type, type]] = [
    (ManagementClient, AsyncManagementClient),
    (DataClient, AsyncDataClient),
    (Endpoint, AsyncEndpoint),
    (Plan, AsyncPlan),
    (Readiness, AsyncReadiness),
    (TextStream, AsyncTextStream),
    (TextMap, AsyncTextMap),
]
# Calls that send nothing themselves: they give something to await, enter or iterate.
NOT_AWAITED = {
    "close",
    "endpoint",
    "ephemeral",
    "from_env",
    "generate_text_stream",
    "map",
    "readiness",
}
# What a block or an iterator of one kind has, and the other has not.
OWN_WORDS = {"apply"}


def public(cls: type) -> dict[str, object]:
    """Its methods, but for those of one colour alone."""
    return {
        name: value
        for name, value in inspect.getmembers(cls, callable)
        if not name.startswith("_") and name not in ("poll", "aclose")
    }


def parameters(method: Callable[..., object]) -> list[inspect.Parameter]:
    """All of them; what is iterated over may be an async iterable in one of the two."""
    found = inspect.signature(method).parameters.values()
    return [one.replace(annotation="") if one.name == "prompts" else one for one in found]


METHODS = [
    (blocking, awaited, name) for blocking, awaited in PAIRS for name in sorted(public(blocking))
]


@pytest.mark.parametrize(("blocking", "awaited", "name"), METHODS)
def test_a_method_is_the_same(blocking: type, awaited: type, name: str) -> None:
    """One that sends something is a coroutine function."""
    one, other = getattr(blocking, name), getattr(awaited, name)
    assert parameters(one) == parameters(other)
    if name not in OWN_WORDS:
        assert inspect.getdoc(one) == inspect.getdoc(other)
    assert inspect.getdoc(other)
    is_call = "Client" in blocking.__name__ or blocking is Endpoint or name == "apply"
    assert inspect.iscoroutinefunction(other) == (is_call and name not in NOT_AWAITED)


@pytest.mark.parametrize(("blocking", "awaited"), PAIRS)
def test_there_is_nothing_besides(blocking: type, awaited: type) -> None:
    """But for `aclose`, which says the same as `close`."""
    assert set(public(awaited)) == set(public(blocking))
    assert awaited.__name__ in inferencekey.__all__
