"""The data plane, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING

from inferencekey._async import calls
from inferencekey._async.client import AsyncClient
from inferencekey._async.documented import like
from inferencekey._async.map import AsyncTextMap
from inferencekey._async.source import Source
from inferencekey._async.stream import AsyncTextStream
from inferencekey._chat import chat_request, text_result
from inferencekey._data import (
    Address,
    DataClient,
    DataPlaneClient,
    Endpoint,
    embed_request,
    embed_result,
)
from inferencekey._results import EmbedResult, TextResult
from inferencekey._secret import token
from inferencekey._timeouts import Timeouts
from inferencekey._window import iterated, opened

if TYPE_CHECKING:
    from typing import Any, Literal, overload

    from inferencekey._errors import InferenceKeyError
    from inferencekey._results import MapResult
else:
    Any = object


class AsyncDataClient(DataPlaneClient, AsyncClient):
    """Reaches the models of a project's workloads, from asyncio.

    A client belongs to no event loop: it can be used in any thread, from several loops at once and
    from one after the other, and in a child made by `fork`; it copies and pickles as `DataClient`
    does. It is an async context manager; leaving it closes it and its endpoints, and nothing
    happens if it is never closed.
    """

    @like(DataClient.endpoint)
    def endpoint(self, workload_slug: str, *, api_key: str | None = None) -> AsyncEndpoint:
        secret = token(api_key)
        del api_key  # From here on a traceback with locals shows no token.
        return AsyncEndpoint(self, workload_slug, secret)


class AsyncEndpoint(Address):
    """The data-plane address of one workload: from `AsyncDataClient.endpoint`, closed with it.

    The methods of `Endpoint`, awaited. It belongs to no event loop. A task that is cancelled ends
    its request on the wire.
    """

    @like(Endpoint.generate_text)
    async def generate_text(
        self,
        *,
        prompt: str | None = None,
        messages: list[Any] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout: float | Timeouts | None = None,
    ) -> TextResult:
        request = chat_request("generate_text", prompt, messages, temperature, max_tokens, timeout)
        return text_result(await calls.call(self, "generate_text", request), TextResult)

    @like(Endpoint.generate_text_stream)
    def generate_text_stream(
        self,
        *,
        prompt: str | None = None,
        messages: list[Any] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout: float | Timeouts | None = None,
        on_truncated: str = "raise",
    ) -> AsyncTextStream:
        request = chat_request(
            "generate_text_stream", prompt, messages, temperature, max_tokens, timeout
        )
        request["on_truncated"] = on_truncated
        return AsyncTextStream(self, request)

    if TYPE_CHECKING:

        @overload
        def map(
            self,
            prompts: Iterable[str | list[Any]] | AsyncIterable[str | list[Any]],
            *,
            concurrency: int = 32,
            ordered: bool = True,
            on_error: Literal["raise"] = "raise",
            temperature: float | None = None,
            max_tokens: int | None = None,
            timeout: float | Timeouts | None = None,
        ) -> AsyncTextMap[MapResult]: ...

        @overload
        def map(
            self,
            prompts: Iterable[str | list[Any]] | AsyncIterable[str | list[Any]],
            *,
            concurrency: int = 32,
            ordered: bool = True,
            on_error: Literal["return"],
            temperature: float | None = None,
            max_tokens: int | None = None,
            timeout: float | Timeouts | None = None,
        ) -> AsyncTextMap[MapResult | InferenceKeyError]: ...

    @like(Endpoint.map)
    def map(
        self,
        prompts: Iterable[str | list[Any]] | AsyncIterable[str | list[Any]],
        *,
        concurrency: int = 32,
        ordered: bool = True,
        on_error: str = "raise",
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout: float | Timeouts | None = None,
    ) -> AsyncTextMap[Any]:
        request = chat_request("map", None, None, temperature, max_tokens, timeout)
        window = opened(self, request, concurrency, ordered, on_error)
        if isinstance(prompts, AsyncIterable):
            return AsyncTextMap(self, Source(aiter(prompts)), window)
        return AsyncTextMap(self, iterated(prompts), window)

    @like(Endpoint.embed)
    async def embed(
        self,
        *,
        input: str | list[str],
        encoding_format: str | None = None,
        batch_size: int | None = None,
        concurrency: int | None = None,
        timeout: float | Timeouts | None = None,
    ) -> EmbedResult:
        request = embed_request(input, encoding_format, batch_size, concurrency, timeout)
        return embed_result(await calls.call(self, "embed", request))
