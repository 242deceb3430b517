"""The listening side of the double."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from double.journal import Connection, Journal, Request
from double.steps import Gone, Send, Step

Script = Sequence[Step] | bytes


@dataclass(frozen=True)
class Certificate:
    """A server's certificate and its key, in PEM files."""

    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """TLS with it. HTTP/2 is preferred, so that a client that offers it would get it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        context.set_alpn_protocols(["h2", "http/1.1"])
        return context


class Double:
    """Answers each request by the next script; or asks a function for the script of a request.

    A script is played once its request is in, whole; afterwards the connection waits for the next
    request. A request for which there is no script left is answered with 599.

    greeting: played on each connection before anything is read from it.
    reads_bodies: without it a request counts as in once its head is, and its body stays unread.
    listens: without it connections are refused, at a port that is nobody else's meanwhile.

        with Double(answer({"workloads": []}), [Send(sse(...), every=1)]) as double:
            client = DataClient(base_url=double.url, ...)

    With a certificate it speaks TLS.
    """

    def __init__(
        self,
        *scripts: Script | Callable[[Request], Script],
        tls: Certificate | None = None,
        host: str = "127.0.0.1",
        greeting: Sequence[Step] = (),
        reads_bodies: bool = True,
        listens: bool = True,
    ) -> None:
        self._choose = _chooser(scripts)
        self._tls = tls.context() if tls else None
        self._greeting = greeting
        self._reads_bodies = reads_bodies
        self.journal = Journal()
        self._lock = threading.Lock()
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listens = listens
        self._listener = socket.socket(family)
        self._listener.bind((host, 0))
        if listens:
            self._listener.listen(128)
        self.port: int = self._listener.getsockname()[1]
        self.host = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"

    def __enter__(self) -> Double:
        if self._listens:
            self._spawn(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        # A shutdown wakes the thread that is blocked in accept or recv; a close alone does not.
        for peer in [self._listener, *self._peers]:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for peer in [self._listener, *self._peers]:
            peer.close()

    def _spawn(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._peers.append(peer)
            self._spawn(self._serve, peer)

    def _serve(self, peer: socket.socket) -> None:
        connection = Connection()
        self.journal.opened(connection)
        # The client may refuse the certificate, and leave at any time.
        # A test's own function may fail: the client shall not wait for an answer then.
        with peer, contextlib.suppress(Gone, OSError), self._secured(peer, connection) as stream:
            self._converse(stream, connection)
        connection.closed.set()

    def _secured(self, peer: socket.socket, connection: Connection) -> socket.socket:
        if self._tls is None:
            return peer
        stream = self._tls.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        self._peers.append(stream)
        try:
            stream.do_handshake()
        except OSError:
            stream.close()
            raise
        connection.protocol = stream.selected_alpn_protocol()
        return stream

    def _converse(self, peer: socket.socket, connection: Connection) -> None:
        with peer.makefile("rb") as reader:
            self._play(self._greeting, peer)
            while request := _read(reader, self._reads_bodies):
                self.journal.received(connection, request)
                with self._lock:
                    script = self._choose(request)
                self._play(script, peer)

    def _play(self, script: Script, peer: socket.socket) -> None:
        for step in [script] if isinstance(script, bytes) else script:
            playable = Send(step) if isinstance(step, bytes) else step
            playable.play(peer, self._stopped.is_set)


def _chooser(
    scripts: Sequence[Script | Callable[[Request], Script]],
) -> Callable[[Request], Script]:
    """The test's own function, or the scripts in their order."""
    if scripts and callable(scripts[0]):
        return scripts[0]
    rest = (script for script in scripts if not callable(script))
    none_left = b"HTTP/1.1 599 No script left\r\ncontent-length: 0\r\n\r\n"
    return lambda request: next(rest, none_left)


def _read(reader: BinaryIO, reads_body: bool) -> Request | None:
    """The next request; None if the client closed the connection instead."""
    line = reader.readline()
    if not line:
        return None
    method, target, _ = line.decode("ascii").split(" ")
    headers = {}
    while (line := reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0))) if reads_body else b""
    return Request(method, target, headers, body)
