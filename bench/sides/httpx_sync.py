"""`httpx`, blocking, with its defaults."""

from __future__ import annotations

from typing import Any

import httpx

from sides import Blocking, Each
from sides import openai_style as style


class Client(Blocking):
    """One `httpx.Client`."""

    def __init__(self, origin: str) -> None:
        self._http = httpx.Client(base_url=origin, headers=style.DATA_HEADERS, timeout=60)

    def chat(self, prompt: str) -> str:
        """See Blocking."""
        body = style.chat_body("chat", prompt, stream=False)
        return style.text_of(self._http.post(style.chat_path("chat"), json=body).json())

    def read(self, slug: str, each: Each) -> None:
        """See Blocking."""
        body = style.chat_body(slug, "x", stream=True)
        with self._http.stream("POST", style.chat_path(slug), json=body) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    each(style.text_of_line(line))

    def lists(self, slug: str) -> list[list[float]]:
        """See Blocking."""
        return style.rows_of(self._embed(slug))

    def array(self, slug: str) -> Any:
        """See Blocking."""
        return style.array_of(self._embed(slug))

    def find(self, workloads: int) -> bool:
        """See Blocking."""
        answer = self._http.get(style.list_path(workloads), headers=style.CONTROL_HEADERS)
        return style.holds_last(answer.json(), workloads)

    def _embed(self, slug: str) -> Any:
        body = style.embeddings_body(slug)
        return self._http.post(style.embeddings_path(slug), json=body).json()
