"""What the embedded platform refuses, and how a refusal looks on the wire (wire.md 5.4, second
row).

HttpError   an answer of the two planes: status, code, message; one table renders all of them
LocalError  the platform itself cannot start, stop or be reached; has a hint, never reaches the wire
"""

from __future__ import annotations

import json
from collections.abc import Mapping

INSTALL = 'pip install "inferencekey[local]"'
"""What installs all that the platform and its command line need."""
EXTRA_PACKAGES = ("aiohttp", "mistralrs", "multidict", "yarl")
"""Packages of the extra `local`, whose absence is explained instead of traced."""

CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    411: "length_required",
    413: "payload_too_large",
    415: "unsupported_media_type",
    417: "expectation_failed",
    500: "server_error",
    502: "engine_failed",
    503: "unavailable",
}
"""The `code` of a status for which the place that refuses has no more exact one."""


class HttpError(Exception):
    """An answer other than 2xx. Handlers raise it, `app.py` renders it, nobody else builds error
    bodies."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code or CODES.get(status, "http_error")
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The platform's error form, as compact UTF-8 JSON."""
        return error_body(self.code, self.message)


def error_body(code: str, message: str) -> bytes:
    """`{"error":{"code","message"}}`, with anything that is not valid Unicode replaced."""
    text = json.dumps(
        {"error": {"code": code, "message": message}}, ensure_ascii=False, separators=(",", ":")
    )
    return text.encode("utf-8", "replace")


class LocalError(Exception):
    """The platform cannot do what was asked of it on this machine.

    `hint` says what to do next; the command line prints it on a line of its own (style.md 3.6)."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message
