"""Where engines run: a port of three methods, so that a cluster can stand behind the platform.

`supervisor.py` is the implementation for processes of this machine. The reconciler knows only this
file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from .types import Address, EngineCommand

HandleT = TypeVar("HandleT")


@dataclass(frozen=True)
class Observation:
    """What is known about a placed engine at one moment."""

    address: Address
    generation: int
    """Counts the engine's starts on this placement, from 1."""
    alive: bool
    exit: str | None
    """How it ended, in words (`exit code 3`, `signal SIGKILL`); None while it runs."""
    log_tail: tuple[str, ...]
    """Its last lines, oldest first."""


@dataclass(frozen=True)
class Replica:
    """One wanted engine process, named so that a person finds its log."""

    workload_id: str
    project: str
    slug: str


class Placement(Protocol, Generic[HandleT]):
    """Starts, observes and stops engines."""

    async def place(self, replica: Replica, spec: EngineCommand) -> HandleT:
        """Start an engine. Raises LocalError where it cannot be started at all."""

    async def observe(self, handle: HandleT, *, until_change: float = 0.0) -> Observation:
        """What the engine does now. Waits up to `until_change` seconds, but not past its end."""

    async def stop(self, handle: HandleT) -> None:
        """Stop the engine and its children; returns when they are gone. Stopping twice is
        allowed."""
