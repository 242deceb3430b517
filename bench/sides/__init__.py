"""The clients that are measured, one file each: how a user of it would write the calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

INPUTS = ["x"] * 2_048
DATA_KEY = "ik_live_bench"
CONTROL_TOKEN = "ik_sdk_bench"

Each = Callable[[str], object]


class NotOffered(Exception):
    """The client has no such thing; the table shows that."""


class Blocking:
    """What a blocking client is asked for. What it cannot do it leaves as it is here."""

    def chat(self, prompt: str) -> str:
        """The text of a whole answer."""
        raise NotOffered

    def read(self, slug: str, each: Each) -> None:
        """Calls `each` with the text of every chunk of a stream, as soon as it is there."""
        raise NotOffered

    def lists(self, slug: str) -> list[list[float]]:
        """The embeddings of INPUTS."""
        raise NotOffered

    def array(self, slug: str) -> Any:
        """The same as one numpy array."""
        raise NotOffered

    def find(self, workloads: int) -> bool:
        """Is the last workload of a project of so many there?"""
        raise NotOffered


class Asynchronous:
    """The same of an asyncio client; it is made while its loop runs."""

    async def chat(self, prompt: str) -> str:
        """The text of a whole answer."""
        raise NotOffered

    async def read(self, slug: str, each: Each) -> None:
        """Calls `each` with the text of every chunk of a stream, as soon as it is there."""
        raise NotOffered

    async def lists(self, slug: str) -> list[list[float]]:
        """The embeddings of INPUTS."""
        raise NotOffered

    async def array(self, slug: str) -> Any:
        """The same as one numpy array."""
        raise NotOffered

    async def find(self, workloads: int) -> bool:
        """Is the last workload of a project of so many there?"""
        raise NotOffered

    async def close(self) -> None:
        """Called at the end, for clients that complain otherwise."""
