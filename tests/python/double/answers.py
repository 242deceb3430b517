"""HTTP answers as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping

LAST_CHUNK = b"0\r\n\r\n"


def answer(
    body: object = b"", status: int = 200, headers: Mapping[str, str | list[str]] | None = None
) -> bytes:
    """A whole answer with a length; a body that is not bytes is sent as JSON.

    A header whose value is a list is sent once for each.
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"content-type": "application/json", "content-length": str(len(content))}
    return _head(status, {**fields, **(headers or {})}) + content


def chunked_head(content_type: str | None = "text/event-stream", status: int = 200) -> bytes:
    """The head of an answer whose body follows in transfer chunks; None = it names no type."""
    named = {} if content_type is None else {"content-type": content_type}
    return _head(status, {**named, "transfer-encoding": "chunked"})


def chunk(data: bytes) -> bytes:
    """One transfer chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def frames(*events: object) -> bytes:
    """SSE frames, one for each event; strings go as they are, all else as JSON."""
    texts = (event if isinstance(event, str) else json.dumps(event) for event in events)
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def sse(*events: object) -> bytes:
    """A whole streamed answer."""
    return chunked_head() + chunk(frames(*events)) + LAST_CHUNK


def _head(status: int, headers: Mapping[str, str | list[str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} Scripted"]
    for name, value in headers.items():
        lines += [f"{name}: {one}" for one in (value if isinstance(value, list) else [value])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
