"""`http.client` and `json` of the standard library: one connection for each thread, kept alive."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any

from sides import Blocking, Each
from sides import openai_style as style


class Client(Blocking):
    """Checks nothing, repeats nothing and keeps no clock."""

    def __init__(self, origin: str) -> None:
        self._address = origin.removeprefix("http://")
        self._local = threading.local()

    def chat(self, prompt: str) -> str:
        """See Blocking."""
        answer = self._post(style.chat_path("chat"), style.chat_body("chat", prompt, stream=False))
        return style.text_of(json.loads(answer.read()))

    def read(self, slug: str, each: Each) -> None:
        """See Blocking."""
        answer = self._post(style.chat_path(slug), style.chat_body(slug, "x", stream=True))
        for line in answer:
            if line.startswith(b"data: {"):
                each(style.text_of_line(line))

    def lists(self, slug: str) -> list[list[float]]:
        """See Blocking."""
        return style.rows_of(self._embed(slug))

    def array(self, slug: str) -> Any:
        """See Blocking."""
        return style.array_of(self._embed(slug))

    def find(self, workloads: int) -> bool:
        """See Blocking."""
        answer = self._ask("GET", style.list_path(workloads), None, style.CONTROL_HEADERS)
        return style.holds_last(json.loads(answer.read()), workloads)

    def _embed(self, slug: str) -> Any:
        answer = self._post(style.embeddings_path(slug), style.embeddings_body(slug))
        return json.loads(answer.read())

    def _post(self, path: str, body: dict[str, Any]) -> http.client.HTTPResponse:
        text = json.dumps(body, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", **style.DATA_HEADERS}
        return self._ask("POST", path, text, headers)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(self._address)
        connection: http.client.HTTPConnection = self._local.connection
        connection.request(method, path, body, headers)
        return connection.getresponse()
