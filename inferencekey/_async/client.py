"""What async clients have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inferencekey._client import Client

if TYPE_CHECKING:
    from types import TracebackType
    from typing import TypeVar

    Self = TypeVar("Self", bound="AsyncClient")


class AsyncClient(Client):
    """A client whose calls are awaited. It holds nothing of a loop."""

    async def aclose(self) -> None:
        """The same as `close`, which never blocks, for `contextlib.aclosing` and the like."""
        self.close()

    async def __aenter__(self: Self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
