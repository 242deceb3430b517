"""Requests and answers for clients that know HTTP alone: what a user would write around them."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import numpy as np

from sides import CONTROL_TOKEN, DATA_KEY, INPUTS

DATA_HEADERS = {"authorization": f"Bearer {DATA_KEY}"}
CONTROL_HEADERS = {"authorization": f"Bearer {CONTROL_TOKEN}"}


def chat_path(slug: str) -> str:
    """Where a workload is asked."""
    return f"/endpoint/bench/{slug}/v1/chat/completions"


def embeddings_path(slug: str) -> str:
    """Where a workload embeds."""
    return f"/endpoint/bench/{slug}/v1/embeddings"


def list_path(workloads: int) -> str:
    """Where the workloads of a project are listed."""
    return f"/api/projects/of-{workloads}/workloads"


def chat_body(slug: str, prompt: str, *, stream: bool) -> dict[str, Any]:
    """A request for an answer."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": slug, "messages": messages, "stream": stream}


def embeddings_body(slug: str) -> dict[str, Any]:
    """A request for embeddings, in the form by which the workload is called."""
    wish = {"encoding_format": "base64"} if slug == "base64" else {}
    return {"model": slug, "input": INPUTS, **wish}


def text_of(answer: Any) -> str:
    """The text of a whole answer."""
    text: str = answer["choices"][0]["message"]["content"]
    return text


def text_of_line(line: str | bytes) -> str:
    """The text of one line of a stream that holds a chunk."""
    text: str | None = json.loads(line[len("data: ") :])["choices"][0]["delta"].get("content")
    return text or ""


def rows_of(answer: Any) -> list[Any]:
    """The rows of an answer with embeddings: lists of numbers, or base64."""
    return [item["embedding"] for item in answer["data"]]


def array_of(answer: Any) -> Any:
    """The rows as one numpy array."""
    rows = rows_of(answer)
    if isinstance(rows[0], str):
        decoded = [np.frombuffer(b64decode(row), dtype="<f4") for row in rows]
        return np.stack(decoded)
    return np.array(rows, dtype=np.float32)


def holds_last(answer: Any, workloads: int) -> bool:
    """Is the last workload in the list?"""
    return any(workload["slug"] == f"bench-{workloads - 1}" for workload in answer)
