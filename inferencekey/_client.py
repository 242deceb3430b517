"""What clients and endpoints have in common: a core handle, calls on it, and a repr."""

from __future__ import annotations

import os

from inferencekey import __version__, _ffi, _marshal
from inferencekey._errors import ConfigurationError, InferenceKeyError, InternalError
from inferencekey._secret import Secret, with_token
from inferencekey._timeouts import clock_options, milliseconds

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, NoReturn, TypeVar

    from inferencekey._native import Box
    from inferencekey._timeouts import Timeouts

    Self = TypeVar("Self", bound="Client")


class Bound:
    """An object of the core, made from a configuration, and made again in a forked child."""

    def _bind(self) -> None:
        """Makes the core's object. Everything that can fail about the configuration fails here."""
        self._native = self._make()
        self._forks = _ffi.Process.forks

    def _make(self) -> Box:
        raise NotImplementedError

    def _handle(self) -> Box:
        """The core's object of this process, with connections of its own."""
        if self._forks != _ffi.Process.forks:
            self._bind()
        return self._native

    def _start(self, operation: str, request: Mapping[str, object]) -> _ffi.Operation:
        """Checks the request; nothing is sent before the first event is asked for."""
        return _ffi.Operation(self._handle(), operation, _marshal.encode(operation, request))

    def _call(self, operation: str, request: Mapping[str, object]) -> _ffi.Event:
        """The one event of an operation that gives exactly one."""
        with self._start(operation, request) as running:
            event = running.take()
            if event is None:
                raise InternalError(f"{operation}: it ended without a result")
            # The end is waited for: the connection is good for the next call only after it.
            running.take()
            return event

    def _ask(self, operation: str, request: Mapping[str, object]) -> dict[str, Any]:
        """The head of that event."""
        head: dict[str, Any] = _marshal.decode(self._call(operation, request).head)
        return head

    def _facts(self) -> dict[str, Any]:
        """What the core says about this object; a token only in its display form (wire.md 1.3)."""
        return _ffi.client_describe(self._handle())

    def __repr__(self) -> str:
        try:
            facts = self._facts()
        except (AttributeError, InferenceKeyError):
            # Not made whole. Tracebacks with locals come here too, so a repr never fails.
            facts = {}
        shown = ("workload_slug", "project", "base_url", "token")
        parts = [f"{name}={facts[name]!r}" for name in shown if facts.get(name) is not None]
        return f"<{' '.join([type(self).__name__, *parts])}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds a token and is neither pickled nor copied: "
            "make one where it is needed, for example with from_env()"
        )


class Client(Bound):
    """A client of one plane: closes, and is a context manager."""

    _options: Secret
    _closed = False

    def _make(self) -> Box:
        native = _ffi.client_new(self._options)
        if self._closed:
            _ffi.client_close(native)
        return native

    def close(self) -> None:
        """End all calls of this client, on every thread, and close its connections.

        Calls that run raise Cancelled within 100 ms, streams the next time they are read. Later
        calls raise ConfigurationError `client_closed`. Closing again does nothing.
        """
        self._closed = True
        if self._forks == _ffi.Process.forks:
            _ffi.client_close(self._native)

    def __enter__(self: Self) -> Self:
        if self._closed:
            raise ConfigurationError(
                "the client is closed", code="client_closed", hint="make a new client"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def client_options(
    plane: str,
    token_name: str,
    token: Secret,
    *,
    from_env: bool,
    base_url: str | None,
    project: str | None,
    timeout: float | Timeouts | None,
    retries: int | None,
    ca_bundle: str | os.PathLike[str] | None,
    allow_http: bool,
    cold_start: float | None = None,
) -> Secret:
    """The core's client options, with the token in them."""
    options: dict[str, object] = {
        "plane": plane,
        "from_env": from_env,
        "base_url": base_url,
        "project": project,
        "retries": retries,
        "ca_bundle": os.fspath(ca_bundle) if isinstance(ca_bundle, os.PathLike) else ca_bundle,
        "allow_http": allow_http,
        "user_agent": f"inferencekey-python/{__version__}",
        **clock_options(timeout),
    }
    if cold_start is not None:
        options["cold_start_ms"] = milliseconds("cold_start", cold_start)
    return with_token(_marshal.encode("client", options), token_name, token)
