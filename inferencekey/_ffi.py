"""The C ABI in Python's terms: statuses become exceptions, and bytes are copied out.

The only importer of `inferencekey._native`. All else sees plain Python values.
"""

from __future__ import annotations

import os

from inferencekey import _errors, _native, _retry
from inferencekey._marshal import decode
from inferencekey._plan import Plan
from inferencekey._results import Partial, ReadinessEvent
from inferencekey._vectors import Vectors

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    from inferencekey._marshal import Encoded
    from inferencekey._native import Held
    from inferencekey._retry import Retry
    from inferencekey._secret import Secret

ffi = _native.ffi
lib = _native.lib

# Names of this module are found faster than the library's.
new = ffi.new
gc = ffi.gc
unpack = ffi.unpack
drop = lib.ikey_py_drop
OK = lib.IKEY_OK
TIMEOUT = lib.IKEY_TIMEOUT
BUSY = lib.IKEY_ERROR_BUSY
NOTICE = lib.IKEY_EVENT_NOTICE
END = lib.IKEY_EVENT_END
ERROR = lib.IKEY_EVENT_ERROR
HELD = ffi.typeof("ikey_py_held *")
PLACES = lib.IKEY_PY_PLACES
NO_VECTORS = Vectors(b"", 1)

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


# How often this process was forked off another: a handle is good in the process that made it.
forks = 0


def _forked() -> None:
    global forks
    forks += 1


os.register_at_fork(after_in_child=_forked)


def client_new(options: Secret) -> Held:
    """A client of one plane. Sends nothing."""
    client = _held()
    _check(lib.ikey_py_client_new(options.reveal(), len(options.reveal()), client), client)
    return client


def client_endpoint(client: Held, options: Secret) -> Held:
    """An endpoint of a data client. Sends nothing."""
    endpoint, length = _held(), len(options.reveal())
    _check(lib.ikey_py_client_endpoint(client, options.reveal(), length, endpoint), endpoint)
    return endpoint


def client_describe(client: Held) -> dict[str, Any]:
    """Plane, base URL, host, project, workload slug and the token's display form."""
    given = _held()
    _check(lib.ikey_py_client_describe(client, given), given)
    facts: dict[str, Any] = decode(_only_event(given).head)
    return facts


def client_close(client: Held) -> None:
    """Ends what runs on the client and its endpoints, on any thread, and refuses new calls."""
    given = _held()
    _check(lib.ikey_py_client_close(client, given), given)


def spec_file_read(file: Secret, options: Secret) -> bytes:
    """The specs of a file, as JSON. Sends nothing."""
    given, texts = _held(), (file.reveal(), options.reveal())
    sizes = len(texts[0]), len(texts[1])
    _check(lib.ikey_py_spec_file_read(texts[0], sizes[0], texts[1], sizes[1], given), given)
    return _only_event(given).head


def has_controls(text: bytes) -> bool:
    """Has it control characters, other than tabs and the ends of lines?"""
    return lib.ikey_py_has_controls(text, len(text)) != 0


class Told:
    """Who is told of a call's notices.

    `on_retry` is told before a request goes out again, `on_create` before an ephemeral workload
    is created, and if it was not; what they raise ends the call. `before_notice` is called before
    either, and before a line of the log.
    """

    __slots__ = ("_on_retry", "before_notice", "on_create")
    on_create: Callable[[dict[str, Any]], None] | None
    before_notice: Callable[[], None] | None

    def __init__(self, on_retry: Callable[[Retry], None] | None) -> None:
        self._on_retry = on_retry
        self.on_create = None
        self.before_notice = None

    def take_notice(self, head: bytes) -> None:
        """Passes a notice on. The operation waits until this returns."""
        notice = decode(head)
        if self.before_notice is not None:
            self.before_notice()
        if notice["notice"] in ("creating", "not_created") and self.on_create is not None:
            self.on_create(notice)
        if "error" in notice:
            notice["error"] = exception(notice["error"])
        _retry.take(notice, self._on_retry)


class Operation(Told):
    """One running call, ended at its end, with `free`, or when nobody holds it any more."""

    __slots__ = ("_native", "ended")

    def __init__(self, native: Held, on_retry: Callable[[Retry], None] | None) -> None:
        super().__init__(on_retry)
        self.ended = False
        self._native = native

    def rest(self, status: int) -> Event | None:
        """The next event, of which the first crossing brought `status`; None after the end."""
        return self._taken(status, self._native) or self.take()

    def next(self, wait_ms: int = SLICE_MS) -> Event | None:
        """The next event; None if `wait_ms` brought none, or if the operation `ended`."""
        given = _held()
        return self._taken(lib.ikey_py_op_next(self._native, wait_ms, given), given)

    def _taken(self, status: int, given: Held) -> Event | None:
        if status == OK:
            event = _only_event(given)
            if event.kind != NOTICE:
                return event
            self.take_notice(event.head)
            return None
        if status == TIMEOUT:
            return None
        if status == BUSY:
            raise _errors.ValidationError(
                "another thread waits for this stream: one thread at a time may read it"
            )
        self.free()
        _check(status, given)
        return None

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
        lib.ikey_py_op_free(self._native)


def submit(
    client: Held, name: str, request: Encoded, on_retry: Callable[[Retry], None] | None
) -> Operation:
    """Checks the request; nothing is sent before the first event is asked for."""
    native, op = _held(), name.encode("ascii")
    _check(
        lib.ikey_py_op_submit(client, op, len(op), request.json, len(request.json), native), native
    )
    return Operation(native, on_retry)


def opened(
    client: Held, name: str, request: Encoded, on_retry: Callable[[Retry], None] | None
) -> tuple[Operation, Event | None]:
    """An operation that gives several events, and the first one. Signal handlers run meanwhile."""
    native, op = _held(), name.encode("ascii")
    running = Operation(native, on_retry)
    try:
        status = lib.ikey_py_op_first(
            client, op, len(op), request.json, len(request.json), SLICE_MS, native
        )
        return running, running.rest(status)
    except BaseException:
        # The traceback keeps it alive.
        running.free()
        raise


def result(
    client: Held,
    name: str,
    request: Encoded,
    on_retry: Callable[[Retry], None] | None,
    on_create: Callable[[dict[str, Any]], None] | None = None,
    grace_ms: int = 0,
) -> Event | None:
    """The one event of an operation that gives exactly one. Signal handlers run meanwhile.

    It takes one crossing, where the event comes soon, is small, and nothing is told before.

    grace_ms: how much longer it may run when a signal handler raises.
    """
    given, op, running = _held(), name.encode("ascii"), None
    try:
        status = lib.ikey_py_op_first(
            client, op, len(op), request.json, len(request.json), SLICE_MS, given
        )
        if status != OK or not given.is_empty:
            running = Operation(given, on_retry)
            running.on_create = on_create
            return running.rest(status)
    except BaseException:
        running = running or Operation(given, on_retry)
        running.linger(grace_ms)
        # The traceback keeps it alive.
        running.free()
        raise
    return _only_event(given)


class Queue:
    """Many operations: on one native thread, or polled, where they run in `submit`, `cancel` and
    `take`.

    Of a polled one the `descriptor` is readable when there is something to take, and something is
    due, whatever the descriptor says, `due_ms[0]` after each call of `submit` and `take`; -1:
    nothing runs.
    """

    __slots__ = (
        "_filled",
        "_given",
        "_got",
        "_memory",
        "_native",
        "_places",
        "_refused",
        "descriptor",
        "due_ms",
    )

    def __init__(self, operation: str, *, polled: bool) -> None:
        """operation: which one wants it, for the error where there can be none."""
        # Of a cycle, the collector may finalize what frees the memory before the `__del__` of those
        # who come here once more.
        self._memory = new(HELD)
        self._native = native = gc(self._memory, drop)
        self._refused = _held()
        self._given = [_held() for _ in range(PLACES)]
        self._places = ffi.new("ikey_py_held *[]", self._given)
        self._filled = ffi.new("size_t *", 0)
        self._got = 0
        self.due_ms = ffi.new("int32_t *", -1)
        descriptor = ffi.new("int32_t *", -1)
        try:
            if polled:
                _check(lib.ikey_py_queue_new_polled(native, descriptor), native)
            else:
                _check(lib.ikey_py_queue_new(native), native)
        except _errors.InferenceKeyError as error:
            error.args = (f"{operation}: {error}",)
            error.operation = operation
            raise
        self.descriptor = descriptor[0]

    def submit(self, client: Held, name: str, request: Encoded, tag: int) -> None:
        """Starts an operation, whose events bring the tag, up to one of kind END or ERROR."""
        refused, op = self._refused, name.encode("ascii")
        json = request.json
        status = lib.ikey_py_queue_submit(
            self._native, client, op, len(op), json, len(json), tag, refused, self.due_ms
        )
        _check(status, refused)

    def cancel(self, tag: int) -> None:
        """Ends it. Never blocks; does nothing after the end."""
        lib.ikey_py_queue_cancel(self._native, tag)

    def pause(self, tag: int, paused: bool) -> None:
        """Keeps it from running, or lets it go on. Never blocks; does nothing after the end."""
        lib.ikey_py_queue_pause(self._native, tag, paused)

    def take(self, came: list[Event], wait_ms: int = 0) -> bool:
        """Appends what has come, waited for so long; and says whether to take again at once.

        That is so if there may be more, and after a notice: its operation goes on then. Of one
        thread at a time. Nothing comes once the queue was freed. What a signal handler that raises
        keeps from coming comes the next time.
        """
        filled, given, status = self._filled, self._given, OK
        if self._got >= filled[0]:
            filled[0] = self._got = 0
            places = self._places
            status = lib.ikey_py_queue_take(self._native, wait_ms, places, filled, self.due_ms)
            _check(status, given[0])
        while self._got < filled[0]:
            place = self._got
            held = given[place]
            event = _event(held)
            event.tag, event.is_last = held.tag, held.is_last
            if not held.is_empty:
                # Views may need it, and nobody else what is in it.
                held = _held()
            # CPython calls signal handlers behind a call: the place is passed with the event.
            given[place] = self._places[place] = held
            self._got = place + 1
            came.append(event)
        return status == OK

    def free(self) -> None:
        """Stops what still runs, and closes the descriptor."""
        drop(self._native)
        self.due_ms[0] = -1


class Event:
    """A part of a result: copied out of the core, but for embeddings, which are views into it and
    have their raw bytes as `Raw`.

    Of an error its description. `tag` and `is_last`, no more come under the tag, are there if it
    comes from a queue.
    """

    __slots__ = ("head", "is_last", "kind", "raw", "tag", "vectors")
    head: bytes
    is_last: int
    kind: int
    raw: Any
    tag: int
    vectors: Vectors


def _only_event(given: Held) -> Event:
    """The same, where nothing else is to be given there."""
    event = _event(given)
    if given.is_empty and len(_spare) < MOST_SPARE:
        _spare.append(given)
    return event


def _event(given: Held) -> Event:
    """What was given."""
    event = Event()
    event.kind = given.kind
    if given.is_empty:
        length = given.head_length
        both = unpack(given.small, length + given.raw_length)
        event.head, event.raw = both[:length], both[length:]
        event.vectors = NO_VECTORS
        return event
    event.head = unpack(given.head, given.head_length)
    if given.rows:
        event.raw = Raw(given)
        size = given.rows * given.columns * ffi.sizeof("double")
        event.vectors = Vectors(_view(given, given.values, size), given.columns)
    else:
        event.raw = unpack(given.raw, given.raw_length)
        event.vectors = NO_VECTORS
    return event


class Raw:
    """The bytes of an answer with embeddings, put together by the core when they are asked for."""

    __slots__ = ("_forks", "_given")

    def __init__(self, given: Held) -> None:
        self._given = given
        self._forks = forks

    def __call__(self) -> memoryview:
        """All bytes. Raises InternalError without memory for them, ForkedError in a child."""
        if self._forks != forks:
            raise _errors.ForkedError(
                "embed: `.raw` of a result from before the fork of this process can only be read "
                "there"
            )
        failed = _held()
        _check(lib.ikey_py_event_raw(self._given, failed), failed)
        return _view(self._given, self._given.raw, self._given.raw_length)


def _view(given: Held, start: object, size: int) -> memoryview:
    """Memory of what was given, which stays as long as the view does. Nothing is copied."""
    # The view holds the pointer, and the pointer what would be called at its end. It is no Python
    # code (see `_held`).
    kept = gc(start, [given].append)
    return memoryview(ffi.buffer(kept, size)).toreadonly()


def _check(status: int, given: Held) -> None:
    """Raises what was given if the status is an error."""
    if status < 0:
        _raise(given)


def _raise(given: Held) -> NoReturn:
    facts = decode(unpack(given.head, given.head_length))
    # The traceback keeps it alive.
    drop(given)
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


# What nothing is in any more; several threads may take from it at once.
_spare: list[Held] = []
MOST_SPARE = 64


def _held() -> Held:
    """Room for what a call gives; what is in it is freed with it.

    It exists before the call that fills it, so an exception from a signal handler at any point
    leaks nothing.
    """
    try:
        return _spare.pop()
    except IndexError:
        return gc(new(HELD), drop)
