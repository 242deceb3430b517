"""The SDK, blocking."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy  # noqa: F401  The first call is not to be charged with it.

from inferencekey import DataClient, Endpoint, ManagementClient, WorkloadSpec
from sides import CONTROL_TOKEN, DATA_KEY, INPUTS, Blocking, Each


class Client(Blocking):
    """One client for each plane."""

    def __init__(self, origin: str) -> None:
        data = DataClient(base_url=origin, project="bench", api_key=DATA_KEY)
        self._endpoint: Any = cache(data.endpoint)
        self._control = ManagementClient(base_url=origin, sdk_token=CONTROL_TOKEN)

    def chat(self, prompt: str) -> str:
        """See Blocking."""
        endpoint: Endpoint = self._endpoint("chat")
        return endpoint.generate_text(prompt=prompt).text

    def read(self, slug: str, each: Each) -> None:
        """See Blocking."""
        endpoint: Endpoint = self._endpoint(slug)
        for chunk in endpoint.generate_text_stream(prompt="x"):
            each(chunk.text)

    def lists(self, slug: str) -> list[list[float]]:
        """See Blocking."""
        endpoint: Endpoint = self._endpoint(slug)
        return endpoint.embed(input=INPUTS).embeddings

    def array(self, slug: str) -> Any:
        """See Blocking."""
        endpoint: Endpoint = self._endpoint(slug)
        wish = "base64" if slug == "base64" else None
        return endpoint.embed(input=INPUTS, encoding_format=wish).numpy()

    def find(self, workloads: int) -> bool:
        """See Blocking."""
        return not self._control.ensure(_spec(workloads), project=f"of-{workloads}").changed


@cache
def _spec(workloads: int) -> WorkloadSpec:
    slug = f"bench-{workloads - 1}"
    return WorkloadSpec(name="Bench", slug=slug, model="m", backend="vllm")
