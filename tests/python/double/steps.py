"""What the double does on a connection, as data: a script is a sequence of these and bytes."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Gone(Exception):
    """The connection is over; what is left of the script is not played."""


class Playable(Protocol):
    """One thing that the double does."""

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Does it; returns early or raises Gone if the double has stopped."""


@dataclass(frozen=True)
class Send:
    """Send bytes, in pieces of `every` bytes if that is set."""

    data: bytes
    every: int | None = None

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Sends; the client may be gone."""
        size = self.every or max(len(self.data), 1)
        for start in range(0, len(self.data), size):
            try:
                peer.sendall(self.data[start : start + size])
            except OSError as error:
                raise Gone from error


@dataclass(frozen=True)
class Repeat:
    """Send the same bytes over and over until the client goes away; or `times` times.

    pause: seconds after each.
    """

    data: bytes
    times: int | None = None
    pause: float = 0.0

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Sends; the client may be gone."""
        sent = 0
        while sent != self.times:
            if stopped():
                raise Gone
            Send(self.data).play(peer, stopped)
            time.sleep(self.pause)
            sent += 1


@dataclass(frozen=True)
class Pause:
    """Be silent for so many seconds: only where the silence itself is the fault."""

    seconds: float

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Waits."""
        time.sleep(self.seconds)


@dataclass(frozen=True)
class Until:
    """Go on once the test sets the event."""

    event: threading.Event

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Waits, at most until the double stops."""
        while not self.event.wait(0.02):
            if stopped():
                raise Gone


@dataclass(frozen=True)
class Tunnel:
    """Do as a proxy does that was asked for CONNECT: connect to `target`, then pass bytes on."""

    target: str

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Ends with either side."""
        host, _, port = self.target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), timeout=5) as far:
            peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pass_on, args=(far, peer), daemon=True)
            back.start()
            _pass_on(peer, far)
            back.join(5)
        raise Gone


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy until the source ends; then end the target."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class _Hang:
    """Say nothing more until the client goes away."""

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Reads and forgets."""
        while peer.recv(65536):
            pass
        raise Gone


class _CloseNotify:
    """End TLS in order, then the connection."""

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Does not wait for the client's own close_notify."""
        assert isinstance(peer, ssl.SSLSocket)
        peer.settimeout(0.05)
        with contextlib.suppress(OSError):
            peer.unwrap()
        raise Gone


class _Fin:
    """Close the connection in order; with TLS, without a word of it."""

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """Says that nothing more will come, and leaves."""
        peer.shutdown(socket.SHUT_WR)
        raise Gone


class _Rst:
    """Reset the connection."""

    def play(self, peer: socket.socket, stopped: Callable[[], bool]) -> None:
        """A close that does not linger is a reset on the wire."""
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone


CLOSE_NOTIFY = _CloseNotify()
HANG = _Hang()
FIN = _Fin()
RST = _Rst()

Step = bytes | Playable
