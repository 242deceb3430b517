"""What clients and endpoints have in common: a core handle, calls on it, copies, and a repr."""

from __future__ import annotations

import os
from _collections_abc import Callable  # As `collections.abc`, without `collections`.

from inferencekey import __version__, _ffi, _marshal
from inferencekey._closing import Closing
from inferencekey._errors import (
    ConfigurationError,
    InferenceKeyError,
    InternalError,
    client_closed,
)
from inferencekey._retry import Retry, retry_option
from inferencekey._secret import Secret, environment, with_secrets
from inferencekey._timeouts import clock_options, milliseconds

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeVar

    from inferencekey._native import Held
    from inferencekey._retry import RetryPolicy
    from inferencekey._timeouts import Timeouts

    Copied = TypeVar("Copied", bound="Bound")
    Self = TypeVar("Self", bound="Client")

# Where a token comes from that a pickle left behind, by the code of the error without it.
_TOKENS = {"missing_token": "INFERENCEKEY_SDK_TOKEN", "missing_api_key": "INFERENCEKEY_API_KEY"}


class Bound:
    """An object of the core, made from a configuration.

    It is made again in a forked child and for a copy, from the same configuration; after
    unpickling from the same but for the token, which then comes from the environment.
    """

    _on_retry: Callable[[Retry], None] | None

    def _bind(self, options: _marshal.Encoded, secrets: dict[str, Secret]) -> None:
        """Makes the core's object. Everything that can fail about the configuration fails here."""
        # The configuration as a JSON object, and further members of it that nobody is to see.
        self._options = options
        self._secrets = secrets
        # The core's objects by the forks before their process: each is good where it was made.
        self._natives: dict[int, Held] = {}
        self._handle()

    def _make(self) -> Held:
        raise NotImplementedError

    def _handle(self) -> Held:
        """The core's object of this process, with connections of its own."""
        native = self._natives.get(_ffi.forks)
        return self._new_handle() if native is None else native

    def _new_handle(self) -> Held:
        # Of two threads that come here at once, both go on with what one of them made.
        return self._natives.setdefault(_ffi.forks, self._make())

    def _start(
        self,
        operation: str,
        request: Mapping[str, object],
        on_retry: Callable[[Retry], None] | None = None,
    ) -> _ffi.Operation:
        """Checks the request; nothing is sent before the first event is asked for.

        on_retry: in place of the client's.
        """
        return self._submitted(operation, _marshal.encode(operation, request), on_retry)

    def _checked(self, operation: str, request: Mapping[str, object]) -> _marshal.Encoded:
        """The request as it goes out later, checked. Sends nothing."""
        encoded = _marshal.encode(operation, request)
        self._submitted(operation, encoded).free()
        return encoded

    def _submitted(
        self,
        operation: str,
        request: _marshal.Encoded,
        on_retry: Callable[[Retry], None] | None = None,
    ) -> _ffi.Operation:
        try:
            return _ffi.submit(self._handle(), operation, request, on_retry or self._on_retry)
        except InferenceKeyError as error:
            # The frames below hold what was refused, piece by piece.
            raise error.with_traceback(None) from None

    def _opened(
        self, operation: str, request: Mapping[str, object]
    ) -> tuple[_ffi.Operation, _ffi.Event | None]:
        """An operation that gives several events, and the first one, waited for."""
        encoded = _marshal.encode(operation, request)
        return _ffi.opened(self._handle(), operation, encoded, self._on_retry)

    def _call(
        self,
        operation: str,
        request: Mapping[str, object] | _marshal.Encoded,
        grace_ms: int = 0,
        on_create: Callable[[dict[str, Any]], None] | None = None,
    ) -> _ffi.Event:
        """The one event of an operation that gives exactly one.

        grace_ms: how much longer it may run when a signal handler raises.
        on_create: called before an ephemeral workload is created, and if it was not.
        """
        encoded = _marshal.encode(operation, request)
        event = _ffi.result(self._handle(), operation, encoded, self._on_retry, on_create, grace_ms)
        if event is None:
            raise InternalError(f"{operation}: it ended without a result")
        return event

    def _ask(
        self,
        operation: str,
        request: Mapping[str, object] | _marshal.Encoded,
        grace_ms: int = 0,
        on_create: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """The head of that event."""
        event = self._call(operation, request, grace_ms, on_create)
        head: dict[str, Any] = _marshal.decode(event.head)
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

    def __copy__(self: Copied) -> Copied:
        return self.__deepcopy__({})

    def __deepcopy__(self: Copied, memo: dict[int, Any]) -> Copied:
        # The token stays in the process, so it comes along.
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self), _natives={})
        return twin

    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name != "_natives"}
        return {**kept, "_secrets": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _natives={})
        try:
            self._handle()
        except ConfigurationError as error:
            if error.code in _TOKENS:
                raise ConfigurationError(
                    str(error),
                    code=error.code,
                    field=error.field,
                    hint=f"a pickle carries no token: set {_TOKENS[error.code]} in the process "
                    "that loads it",
                ) from None
            # An endpoint of a closed client says so when it is used.
            if error.code != "client_closed":
                raise


class Client(Bound, Closing):
    """A client of one plane: closes, and is a context manager."""

    _closed = False

    def _make(self) -> Held:
        return _ffi.client_new(with_secrets(self._options, self._secrets))

    def _new_handle(self) -> Held:
        native = super()._new_handle()
        if self._closed:
            _ffi.client_close(native)
        return native

    def close(self) -> None:
        """End all calls of this client, on every thread, and close its connections.

        Calls that run raise Cancelled within 100 ms, streams the next time they are read. Later
        calls raise ConfigurationError `client_closed`. Closing again does nothing.
        """
        self._closed = True
        native = self._natives.get(_ffi.forks)
        if native is not None:
            _ffi.client_close(native)

    def __getstate__(self) -> dict[str, Any]:
        # Base URL and project as they are here, wherever they came from: the environment of
        # another process has to give the token, and nothing else of the configuration.
        facts = self._facts()
        resolved = {"from_env": True, "base_url": facts["base_url"], "project": facts["project"]}
        options = _marshal.encode("client", {**_marshal.decode(self._options.json), **resolved})
        return {**super().__getstate__(), "_options": options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        tokens = (name.encode("ascii") for name in _TOKENS.values())
        super().__setstate__({**state, "_secrets": {"environment": environment(*tokens)}})

    def __enter__(self: Self) -> Self:
        if self._closed:
            raise client_closed()
        return self


def client_options(
    plane: str,
    *,
    from_env: bool,
    base_url: str | None,
    project: str | None,
    timeout: float | Timeouts | None,
    retries: int | RetryPolicy | None,
    ca_bundle: str | os.PathLike[str] | None,
    allow_http: bool,
    cold_start: float | None = None,
) -> _marshal.Encoded:
    """The core's client options, but for the secrets."""
    options = _marshal.Request(
        plane=plane,
        from_env=from_env,
        base_url=base_url,
        project=project,
        retries=retry_option(retries),
        notices=True,
        ca_bundle=_absolute(ca_bundle),
        allow_http=allow_http,
        user_agent=f"inferencekey-python/{__version__}",
        **clock_options(timeout),
    )
    if cold_start is not None:
        options["cold_start_ms"] = milliseconds("cold_start", cold_start)
    return _marshal.encode("client", options)


def client_secrets(token_name: str, token: Secret, *, from_env: bool) -> dict[str, Secret]:
    """The rest of them: the token, and the environment as it is now."""
    own = (b"INFERENCEKEY_",) if from_env else ()
    return {token_name: token, "environment": environment(*own)}


def _absolute(path: object) -> object:
    """The path, also for a child or a copy in another working directory."""
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    if not isinstance(path, str) or not path.strip():
        return path
    try:
        return os.path.abspath(path)
    except OSError:
        # The working directory is gone: that the file is too is the core's to say.
        return path
