"""A plain HTTP client for tests of the platform: what goes over the wire, and nothing of the
SDK."""

from __future__ import annotations

import http.client
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FAKE_ENGINE = Path(__file__).with_name("fake_engine.py")


def fake_command(*arguments: str) -> str:
    """A spec's `command` that runs the fake engine."""
    return shlex.join([sys.executable, str(FAKE_ENGINE), *arguments])


@dataclass
class Answer:
    """One whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error in the platform's form."""
        return str(self.json["error"]["code"])

    @property
    def message(self) -> str:
        """The message of an error in the platform's form."""
        return str(self.json["error"]["message"])


class PlatformClient:
    """Requests to a platform with a control token and a data key."""

    def __init__(self, env: Mapping[str, str]) -> None:
        origin = urlsplit(env["INFERENCEKEY_BASE_URL"])
        self.host, self.port = origin.hostname or "", origin.port or 0
        self.project = env["INFERENCEKEY_PROJECT"]
        self.sdk_token = env["INFERENCEKEY_SDK_TOKEN"]
        self.api_key = env["INFERENCEKEY_API_KEY"]
        self.workloads = f"/api/projects/{self.project}/workloads"

    def open(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 15,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send a request on a connection of its own; `body` as JSON unless it is bytes."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if token is None:
            token = self.sdk_token if path.startswith("/api") else self.api_key
        sent = {"content-type": "application/json", **(headers or {})}
        if token:
            sent["authorization"] = f"Bearer {token}"
        connection.request(method, path, raw, sent)
        return connection, connection.getresponse()

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """Send a request and read the whole answer."""
        connection, answer = self.open(method, path, body, **options)
        with closing(connection):
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())

    def create(self, slug: str = "bot", *, command: str | None = None, **fields: Any) -> Any:
        """Create a workload, served by `command` if given, and return its object."""
        body = {
            "name": "Bot",
            "slug": slug,
            "task_type": "text2text",
            "backend": "vllm",
            "model_name": "fake-model",
            **fields,
        }
        if command:
            body["config"] = {"command": command}
        answer = self.send("POST", self.workloads, body)
        assert answer.status == 201, answer
        return answer.json

    def list(self) -> Any:
        """The project's workloads."""
        return self.send("GET", self.workloads).json["workloads"]

    def events(self, slug: str = "bot") -> Iterator[Any]:
        """The readiness events until the stream ends; comments are passed over."""
        connection, answer = self.open("GET", f"{self.workloads}/{slug}/readiness-events")
        with closing(connection):
            assert answer.status == 200, answer.read()
            for line in answer:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])

    def wait(self, slug: str = "bot") -> Any:
        """The last readiness event: `ready`, `error` or the error frame of a deleted workload."""
        return list(self.events(slug))[-1]

    def chat(self, text: str, slug: str = "bot", *, stream: bool = False, **options: Any) -> Answer:
        """A whole chat answer."""
        body = {"model": slug, "stream": stream, "messages": [{"role": "user", "content": text}]}
        path = f"/endpoint/{self.project}/{slug}/v1/chat/completions"
        return self.send("POST", path, body, **options)

    def journal(self, slug: str = "bot") -> Any:
        """What reached the fake engine."""
        return self.send("GET", f"/endpoint/{self.project}/{slug}/v1/journal").json


def until(condition: Callable[[], bool], timeout: float = 10) -> None:
    """Wait until a condition holds that cannot be awaited; fail if it does not in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)
