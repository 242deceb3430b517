"""Request bodies: JSON in, checked values out. Nothing here knows the model.

`model` is accepted as it comes: a proxy in front of the engine sends its own name for the workload.
Unknown keys are ignored, as OpenAI-compatible servers do; those that would change the answer in a
way this engine cannot give are refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .errors import BadRequest

MAX_STOPS = 4
MAX_TOKENS = 2**63 - 1
"""More than any answer has; the model's own counter ends not far above."""
MAX_INPUTS = 2048
"""Texts in one embeddings request; the limit of the OpenAI route."""

_Json = dict[str, Any]
_CANNOT: dict[str, Callable[[Any], bool]] = {
    "n": lambda value: value != 1,
    "tools": bool,
    "functions": bool,
    "logprobs": bool,
    "response_format": lambda value: value != {"type": "text"},
}
"""Keys this engine cannot honour, and the values for which that matters."""


@dataclass(frozen=True)
class ChatRequest:
    """A chat completion; None means that the request left the choice to the engine."""

    messages: list[dict[str, str]]
    stream: bool
    include_usage: bool
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    stop: list[str]


@dataclass(frozen=True)
class EmbeddingsRequest:
    """Texts to embed, and whether the rows are wanted as base64 of little-endian float32."""

    inputs: list[str]
    base64: bool


def chat(body: object) -> ChatRequest:
    """Check a chat body. Raises BadRequest that names the field."""
    fields = _object(body)
    for key, matters in _CANNOT.items():
        if fields.get(key) is not None and matters(fields[key]):
            raise BadRequest(f"`{key}` = {fields[key]!r} is not supported here; leave it out")
    options = fields.get("stream_options")
    _seed(fields)
    return ChatRequest(
        messages=_messages(fields.get("messages")),
        stream=_flag(fields, "stream"),
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        temperature=_number(fields, "temperature", 0.0, 2.0),
        top_p=_number(fields, "top_p", 0.0, 1.0),
        max_tokens=_max_tokens(fields),
        stop=_stop(fields.get("stop")),
    )


def embeddings(body: object) -> EmbeddingsRequest:
    """Check an embeddings body. Raises BadRequest that names the field."""
    fields = _object(body)
    inputs = fields.get("input")
    inputs = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(inputs, list) or not inputs or not all(isinstance(x, str) for x in inputs):
        raise BadRequest("`input` must be a string or a list of at least one string")
    if len(inputs) > MAX_INPUTS:
        raise BadRequest(f"`input` has {len(inputs)} texts; at most {MAX_INPUTS} fit one request")
    if fields.get("dimensions") is not None:
        raise BadRequest("`dimensions` is not supported by this engine; leave it out")
    encoding = fields.get("encoding_format")
    if encoding not in (None, "float", "base64"):
        raise BadRequest(f'`encoding_format` must be "float" or "base64", not {encoding!r}')
    return EmbeddingsRequest(inputs, encoding == "base64")


def _object(body: object) -> _Json:
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object")
    return body


def _messages(messages: object) -> list[dict[str, str]]:
    if not isinstance(messages, list) or not messages:
        raise BadRequest("`messages` must be a list of at least one message")
    return [_message(message, f"messages[{index}]") for index, message in enumerate(messages)]


def _message(message: object, path: str) -> dict[str, str]:
    role = message.get("role") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(role, str) or not role:
        raise BadRequest(f"`{path}` must be an object with a `role`")
    return {"role": role, "content": _content(message.get("content"), f"{path}.content")}


def _content(content: object, path: str) -> str:
    """Text of a message: a string, null (an assistant that only called tools), or text parts."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BadRequest(f"`{path}` must be a string, null or a list of text parts")
    texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    if any(not isinstance(text, str) for text in texts):
        raise BadRequest(f"`{path}` may hold text parts only: this engine reads no images or audio")
    return "".join(str(text) for text in texts)


def _flag(fields: _Json, key: str) -> bool:
    value = fields.get(key)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"`{key}` must be true or false, not {value!r}")
    return value is True


def _number(fields: _Json, key: str, low: float, high: float) -> float | None:
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BadRequest(f"`{key}` must be a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def _max_tokens(fields: _Json) -> int | None:
    newer = fields.get("max_completion_tokens") is not None
    key = "max_completion_tokens" if newer else "max_tokens"
    value = fields.get(key)
    if value is None:
        return None
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 1 <= value <= MAX_TOKENS:
        raise BadRequest(f"`{key}` must be an integer from 1 to 2^63 - 1, not {value!r}")
    return int(value)


def _seed(fields: _Json) -> None:
    """A seed is accepted and has no effect: mistralrs cannot seed its sampler on a processor."""
    value = fields.get("seed")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise BadRequest(f"`seed` must be an integer, not {value!r}")


def _stop(stop: object) -> list[str]:
    stops = [] if stop is None else [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(text, str) and text for text in stops)
    ):
        raise BadRequest(f"`stop` must be a non-empty string or a list of up to {MAX_STOPS}")
    return stops
