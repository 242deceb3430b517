"""What reached the double."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Request:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, which has to be strict JSON: NaN and its kind are refused."""
        return json.loads(self.body, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


@dataclass
class Connection:
    """One connection: its requests, and whether the client closed it.

    On TLS `protocol` is what was agreed on by ALPN.
    """

    requests: list[Request] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)
    protocol: str | None = None


class Journal:
    """Everything in the order of arrival; safe to read while the double runs."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.requests: list[Request] = []
        self._changed = threading.Condition()

    def opened(self, connection: Connection) -> None:
        """A client connected."""
        with self._changed:
            self.connections.append(connection)
            self._changed.notify_all()

    def received(self, connection: Connection, request: Request) -> None:
        """A request is in, whole."""
        with self._changed:
            connection.requests.append(request)
            self.requests.append(request)
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[Journal], bool], seconds: float = 5.0) -> None:
        """Return once the condition holds; fail after that time."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), seconds):
                raise AssertionError(f"not within {seconds} s; requests: {self.requests}")

    def wait_for_requests(self, count: int) -> None:
        """Return once that many requests are in."""
        self.wait_for(lambda journal: len(journal.requests) >= count)
