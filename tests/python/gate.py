"""A server that answers nobody before everybody is there: the proof of "at the same time"."""

from __future__ import annotations

import asyncio
import json
import threading
from types import TracebackType
from typing import Any

from clients import completion, delta
from double import LAST_CHUNK, answer, chunk, chunked_head, frames


class Gate:
    """Waits until `expected` requests are in, all of them unanswered, then answers them all.

    Later ones are answered at once. Of a stream the first chunk comes before the gate is open. It
    is one thread: there is none for each connection, as `Double` has it.
    """

    url = ""

    def __init__(self, expected: int) -> None:
        self._missing = expected
        self._waiting: list[Peer] = []
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Gate:
        self._thread.start()
        self._listening.wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        serving = self._loop.create_server(lambda: Peer(self), "127.0.0.1", 0, backlog=2048)
        server = self._loop.run_until_complete(serving)
        self.url = "http://{}:{}".format(*server.sockets[0].getsockname())
        self._listening.set()
        self._loop.run_forever()

    def asked(self, peer: Peer) -> None:
        """A request is in, whole."""
        self._waiting.append(peer)
        self._missing -= 1
        if self._missing <= 0:
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.answer()


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._received = b""
        self._request: dict[str, Any] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps what is written to."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Reads one request; a client sends no second one before the answer."""
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if not length or len(body) < int(length):
            return
        self._received = b""
        self._request = json.loads(body)
        if self._request["stream"]:
            self._transport.write(chunked_head() + chunk(frames(delta("first "))))
        self._gate.asked(self)

    def answer(self) -> None:
        """The prompt, or the rest of the stream with it."""
        text = self._request["messages"][0]["content"]
        if self._request["stream"]:
            end = frames(delta(text), delta(None, "stop"), "[DONE]")
            self._transport.write(chunk(end) + LAST_CHUNK)
        else:
            self._transport.write(answer(completion(text)))
