"""What is closed at the end of its `with` block."""

from __future__ import annotations

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import TypeVar

    Self = TypeVar("Self", bound="Closing")
    AsyncSelf = TypeVar("AsyncSelf", bound="AsyncClosing")


class Closing:
    """A context manager: leaving it closes it."""

    __slots__ = ()

    def close(self) -> None:
        """Never blocks; closing again does nothing."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClosing:
    """An async context manager: leaving it closes it."""

    __slots__ = ()

    def close(self) -> None:
        """Never blocks; closing again does nothing."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """The same, for `contextlib.aclosing` and the like."""
        self.close()

    async def __aenter__(self: AsyncSelf) -> AsyncSelf:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
