"""A scripted platform on loopback, with a journal of what reached it.

The journal, not the client, is the oracle for "not sent", "sent once" and "closed".
"""

from __future__ import annotations

from double.answers import LAST_CHUNK, answer, chunk, chunked_head, frames, sse
from double.journal import Connection, Journal, Request
from double.server import Double
from double.steps import FIN, HANG, RST, Send, Step, Until

__all__ = [
    "FIN",
    "HANG",
    "LAST_CHUNK",
    "RST",
    "Connection",
    "Double",
    "Journal",
    "Request",
    "Send",
    "Step",
    "Until",
    "answer",
    "chunk",
    "chunked_head",
    "frames",
    "sse",
]
