"""Ports for engines: free now, and nobody else's until the engine has bound them."""

from __future__ import annotations

import errno
import random
import socket

from .errors import LocalError
from .types import Address

LOOPBACK = "127.0.0.1"
ENGINE_PORTS = range(20_000, 32_768)
"""Below the range from which Linux and macOS give ports to programs that ask for any (32,768 and
49,152 upwards): a port from there may be given away before an engine binds it."""
_LOOKS = 200


def free_port() -> int:
    """A port on which nothing listens."""
    for port in random.sample(ENGINE_PORTS, _LOOKS):
        if not is_taken(Address(LOOPBACK, port)):
            return port
    raise LocalError(
        f"no free port for an engine among {_LOOKS} between {ENGINE_PORTS[0]} and "
        f"{ENGINE_PORTS[-1]}",
        hint="stop programs that listen there, or name a port in the workload's `command`",
    )


def require_free(address: Address) -> None:
    """Refuse a port on which another program listens: its answers would be taken for the
    engine's."""
    if is_taken(address):
        raise clash(address.port, "in use")


def is_taken(address: Address) -> bool:
    """Does another program listen there?"""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as cause:
            # Other failures are not about the port: the engine may hold rights that the platform
            # lacks, and it will tell.
            return cause.errno == errno.EADDRINUSE
    return False


def clash(port: int, how: str) -> LocalError:
    """A workload names a port that it cannot have."""
    return LocalError(
        f"port {port}, which the workload's `command` names, is {how}",
        hint="leave the port out of `command`: the platform adds a free one",
    )
