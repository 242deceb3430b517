"""A chat's request and answer, between Python and the core."""

from __future__ import annotations

from inferencekey import _marshal
from inferencekey._results import TextResult
from inferencekey._timeouts import clock_options

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from inferencekey import _ffi
    from inferencekey._timeouts import Timeouts

    Result = TypeVar("Result", bound=TextResult)


def chat_request(
    operation: str,
    prompt: str | None,
    messages: list[Any] | None,
    temperature: float | None,
    max_tokens: int | None,
    timeout: float | Timeouts | None,
) -> _marshal.Request:
    """The request of an operation that chats, as the core takes it; what is None is not in it."""
    request = _marshal.Request()
    if timeout is not None:
        request.update(clock_options(timeout, operation))
    if prompt is not None:
        request["prompt"] = prompt
    if messages is not None:
        request["messages"] = messages
    if temperature is not None:
        request["temperature"] = temperature
    if max_tokens is not None:
        request["max_tokens"] = max_tokens
    return request


def text_result(event: _ffi.Event, kind: type[Result]) -> Result:
    """What the one event of a `generate_text` brings."""
    return kind.from_answer(_marshal.leading_text(event.head), event.head, event.raw)
