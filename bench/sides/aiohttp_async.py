"""`aiohttp`, with its defaults."""

from __future__ import annotations

from typing import Any

import aiohttp

from sides import Asynchronous, Each
from sides import openai_style as style


class Client(Asynchronous):
    """One `aiohttp.ClientSession`."""

    def __init__(self, origin: str) -> None:
        self._http = aiohttp.ClientSession(origin, headers=style.DATA_HEADERS)

    async def chat(self, prompt: str) -> str:
        """See Asynchronous."""
        body = style.chat_body("chat", prompt, stream=False)
        async with self._http.post(style.chat_path("chat"), json=body) as answer:
            return style.text_of(await answer.json())

    async def read(self, slug: str, each: Each) -> None:
        """See Asynchronous."""
        body = style.chat_body(slug, "x", stream=True)
        async with self._http.post(style.chat_path(slug), json=body) as answer:
            async for line in answer.content:
                if line.startswith(b"data: {"):
                    each(style.text_of_line(line))

    async def lists(self, slug: str) -> list[list[float]]:
        """See Asynchronous."""
        return style.rows_of(await self._embed(slug))

    async def array(self, slug: str) -> Any:
        """See Asynchronous."""
        return style.array_of(await self._embed(slug))

    async def find(self, workloads: int) -> bool:
        """See Asynchronous."""
        path = style.list_path(workloads)
        async with self._http.get(path, headers=style.CONTROL_HEADERS) as answer:
            return style.holds_last(await answer.json(), workloads)

    async def close(self) -> None:
        """See Asynchronous."""
        await self._http.close()

    async def _embed(self, slug: str) -> Any:
        body = style.embeddings_body(slug)
        async with self._http.post(style.embeddings_path(slug), json=body) as answer:
            return await answer.json()
