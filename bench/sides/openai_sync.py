"""`openai`, blocking, with its defaults."""

from __future__ import annotations

from typing import Any

import numpy as np
import openai

from sides import DATA_KEY, INPUTS, Blocking, Each


class Client(Blocking):
    """One `openai.OpenAI` for each workload, over one connection pool."""

    def __init__(self, origin: str) -> None:
        self._openai = openai.OpenAI(base_url=origin, api_key=DATA_KEY)
        self._origin = origin
        self._workloads: dict[str, openai.OpenAI] = {}

    def chat(self, prompt: str) -> str:
        """See Blocking."""
        answer = self._of("chat").chat.completions.create(
            model="chat", messages=[{"role": "user", "content": prompt}]
        )
        text: str = answer.choices[0].message.content
        return text

    def read(self, slug: str, each: Each) -> None:
        """See Blocking."""
        stream = self._of(slug).chat.completions.create(
            model=slug, messages=[{"role": "user", "content": "x"}], stream=True
        )
        for chunk in stream:
            each(chunk.choices[0].delta.content or "")

    def lists(self, slug: str) -> list[list[float]]:
        """See Blocking."""
        wish: Any = "float" if slug == "floats" else openai.omit
        answer = self._of(slug).embeddings.create(model=slug, input=INPUTS, encoding_format=wish)
        return [item.embedding for item in answer.data]

    def array(self, slug: str) -> Any:
        """See Blocking."""
        return np.array(self.lists(slug), dtype=np.float32)

    def _of(self, slug: str) -> openai.OpenAI:
        if slug not in self._workloads:
            address = f"{self._origin}/endpoint/bench/{slug}/v1"
            self._workloads[slug] = self._openai.with_options(base_url=address)
        return self._workloads[slug]
