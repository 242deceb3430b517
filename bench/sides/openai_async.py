"""`openai`, with asyncio and its defaults."""

from __future__ import annotations

from typing import Any

import numpy as np
import openai

from sides import DATA_KEY, INPUTS, Asynchronous, Each


class Client(Asynchronous):
    """One `openai.AsyncOpenAI` for each workload, over one connection pool."""

    def __init__(self, origin: str) -> None:
        self._openai = openai.AsyncOpenAI(base_url=origin, api_key=DATA_KEY)
        self._origin = origin
        self._workloads: dict[str, openai.AsyncOpenAI] = {}

    async def chat(self, prompt: str) -> str:
        """See Asynchronous."""
        answer = await self._of("chat").chat.completions.create(
            model="chat", messages=[{"role": "user", "content": prompt}]
        )
        text: str = answer.choices[0].message.content
        return text

    async def read(self, slug: str, each: Each) -> None:
        """See Asynchronous."""
        stream = await self._of(slug).chat.completions.create(
            model=slug, messages=[{"role": "user", "content": "x"}], stream=True
        )
        async for chunk in stream:
            each(chunk.choices[0].delta.content or "")

    async def lists(self, slug: str) -> list[list[float]]:
        """See Asynchronous."""
        wish: Any = "float" if slug == "floats" else openai.omit
        answer = await self._of(slug).embeddings.create(
            model=slug, input=INPUTS, encoding_format=wish
        )
        return [item.embedding for item in answer.data]

    async def array(self, slug: str) -> Any:
        """See Asynchronous."""
        return np.array(await self.lists(slug), dtype=np.float32)

    def _of(self, slug: str) -> openai.AsyncOpenAI:
        if slug not in self._workloads:
            address = f"{self._origin}/endpoint/bench/{slug}/v1"
            self._workloads[slug] = self._openai.with_options(base_url=address)
        return self._workloads[slug]
