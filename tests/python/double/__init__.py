"""A scripted platform on loopback, with a journal of what reached it.

The journal, not the client, is the oracle for "not sent", "sent once" and "closed".
"""

from __future__ import annotations

from double.answers import LAST_CHUNK, answer, chunk, chunked_head, frames, sse
from double.bad_line import BadLine, Fault
from double.control_plane import ControlPlane
from double.journal import Connection, Journal, Request
from double.server import Certificate, Double, Script
from double.steps import (
    CLOSE_NOTIFY,
    FIN,
    HANG,
    RST,
    Pause,
    Repeat,
    Send,
    Step,
    Tunnel,
    Until,
)

__all__ = [
    "CLOSE_NOTIFY",
    "FIN",
    "HANG",
    "LAST_CHUNK",
    "RST",
    "BadLine",
    "Certificate",
    "Connection",
    "ControlPlane",
    "Double",
    "Fault",
    "Journal",
    "Pause",
    "Repeat",
    "Request",
    "Script",
    "Send",
    "Step",
    "Tunnel",
    "Until",
    "answer",
    "chunk",
    "chunked_head",
    "frames",
    "sse",
]
