"""What `_ffi.py` uses of the compiled module that `build_ffi.py` makes."""

from collections.abc import Callable
from typing import Literal, Protocol, TypeVar, overload

Item = TypeVar("Item")

class Held(Protocol):
    """Handles, and views into what they hold: see `_native.h`."""

    kind: int
    is_last: int
    tag: int
    head: object
    head_length: int
    raw: object
    raw_length: int
    values: object
    rows: int
    columns: int
    is_empty: int
    small: object

class Array(Protocol[Item]):
    """A C array."""

    def __getitem__(self, index: int) -> Item: ...
    def __setitem__(self, index: int, value: Item) -> None: ...

class _FFI:
    def typeof(self, kind: str) -> object: ...
    @overload
    def new(self, kind: object) -> Held: ...
    @overload
    def new(self, kind: Literal["ikey_py_held *[]"], items: list[Held]) -> Array[Held]: ...
    @overload
    def new(self, kind: Literal["size_t *", "int32_t *"], item: int) -> Array[int]: ...
    @overload
    def gc(self, held: Held, destroy: Callable[[Held], None]) -> Held: ...
    @overload
    def gc(self, held: object, destroy: Callable[[Held], None]) -> object: ...
    def unpack(self, start: object, size: int) -> bytes: ...
    def buffer(self, start: object, size: int) -> memoryview: ...
    def sizeof(self, kind: str) -> int: ...
    def string(self, text: object) -> bytes: ...

class _Lib:
    IKEY_ABI_VERSION: int
    IKEY_OK: int
    IKEY_TIMEOUT: int
    IKEY_ERROR_BUSY: int
    IKEY_EVENT_END: int
    IKEY_EVENT_ERROR: int
    IKEY_EVENT_NOTICE: int
    IKEY_PY_PLACES: int
    def ikey_abi_version(self) -> int: ...
    def ikey_version(self) -> object: ...
    def ikey_live_objects(self) -> int: ...
    def ikey_py_drop(self, held: Held) -> None: ...
    def ikey_py_has_controls(self, text: bytes, length: int) -> int: ...
    def ikey_py_event_raw(self, given: Held, failed: Held) -> int: ...
    def ikey_py_client_new(self, options: bytes, length: int, given: Held) -> int: ...
    def ikey_py_client_endpoint(
        self, client: Held, options: bytes, length: int, given: Held
    ) -> int: ...
    def ikey_py_client_describe(self, client: Held, given: Held) -> int: ...
    def ikey_py_client_close(self, client: Held, given: Held) -> int: ...
    def ikey_py_spec_file_read(
        self, file: bytes, file_length: int, options: bytes, options_length: int, given: Held
    ) -> int: ...
    def ikey_py_op_submit(
        self,
        client: Held,
        name: bytes,
        name_length: int,
        request: bytes,
        request_length: int,
        given: Held,
    ) -> int: ...
    def ikey_py_op_first(
        self,
        client: Held,
        name: bytes,
        name_length: int,
        request: bytes,
        request_length: int,
        timeout_ms: int,
        given: Held,
    ) -> int: ...
    def ikey_py_op_next(self, op: Held, timeout_ms: int, given: Held) -> int: ...
    def ikey_py_op_free(self, op: Held) -> None: ...
    def ikey_py_queue_new(self, given: Held) -> int: ...
    def ikey_py_queue_new_polled(self, given: Held, descriptor: Array[int]) -> int: ...
    def ikey_py_queue_submit(
        self,
        queue: Held,
        client: Held,
        name: bytes,
        name_length: int,
        request: bytes,
        request_length: int,
        tag: int,
        given: Held,
        due_ms: Array[int],
    ) -> int: ...
    def ikey_py_queue_cancel(self, queue: Held, tag: int) -> None: ...
    def ikey_py_queue_pause(self, queue: Held, tag: int, paused: int) -> None: ...
    def ikey_py_queue_take(
        self,
        queue: Held,
        timeout_ms: int,
        places: Array[Held],
        filled: Array[int],
        due_ms: Array[int],
    ) -> int: ...

ffi: _FFI
lib: _Lib
