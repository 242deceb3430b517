"""Lengths of time, as callers give them: seconds, with `math.inf` for never."""

from __future__ import annotations

from inferencekey._errors import ValidationError
from inferencekey._record import Record

# 285,000 years. JSON has no infinity, and null would mean "as the client has it".
_NEVER_MS = 2**53


class Timeouts(Record):
    """The four clocks of a call, in seconds (wire.md 3.2).

    None is as the client has it, `math.inf` is never.

    Timeouts(total=30)                   # the whole call, with repeats and pauses
    Timeouts(first_token=120, idle=30)   # a stream: up to its first content, and between contents
    Timeouts(connect=3)                  # DNS + TCP + TLS
    """

    __slots__ = ("_connect", "_first_token", "_idle", "_total")
    __match_args__ = ("connect", "first_token", "idle", "total")

    def __init__(
        self,
        connect: float | None = None,
        first_token: float | None = None,
        idle: float | None = None,
        total: float | None = None,
    ) -> None:
        self._connect = connect
        self._first_token = first_token
        self._idle = idle
        self._total = total

    @property
    def connect(self) -> float | None:
        """DNS, TCP and TLS, all addresses and tries together. Default 10 s."""
        return self._connect

    @property
    def first_token(self) -> float | None:
        """Streams: from the request to the first content. Default 120 s."""
        return self._first_token

    @property
    def idle(self) -> float | None:
        """Streams: between contents, without the caller's own time. Default 30 s.

        Other calls: without a byte of an answer that has begun.
        """
        return self._idle

    @property
    def total(self) -> float | None:
        """The operation, repeats and pauses included.

        Default 60 s on the control plane, 600 s on the data plane, never for streams.
        """
        return self._total


def clock_options(
    timeout: float | Timeouts | None, operation: str | None = None
) -> dict[str, object]:
    """The request's keys for `timeout`: none for None.

    operation: whose timeout it is; None for a client's.
    """
    if timeout is None:
        return {}
    if not isinstance(timeout, Timeouts):
        return {"timeout_ms": milliseconds("timeout", timeout, operation)}
    given = {name: getattr(timeout, name) for name in Timeouts.__match_args__}
    clocks = {
        f"{name}_ms": milliseconds(f"timeout.{name}", value, operation)
        for name, value in given.items()
        if value is not None
    }
    return {"timeouts": clocks}


def milliseconds(field: str, seconds: object, operation: str | None = None) -> float:
    """The same length in the core's unit. Raises ValidationError if it is no length of time."""
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        kind = type(seconds).__name__
        raise _refused(
            field, f"must be a number of seconds (math.inf for never), not {kind}", operation
        )
    if not seconds >= 0:
        raise _refused(field, f"must be 0 or more seconds, not {seconds!r}", operation)
    return _NEVER_MS if seconds >= _NEVER_MS / 1000 else seconds * 1000


def _refused(field: str, why: str, operation: str | None) -> ValidationError:
    place = f"{operation}: `{field}`" if operation else f"`{field}`"
    return ValidationError(f"{place} {why}", field=field, operation=operation)
