"""Every way in which a call can fail (wire.md 5.1).

    InferenceKeyError
    ├─ ConfigurationError          before any request
    ├─ ValidationError             an argument was refused, here or by the server (400)
    │  └─ DriftError               .plan
    ├─ AuthError                   401
    ├─ PermissionDenied            403, or a token of the other plane
    ├─ ApiError                    every other status, transport, protocol
    │  ├─ NotFound                 404
    │  ├─ Conflict                 409, 412
    │  │  └─ PlanStale             .plan
    │  ├─ RateLimited              429
    │  ├─ ServerError              5xx
    │  │  └─ EndpointWarming       the workload is still coming up
    │  ├─ ConnectionFailed         also the builtin ConnectionError
    │  │  ├─ TlsError
    │  │  └─ ProxyError
    │  ├─ Timeout                  .kind; also the builtin TimeoutError
    │  │  └─ StreamStalled         .partial
    │  ├─ StreamTruncated          .partial
    │  ├─ ProtocolError
    │  │  └─ LimitExceeded         .limit
    │  ├─ WorkloadFailed           .phase .step .events
    │  ├─ Cancelled
    │  ├─ ForkedError
    │  └─ InternalError
    └─ WaitTimeout                 also the builtin TimeoutError

Beside these only KeyboardInterrupt, MemoryError and what a callback of the caller raises come out
of the SDK.
"""

from __future__ import annotations

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from inferencekey._plan import Plan
    from inferencekey._results import Partial, ReadinessEvent


class InferenceKeyError(Exception):
    """The base of all errors: `str(error)` is one line, the facts are attributes.

    code: stable across languages (wire.md 5.2); what programs should look at.
    api_code: the server's own code.
    status: HTTP status; None if there was no response.
    attempts: requests sent for this call.
    request_id: the response's `x-request-id`.
    retryable: may the same call sensibly be made again.
    retry_after: seconds after which the server would like to be asked again.
    body: the answer's text, tokens masked, at most 64 KiB.
    host: `host[:port]` that was spoken to.
    operation: `ensure`, `generate_text`, …
    field: the argument or spec field at fault, for example `config.max_model_len`.
    index: in a `map`, the place of the prompt that was answered with this error, from 0.
    prompt: the same, the prompt itself.
    hint: what to do next. It is no part of `str(error)`, so print it beside the message; from
        Python 3.11 on a traceback ends with it.
    """

    code: str = "internal_error"
    api_code: str | None = None
    status: int | None = None
    attempts: int | None = None
    request_id: str | None = None
    retryable: bool = False
    retry_after: float | None = None
    body: str | None = None
    host: str | None = None
    operation: str | None = None
    field: str | None = None
    index: int | None = None
    prompt: str | list[Any] | None = None
    hint: str | None = None

    def __init__(self, message: str = "", **attributes: object) -> None:
        super().__init__(message)
        for name, value in attributes.items():
            if name.startswith("_") or not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(self, name, value)
        if self.hint:
            # Shown below the message in a traceback, from Python 3.11 on.
            self.__notes__ = [f"hint: {self.hint}"]


class ConfigurationError(InferenceKeyError):
    """A client cannot be made or used like this: token, project, base URL. Nothing was sent.

    line: where a token stands in a file of specs, from 1.
    column: the same.
    problems: every token in that file, each with its place.
    """

    code = "configuration"
    line: int | None = None
    column: int | None = None
    problems: list[str] | None = None


class ValidationError(InferenceKeyError):
    """An argument was refused: before anything was sent, or by the server with 400.

    line: where the first problem of a file of specs stands, from 1.
    column: the same.
    problems: all that is wrong with that file, each with its place: `deploy.yaml:7:12: …`.
    """

    code = "invalid_argument"
    line: int | None = None
    column: int | None = None
    problems: list[str] | None = None


class DriftError(ValidationError):
    """The live workload differs from the spec, and may not or cannot be changed in place.

    plan: what differs.
    """

    code = "drift"
    plan: Plan | None = None


class AuthError(InferenceKeyError):
    """401: the token is unknown, or revoked."""

    code = "unauthorized"


class PermissionDenied(InferenceKeyError):
    """403: the token may not do this; or a token of the other plane was given (status None)."""

    code = "forbidden"


class ApiError(InferenceKeyError):
    """The platform or the way to it failed; the classes below say how.

    partial: what had arrived, if a stream failed after its start.
    """

    code = "http_error"
    partial: Partial | None = None


class NotFound(ApiError):
    """404: no such project or workload."""

    code = "not_found"


class Conflict(ApiError):
    """409 or 412: somebody else changed or took it."""

    code = "conflict"


class PlanStale(Conflict):
    """The live workload moved since the plan was made; nothing was written.

    plan: the plan that no longer fits.
    """

    code = "plan_stale"
    plan: Plan | None = None


class RateLimited(ApiError):
    """429, still after the retries."""

    code = "rate_limited"


class ServerError(ApiError):
    """5xx, still after the retries where those are safe."""

    code = "server_error"


class EndpointWarming(ServerError):
    """503 of a workload that is still coming up; raised when `cold_start` or `total` is used up."""

    code = "endpoint_warming"


class ConnectionFailed(ApiError, ConnectionError):
    """Refused, not resolved, lost or reset; the message names the cause."""

    code = "connection_failed"


class TlsError(ConnectionFailed):
    """The certificate or the handshake was refused; no request was sent."""

    code = "tls_failed"


class ProxyError(ConnectionFailed):
    """The proxy refused or garbled the connection."""

    code = "proxy_failed"


class Timeout(ApiError, TimeoutError):
    """A clock ran out.

    kind: which clock: `connect`, `first_token`, `idle` or `total` (see `Timeouts`).
    """

    code = "timeout_total"
    kind: str | None = None


class StreamStalled(Timeout):
    """A stream gave no content in time; keep-alive bytes do not count as content."""

    code = "timeout_idle"


class StreamTruncated(ApiError):
    """A stream ended with neither a finish reason nor `[DONE]`: `.partial` is not whole."""

    code = "stream_truncated"


class ProtocolError(ApiError):
    """The answer is not what the wire says; the connection is not used again."""

    code = "protocol_error"


class LimitExceeded(ProtocolError):
    """The answer goes beyond a limit; the connection is not used again.

    limit: the limit's name, which is also in the message: `response_head`, `header_lines`,
        `interim_responses`, `chunk_size_line`, `success_body`, `json_depth`, `redirects`,
        `list_pages`, `sse_event`.
    """

    code = "limit_exceeded"
    limit: str | None = None


class WorkloadFailed(ApiError):
    """The platform gave up on the workload; the message has its words.

    phase: `error`, or the platform's newer word for it.
    step: the step in which it failed.
    events: the last events before the end, at most 20.
    """

    code = "workload_failed"
    phase: str | None = None
    step: str | None = None
    events: list[ReadinessEvent] | None = None


def client_closed(operation: str | None = None) -> ConfigurationError:
    """For who wants something of a client after its `close()`."""
    words = "the client is closed"
    return ConfigurationError(
        f"{operation}: {words}" if operation else words,
        code="client_closed",
        operation=operation,
        hint="make a new client, or close this one later",
    )


class Cancelled(ApiError):
    """The call was ended by `close()`: on its client, or on the stream that somebody waited for."""

    code = "cancelled"


class ForkedError(ApiError):
    """A stream from before `fork` was read in the child. Clients and endpoints do work there."""

    code = "forked"


class InternalError(ApiError):
    """A defect of the SDK, caught before it could do harm; worth a report."""

    code = "internal_error"


class WaitTimeout(InferenceKeyError, TimeoutError):
    """The deadline of `wait_until_ready` passed.

    The workload goes on starting, so waiting again is sensible.

    phase: the last phase seen.
    step: the last step seen.
    events: the last events before the deadline, at most 20.
    """

    code = "wait_timeout"
    phase: str | None = None
    step: str | None = None
    events: list[ReadinessEvent] | None = None


class DriftWarning(UserWarning):
    """`ensure(on_drift="warn")` found that the live workload differs; the text names each field."""


class TruncatedWarning(UserWarning):
    """A stream with `on_truncated="warn"` ended before it was complete."""


# Tracebacks and pickles name the module from which users import a class.
for _public in list(vars().values()):
    if isinstance(_public, type) and _public.__module__ == __name__:
        _public.__module__ = "inferencekey"
del _public
