"""The C ABI in Python's terms: statuses become exceptions, and bytes are copied out.

The only importer of `inferencekey._native`. All else sees plain Python values.
"""

from __future__ import annotations

import os

from inferencekey import _errors, _native, _retry
from inferencekey._marshal import decode
from inferencekey._plan import Plan
from inferencekey._results import Partial, ReadinessEvent, Vectors

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, NoReturn

    from inferencekey._native import Box
    from inferencekey._retry import Retry
    from inferencekey._secret import Secret

ffi = _native.ffi
lib = _native.lib

if lib.ikey_abi_version() != lib.IKEY_ABI_VERSION:
    raise ImportError(
        f"inferencekey._native was built for version {lib.IKEY_ABI_VERSION} of the C ABI, "
        f"and the libinferencekey beside it has version {lib.ikey_abi_version()}: "
        "install inferencekey again"
    )

# Python's signal handlers run between two slices: Ctrl-C waits no longer than one.
SLICE_MS = 100

# Class names as the core gives them.
_CLASSES = {
    name: value
    for name, value in vars(_errors).items()
    if isinstance(value, type) and issubclass(value, _errors.InferenceKeyError)
}

# Attributes of errors that are more than text and numbers.
_ATTRIBUTES: dict[str, Callable[[Any], object]] = {
    "plan": Plan.from_answer,
    "partial": lambda partial: Partial(partial["text"]),
    "events": lambda events: [ReadinessEvent.from_answer(event) for event in events],
}


def version() -> str:
    """The version of the core, as it says."""
    return ffi.string(lib.ikey_version()).decode("ascii")


class Process:
    """Counts the forks up to now: a handle is good in the process that made it."""

    forks = 0


def _forked() -> None:
    Process.forks += 1


os.register_at_fork(after_in_child=_forked)


def client_new(options: Secret) -> Box:
    """A client of one plane. Sends nothing."""
    box, err = _box("ikey_client"), _box("ikey_error")
    length = len(options.reveal())
    _check(lib.ikey_client_new(options.reveal(), length, box, err), err)
    return box


def client_endpoint(client: Box, options: Secret) -> Box:
    """An endpoint of a data client. Sends nothing."""
    box, err = _box("ikey_client"), _box("ikey_error")
    length = len(options.reveal())
    _check(lib.ikey_client_endpoint(client[0], options.reveal(), length, box, err), err)
    return box


def client_describe(client: Box) -> dict[str, Any]:
    """Plane, base URL, host, project, workload slug and the token's display form."""
    box, err = _box("ikey_event"), _box("ikey_error")
    _check(lib.ikey_client_describe(client[0], box, err), err)
    facts: dict[str, Any] = decode(Event(box).head)
    return facts


def client_close(client: Box) -> None:
    """Ends what runs on the client and its endpoints, on any thread, and refuses new calls."""
    err = _box("ikey_error")
    _check(lib.ikey_client_close(client[0], err), err)


def spec_file_read(file: Secret, options: Secret) -> bytes:
    """The specs of a file, as JSON. Sends nothing."""
    box, err = _box("ikey_event"), _box("ikey_error")
    sizes = len(file.reveal()), len(options.reveal())
    status = lib.ikey_spec_file_read(file.reveal(), sizes[0], options.reveal(), sizes[1], box, err)
    _check(status, err)
    return Event(box).head


class Operation:
    """One running call, ended at its end, with `free`, or when nobody holds it any more.

    `on_retry` is told before a request goes out again, `on_creating` before an ephemeral workload
    is created; what they raise comes out of `next`. `before_notice` is called before either, and
    before a line of the log.
    """

    __slots__ = ("_box", "_on_retry", "before_notice", "ended", "on_creating")
    on_creating: Callable[[dict[str, Any]], None] | None
    before_notice: Callable[[], None] | None

    def __init__(
        self, client: Box, name: str, request: bytes, on_retry: Callable[[Retry], None] | None
    ) -> None:
        self.ended = False
        self._on_retry = on_retry
        self.on_creating = None
        self.before_notice = None
        self._box, err = _box("ikey_op"), _box("ikey_error")
        op = name.encode("ascii")
        status = lib.ikey_op_submit(
            client[0], op, len(op), request, len(request), ffi.NULL, self._box, err
        )
        _check(status, err)

    def next(self, wait_ms: int = SLICE_MS) -> Event | None:
        """The next event; None if `wait_ms` brought none, or if the operation `ended`."""
        box, err = _box("ikey_event"), _box("ikey_error")
        status = lib.ikey_op_next(self._box[0], wait_ms, box, err)
        if status == lib.IKEY_OK:
            event = Event(box)
            if event.kind != lib.IKEY_EVENT_NOTICE:
                return event
            self._notice(decode(event.head))
            return None
        if status == lib.IKEY_TIMEOUT:
            return None
        if status == lib.IKEY_ERROR_BUSY:
            raise _errors.ValidationError(
                "another thread waits for this stream: one thread at a time may read it"
            )
        self.free()
        _check(status, err)
        return None

    def _notice(self, notice: dict[str, Any]) -> None:
        if self.before_notice is not None:
            self.before_notice()
        if notice["notice"] == "creating" and self.on_creating is not None:
            self.on_creating(notice)
        if "error" in notice:
            notice["error"] = exception(notice["error"])
        _retry.take(notice, self._on_retry)

    def take(self) -> Event | None:
        """The next event, waited for; None after the end. Signal handlers run meanwhile."""
        while not self.ended:
            event = self.next()
            if event is not None:
                return event
        return None

    def linger(self, wait_ms: int) -> None:
        """Goes on for a moment, whatever comes of it. Does nothing after the end."""
        if wait_ms and not self.ended:
            try:
                self.next(wait_ms)
            except _errors.InferenceKeyError:
                return

    def free(self) -> None:
        """Ends the operation, and closes its connection if it was not over. Never blocks."""
        self.ended = True
        lib.ikey_op_free(self._box[0])
        self._box[0] = ffi.NULL

    def __enter__(self) -> Operation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.free()


class Event:
    """A part of a result, copied out of the core."""

    __slots__ = ("head", "kind", "raw", "vectors")

    def __init__(self, box: Box) -> None:
        self.kind = _event_kind(box)
        self.head = _event_bytes(lib.ikey_event_head, box)
        self.raw = _event_bytes(lib.ikey_event_raw, box)
        self.vectors = _event_vectors(box)
        lib.ikey_event_free(box[0])
        box[0] = ffi.NULL


def _event_kind(box: Box) -> int:
    kind, err = ffi.new("int32_t *"), _box("ikey_error")
    _check(lib.ikey_event_kind(box[0], kind, err), err)
    return int(kind[0])


def _event_bytes(view: Any, box: Box) -> bytes:
    start, length, err = ffi.new("const uint8_t **"), ffi.new("size_t *"), _box("ikey_error")
    _check(view(box[0], start, length, err), err)
    return bytes(ffi.buffer(start[0], length[0]))


def _event_vectors(box: Box) -> Vectors:
    values, err = ffi.new("const double **"), _box("ikey_error")
    rows, columns = ffi.new("size_t *"), ffi.new("size_t *")
    _check(lib.ikey_event_vectors(box[0], values, rows, columns, err), err)
    size = rows[0] * columns[0] * ffi.sizeof("double")
    return Vectors(bytes(ffi.buffer(values[0], size)), columns[0])


def _check(status: int, err: Box) -> None:
    """Raises what `err` says if the status is an error."""
    if status < 0:
        _raise(err)


def _raise(err: Box) -> NoReturn:
    start, length = ffi.new("const uint8_t **"), ffi.new("size_t *")
    lib.ikey_error_json(err[0], start, length)
    facts = decode(bytes(ffi.buffer(start[0], length[0])))
    raise exception(facts)


def exception(facts: dict[str, Any]) -> _errors.InferenceKeyError:
    """The exception for the core's description of an error (docs/c-api.md, "Errors")."""
    kind = _CLASSES.get(facts.pop("class"), _errors.ApiError)
    message = facts.pop("message")
    attributes = {
        name: _ATTRIBUTES[name](value) if name in _ATTRIBUTES else value
        for name, value in facts.items()
        # What a newer core says and this class does not know stays in the message.
        if value is not None and hasattr(kind, name)
    }
    return kind(message, **attributes)


# What frees the handle in a box of each C type. It is no Python code: there a signal handler might
# raise where nobody can catch it.
_FREE = {
    "ikey_client": lib.free_boxed_client,
    "ikey_op": lib.free_boxed_op,
    "ikey_event": lib.free_boxed_event,
    "ikey_error": lib.free_boxed_error,
}


def _box(kind: str) -> Box:
    """Room for one handle, freed with the box.

    It exists before the call that fills it, so an exception from a signal handler at any point
    leaks nothing.
    """
    return ffi.gc(ffi.new(f"{kind} **"), _FREE[kind])
