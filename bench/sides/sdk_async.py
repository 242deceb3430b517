"""The SDK with asyncio."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy  # noqa: F401  The first call is not to be charged with it.

from inferencekey import AsyncDataClient, AsyncManagementClient, WorkloadSpec
from sides import CONTROL_TOKEN, DATA_KEY, INPUTS, Asynchronous, Each


class Client(Asynchronous):
    """One client for each plane."""

    def __init__(self, origin: str) -> None:
        data = AsyncDataClient(base_url=origin, project="bench", api_key=DATA_KEY)
        self._endpoint: Any = cache(data.endpoint)
        self._control = AsyncManagementClient(base_url=origin, sdk_token=CONTROL_TOKEN)

    async def chat(self, prompt: str) -> str:
        """See Asynchronous."""
        text: str = (await self._endpoint("chat").generate_text(prompt=prompt)).text
        return text

    async def read(self, slug: str, each: Each) -> None:
        """See Asynchronous."""
        async for chunk in self._endpoint(slug).generate_text_stream(prompt="x"):
            each(chunk.text)

    async def lists(self, slug: str) -> list[list[float]]:
        """See Asynchronous."""
        rows: list[list[float]] = (await self._endpoint(slug).embed(input=INPUTS)).embeddings
        return rows

    async def array(self, slug: str) -> Any:
        """See Asynchronous."""
        wish = "base64" if slug == "base64" else None
        return (await self._endpoint(slug).embed(input=INPUTS, encoding_format=wish)).numpy()

    async def find(self, workloads: int) -> bool:
        """See Asynchronous."""
        ref = await self._control.ensure(_spec(workloads), project=f"of-{workloads}")
        return not ref.changed


@cache
def _spec(workloads: int) -> WorkloadSpec:
    slug = f"bench-{workloads - 1}"
    return WorkloadSpec(name="Bench", slug=slug, model="m", backend="vllm")
