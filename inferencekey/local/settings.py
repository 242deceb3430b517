"""How one embedded platform is set up."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from .auth import is_loopback
from .errors import LocalError
from .phases import Timings
from .slug import is_slug
from .types import DEFAULT_PROJECT, OnTaken

DEFAULT_PORT = 8400
MAX_PORT = 65535


@dataclass(frozen=True)
class Settings:
    """Options of a platform; their defaults are those of `Platform()`.

    Raises LocalError for a value that the platform does not take."""

    project: str = DEFAULT_PROJECT
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    db: Path | None = None
    """The file that keeps projects, tokens and workloads; None keeps them in memory."""
    data_dir: Path | None = None
    """Where logs and tokens are kept; None: a temporary directory that goes with the platform."""
    stand_in: bool = False
    """Whether the bundled model may serve, openly, in place of an engine that is not installed."""
    on_taken: OnTaken = "suffix"
    allow_remote: bool = False
    """Whether `host` may be an address that other machines reach."""
    timings: Timings = field(default_factory=Timings)

    def __post_init__(self) -> None:
        if not is_slug(self.project):
            raise LocalError(
                f"the project name {self.project!r} is not a slug",
                hint="use a-z, 0-9 and single `-` in between",
            )
        if not isinstance(self.port, int) or not 0 <= self.port <= MAX_PORT:
            raise LocalError(
                f"the port must be an integer from 0 to {MAX_PORT}, not {self.port!r}",
                hint="0 takes a free one",
            )
        if self.on_taken not in get_args(OnTaken):
            raise LocalError(
                f"on_taken must be one of {', '.join(get_args(OnTaken))}, not {self.on_taken!r}"
            )
        self._check_host()

    def _check_host(self) -> None:
        if is_loopback(self.host):
            return
        if not _is_address(self.host):
            raise LocalError(
                f"{self.host} is neither an address nor a name that leads to one",
                hint="keep to 127.0.0.1",
            )
        if not self.allow_remote:
            raise LocalError(
                f"{self.host} can be reached from other machines, "
                "and a control token runs commands on this one",
                hint="keep to 127.0.0.1, or say `--allow-remote` on a network that you trust",
            )


def _is_address(host: str) -> bool:
    try:
        return bool(socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return False
