"""Errors as data: attributes, pickling, hints."""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from inferencekey import (
    Change,
    Partial,
    Plan,
    ReadinessEvent,
    TextChunk,
    WorkloadFailed,
    _errors,
)
from inferencekey._errors import InferenceKeyError

CLASSES = [
    cls
    for _, cls in inspect.getmembers(_errors, inspect.isclass)
    if issubclass(cls, InferenceKeyError)
]
ATTRIBUTES: dict[str, object] = {
    "code": "some_code",
    "api_code": "server_code",
    "status": 503,
    "attempts": 3,
    "request_id": "req-1",
    "retryable": True,
    "retry_after": 1.5,
    "body": "{}",
    "host": "127.0.0.1:8400",
    "operation": "ensure",
    "field": "config.a",
    "hint": "try again",
}
EXTRA: dict[str, object] = {
    "plan": Plan("update", [Change("model", "a", "b")]),
    "partial": Partial("Hel", [TextChunk("He"), TextChunk("l")]),
    "kind": "idle",
    "limit": "response_body",
    "phase": "error",
    "step": "pull",
    "events": [ReadinessEvent("error", "no disk")],
}


def filled(cls: type[InferenceKeyError]) -> InferenceKeyError:
    """An error with every attribute that its class has."""
    own: dict[str, Any] = {name: value for name, value in EXTRA.items() if hasattr(cls, name)}
    return cls("ensure: it failed", **ATTRIBUTES, **own)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize(
    "clone",
    [
        copy.copy,
        copy.deepcopy,
        lambda error: pickle.loads(pickle.dumps(error, 0)),
        lambda error: pickle.loads(pickle.dumps(error, 1)),
        lambda error: pickle.loads(pickle.dumps(error)),
    ],
)
def test_errors_pickle_and_copy_with_all_attributes(
    cls: type[InferenceKeyError], clone: Callable[[Any], Any]
) -> None:
    """An error crosses a process pool and loses nothing (wire.md 5.3)."""
    error = filled(cls)
    twin = clone(error)
    assert type(twin) is cls
    assert str(twin) == "ensure: it failed"
    assert vars(twin) == vars(error)
    for name, value in ATTRIBUTES.items():
        assert getattr(twin, name) == value


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_attribute_is_there_on_every_error(cls: type[InferenceKeyError]) -> None:
    """A handler can look at any attribute without asking for the class first."""
    error = cls("x")
    for name in ATTRIBUTES:
        assert hasattr(error, name)
    assert error.code
    assert error.retryable is False


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_says_what_it_means(cls: type[InferenceKeyError]) -> None:
    """`help()` of a caught class answers a question."""
    assert inspect.getdoc(cls)
    assert cls.__doc__ is not (cls.__mro__[1].__doc__)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_help_explains_every_attribute(cls: type[InferenceKeyError]) -> None:
    """`help()` and an IDE show a class's docstring, and nothing of its attributes' own."""
    explained = inspect.getdoc(cls) or ""
    for name in inspect.get_annotations(cls):
        assert f"\n{name}: " in explained


def test_codes_of_classes_are_distinct_from_their_parents() -> None:
    """An error made without a code has the one of its class (wire.md 5.2)."""
    assert _errors.NotFound("x").code == "not_found"
    assert _errors.DriftError("x").code == "drift"
    assert _errors.WaitTimeout("x").code == "wait_timeout"


def test_a_misspelt_attribute_is_refused() -> None:
    """A typo in a test double does not become a silent attribute."""
    with pytest.raises(TypeError, match="NotFound has no attribute 'statu'"):
        _errors.NotFound("x", statu=404)


def test_the_message_stays_without_the_hint() -> None:
    """The message is the one line of wire.md 5.3 on every Python; `.hint` is beside it."""
    error = filled(WorkloadFailed)
    assert str(error) == "ensure: it failed"
    assert error.hint == "try again"


@pytest.mark.skipif(not hasattr(BaseException, "add_note"), reason="notes came with 3.11")
def test_a_traceback_ends_with_the_hint() -> None:
    """Who never reads attributes still sees what to do."""
    shown = "".join(traceback.format_exception(filled(WorkloadFailed)))
    assert shown.endswith("ensure: it failed\nhint: try again\n")
