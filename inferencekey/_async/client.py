"""What async clients have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inferencekey._client import Client
from inferencekey._closing import AsyncClosing

if TYPE_CHECKING:
    from typing import TypeVar

    Self = TypeVar("Self", bound="AsyncClient")


class AsyncClient(Client, AsyncClosing):
    """A client whose calls are awaited. It holds nothing of a loop."""

    async def __aenter__(self: Self) -> Self:
        return self.__enter__()
