"""An engine as a process of its own, and a small client for it: real sockets, hard time limits."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

START_LIMIT = 40.0
ANSWER_LIMIT = 30.0
"""Seconds; far above what an idle machine needs, so that only a hang reaches them."""


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[str]:
        """The `data` of each event, in order; fails where a frame is anything else."""
        frames = self.body.decode().split("\n\n")
        assert frames.pop() == ""
        assert all(frame.startswith("data: ") for frame in frames)
        return [frame.removeprefix("data: ") for frame in frames]

    @property
    def chunks(self) -> list[Any]:
        """The events of a complete stream, without its `[DONE]`."""
        *chunks, last = self.events
        assert last == "[DONE]"
        return [json.loads(chunk) for chunk in chunks]


@dataclass(frozen=True)
class Engine:
    """A running engine."""

    process: subprocess.Popen[str]
    port: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_LIMIT)

    def send(self, method: str, path: str, body: object = None) -> Answer:
        """body: bytes as they are, anything else as JSON."""
        connection = self.connect()
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, content, {"content-type": "application/json"})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, headers, response.read())
        connection.close()
        return answer

    def chat(self, prompt: str | list[Any], **options: object) -> Answer:
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        body = {"model": "any-slug", "messages": messages, **options}
        return self.send("POST", "/v1/chat/completions", body)

    def text(self, prompt: str, **options: object) -> str:
        answer = self.chat(prompt, **options)
        assert answer.status == 200, answer.body
        content = answer.json["choices"][0]["message"]["content"]
        assert isinstance(content, str)
        return content

    def embed(self, texts: object, **options: object) -> Answer:
        return self.send("POST", "/v1/embeddings", {"model": "m", "input": texts, **options})


def start(*arguments: str) -> subprocess.Popen[str]:
    """Start the engine's program on a free port."""
    command = [sys.executable, "-m", "inferencekey.local.engine", "--port", "0", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


@contextmanager
def running(*arguments: str) -> Iterator[Engine]:
    """An engine that has loaded its model; killed at the end."""
    with start(*arguments) as process:
        try:
            engine = Engine(process, _listening_port(process))
            _await_ready(engine)
            yield engine
        finally:
            process.kill()


def _listening_port(process: subprocess.Popen[str]) -> int:
    """The port of the log's first line. The rest is read and dropped: a full pipe would block."""
    log = process.stderr
    assert log is not None
    line = log.readline()
    found = re.search(r"listening on http://127\.0\.0\.1:(\d+)$", line.rstrip())
    assert found, f"the engine's first line is {line!r}"
    threading.Thread(target=lambda: deque(log, maxlen=0), daemon=True).start()
    return int(found[1])


def _await_ready(engine: Engine) -> None:
    deadline = time.monotonic() + START_LIMIT
    while (status := engine.send("GET", "/health").status) != 200:
        assert status == 503, status
        assert time.monotonic() < deadline, "the model was not loaded in time"
        time.sleep(0.02)
