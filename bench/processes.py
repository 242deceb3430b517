"""The processes of a benchmark: the server, and one for each client."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from meter import Measured

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parent / "build" / "native" / "release"


@contextmanager
def pinned(one_core: bool) -> Iterator[None]:
    """What is started inside runs on one core, or on all."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)} if one_core else cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


class _Child:
    """A process that is asked over its pipes, and ends with its standard input."""

    def __init__(self, *command: str | Path) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin
        assert self._process.stdout
        self._asks, self._answers = self._process.stdin, self._process.stdout

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error:
            self._process.kill()
        self._asks.close()
        self._process.wait()
        self._answers.close()


class Server(_Child):
    """The fast server of `native/server`."""

    def __init__(self) -> None:
        super().__init__(NATIVE / "bench-server")
        self.port = int(self._answers.readline())
        self.origin = f"http://127.0.0.1:{self.port}"
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port)

    def __enter__(self) -> Server:
        return self

    def counts(self) -> dict[str, int]:
        """What the server counted; the connection that asks is the first of `connections`."""
        self._connection.request("GET", "/counts")
        counts: dict[str, int] = json.loads(self._connection.getresponse().read())
        return counts


class Skipped(Exception):
    """The client has no figure here; says why."""


class Worker(_Child):
    """A client in a process of its own; `limit` is the one in Rust."""

    def __init__(self, client: str, server: Server) -> None:
        if client == "limit":
            super().__init__(NATIVE / "bench-limit", str(server.port))
        elif client.endswith("_node"):
            super().__init__("node", HERE / "node" / "worker.mjs", client, server.origin)
        else:
            super().__init__(sys.executable, HERE / "worker.py", client, server.origin)
        self._client = client

    def __enter__(self) -> Worker:
        return self

    def run(self, operation: str, seconds: float = 0, lanes: int = 1) -> Measured:
        """Repeat an operation for that long, at least once, in that many threads or tasks."""
        self._asks.write(f"{operation} {seconds} {lanes}\n")
        self._asks.flush()
        line = self._answers.readline()
        if not line:
            raise SystemExit(f"{self._client} died in {operation}: its own words stand above")
        answer = json.loads(line)
        if "skipped" in answer:
            raise Skipped(answer["skipped"])
        return Measured(**answer)
