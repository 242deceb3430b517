"""Answers in the OpenAI form: chat completions, their chunks, embeddings, the list of models."""

from __future__ import annotations

import base64
import json
import struct
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Usage:
    """Tokens read and written by one request."""

    prompt_tokens: int
    completion_tokens: int

    def body(self) -> Json:
        """The `usage` object of an answer."""
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }


@dataclass(frozen=True)
class ChatAnswer:
    """One chat completion: whole, or as the chunks of a stream with the same id and time."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, finish_reason: str, usage: Usage) -> Json:
        """The answer of a request without `stream`."""
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": finish_reason}
        return self._body("chat.completion", [choice], usage)

    def chunk(self, delta: Json, finish_reason: str | None = None) -> Json:
        """One chunk with a choice."""
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return self._body("chat.completion.chunk", [choice])

    def usage_chunk(self, usage: Usage) -> Json:
        """The last chunk under `stream_options.include_usage`: no choices, only usage."""
        return self._body("chat.completion.chunk", [], usage)

    def _body(self, kind: str, choices: list[Json], usage: Usage | None = None) -> Json:
        body: Json = {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        return body | {"usage": usage.body()} if usage else body


def embeddings(model: str, rows: list[list[float]], tokens: int, *, as_base64: bool) -> Json:
    """The answer of an embeddings request, rows in the order of the inputs."""
    items = [
        {"object": "embedding", "index": index, "embedding": _base64(row) if as_base64 else row}
        for index, row in enumerate(rows)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": items, "model": model, "usage": usage}


def models(model: str, loaded_at: int) -> Json:
    """The list of models: the one that is served. loaded_at: seconds since 1970."""
    item = {"id": model, "object": "model", "created": loaded_at, "owned_by": "inferencekey"}
    return {"object": "list", "data": [item]}


def frame(body: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def _base64(row: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode("ascii")
