"""The SDK with asyncio."""

from __future__ import annotations

from sides import Asynchronous, NotOffered


class Client(Asynchronous):
    """Not there yet."""

    def __init__(self, origin: str) -> None:
        raise NotOffered("is not landed yet")
