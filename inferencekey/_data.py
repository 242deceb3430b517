"""The data plane: text, streams and embeddings of one workload."""

from __future__ import annotations

import os
from _collections_abc import Callable, Iterable  # As `collections.abc`, without `collections`.

from inferencekey import _ffi, _marshal
from inferencekey._chat import chat_request, text_result
from inferencekey._client import Bound, Client, client_options, client_secrets
from inferencekey._map import TextMap
from inferencekey._results import EmbedResult, MapResult, TextResult
from inferencekey._retry import Retry, RetryPolicy, hook
from inferencekey._secret import Secret, environment, token, with_secrets
from inferencekey._stream import TextStream
from inferencekey._timeouts import Timeouts, clock_options
from inferencekey._window import iterated, opened

# Type checkers take this name for true; see `inferencekey/__init__.py`. `Any` stays a name for
# `get_type_hints`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypeVar, overload

    from inferencekey._errors import InferenceKeyError
    from inferencekey._native import Held

    Self = TypeVar("Self", bound="DataPlaneClient")
    Copied = TypeVar("Copied", bound="Address")
else:
    Any = Self = object


class DataPlaneClient(Client):
    """How a client of the data plane is made, whether its calls block or are awaited."""

    def __init__(
        self,
        *,
        base_url: str,
        project: str,
        api_key: str | None = None,
        timeout: float | Timeouts | None = None,
        retries: int | RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        cold_start: float | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        allow_http: bool = False,
    ) -> None:
        """Make a client from explicit values, the environment unread (wire.md 1.1). Sends nothing.

        base_url: origin of the platform, perhaps with a path prefix.
        project: project slug.
        api_key: data key for endpoints that bring none, `ik_live_…`.
        timeout: for each call. Default: connect 10 s, total 600 s; streams: first_token 120 s,
            idle 30 s.
        retries: sends after the first, where a repeat is safe; or a RetryPolicy. Default 2.
        on_retry: called with a Retry before a request goes out again, on the thread of the call;
            what it raises ends the call and comes out unchanged.
        cold_start: seconds to wait for a workload that is still coming up, inside `total`.
            Default 600; 0 = not at all.
        ca_bundle: PEM file of the roots to trust, instead of the system's.
        allow_http: permit plain http to hosts other than loopback.

        Raises ConfigurationError for a value that cannot be used.
        """
        secret = token(api_key)
        del api_key  # From here on a traceback with locals shows no token.
        self._on_retry = hook(on_retry)
        options = client_options(
            "data",
            from_env=False,
            base_url=base_url,
            project=project,
            timeout=timeout,
            retries=retries,
            cold_start=cold_start,
            ca_bundle=ca_bundle,
            allow_http=allow_http,
        )
        del base_url  # It may hold a password, and is refused then.
        self._bind(options, client_secrets("api_key", secret, from_env=False))

    @classmethod
    def from_env(
        cls: type[Self],
        *,
        base_url: str | None = None,
        project: str | None = None,
        api_key: str | None = None,
        timeout: float | Timeouts | None = None,
        retries: int | RetryPolicy | None = None,
        on_retry: Callable[[Retry], None] | None = None,
        cold_start: float | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        allow_http: bool = False,
    ) -> Self:
        """Make a client; what is not given comes from the environment as it is now (wire.md 1.1).

        `INFERENCEKEY_BASE_URL` (default `https://api.inferencekey.com`), `INFERENCEKEY_PROJECT`,
        `INFERENCEKEY_API_KEY`. Arguments and errors as for the constructor.
        """
        secret = token(api_key)
        del api_key  # From here on a traceback with locals shows no token.
        client = cls.__new__(cls)
        client._on_retry = hook(on_retry)
        options = client_options(
            "data",
            from_env=True,
            base_url=base_url,
            project=project,
            timeout=timeout,
            retries=retries,
            cold_start=cold_start,
            ca_bundle=ca_bundle,
            allow_http=allow_http,
        )
        del base_url  # It may hold a password, and is refused then.
        client._bind(options, client_secrets("api_key", secret, from_env=True))
        return client


class DataClient(DataPlaneClient):
    """Reaches the models of a project's workloads.

    A client can be used from any thread, and in a child made by `fork`; it copies with its token,
    and pickles without: then INFERENCEKEY_API_KEY of the process that loads it is taken. It is
    a context manager; leaving it closes it and its endpoints.
    """

    def endpoint(self, workload_slug: str, *, api_key: str | None = None) -> Endpoint:
        """Address a workload of the project.

        Sends nothing: that a workload does not exist shows at the first call.

        api_key: data key for this endpoint alone; default: the client's.

        Raises ConfigurationError `missing_api_key` without either, PermissionDenied for a control
        token, ValidationError for a slug that cannot be one (wire.md 2.4).
        """
        secret = token(api_key)
        del api_key  # From here on a traceback with locals shows no token.
        return Endpoint(self, workload_slug, secret)


def data_client_beside(
    kind: type[Self], client: Client, project: str | None, api_key: Secret
) -> Self:
    """A data client with the configuration of a management client; its key may come from the
    environment as it is now."""
    own = {"plane": "data", "from_env": True, "base_url": client._facts()["base_url"]}
    twin = kind.__new__(kind)
    twin._on_retry = client._on_retry
    options = {**_marshal.decode(client._options.json), **own, "project": project}
    secrets = {"api_key": api_key, "environment": environment(b"INFERENCEKEY_API_KEY")}
    twin._bind(_marshal.encode("client", options), secrets)
    return twin


class Address(Bound):
    """An endpoint, whether its calls block or are awaited."""

    workload_slug: str
    """Canonical slug (wire.md 2.4), also the `model` of requests."""

    def __init__(self, client: DataPlaneClient, workload_slug: str, api_key: Secret) -> None:
        self._client = client
        self._on_retry = client._on_retry
        request = _marshal.Request(workload_slug=workload_slug)
        self._bind(_marshal.encode("endpoint", request), {"api_key": api_key})
        self.workload_slug = self._facts()["workload_slug"]

    def _make(self) -> Held:
        options = with_secrets(self._options, self._secrets)
        return _ffi.client_endpoint(self._client._handle(), options)

    def __deepcopy__(self: Copied, memo: dict[int, Any]) -> Copied:
        from copy import deepcopy

        twin = super().__deepcopy__(memo)
        twin._client = deepcopy(self._client, memo)
        return twin


class Endpoint(Address):
    """The data-plane address of one workload: from `DataClient.endpoint`, closed with its client.

    It can be used from any thread. Every call raises `InferenceKeyError` of some class (wire.md
    5); `timeout` of a call is in seconds (of the whole call; for a stream: to the first content,
    and between contents) or a `Timeouts`.
    """

    def generate_text(
        self,
        *,
        prompt: str | None = None,
        messages: list[Any] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout: float | Timeouts | None = None,
    ) -> TextResult:
        """Ask the model, and wait for its whole answer (wire.md 3.1).

        prompt: one user message; or messages: the whole conversation, sent as it is.
        temperature, max_tokens: the engine's defaults if None.

        Raises ValidationError unless exactly one of prompt and messages is given; a call that may
        have been answered is never sent twice.
        """
        request = chat_request("generate_text", prompt, messages, temperature, max_tokens, timeout)
        return text_result(self._call("generate_text", request), TextResult)

    def generate_text_stream(
        self,
        *,
        prompt: str | None = None,
        messages: list[Any] | None = None,
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout: float | Timeouts | None = None,
        on_truncated: str = "raise",
    ) -> TextStream:
        """Ask the model, and read its answer as it is written.

        The stream is an iterator of `TextChunk`, and a context manager; `usage` and `timing` are
        told at its end.

        The request is sent and its status checked by this call (wire.md 3.2); chunks are read as
        they are asked for. Breaking out, `close()` or dropping the stream ends it on the wire.

        on_truncated: what to do when the stream ends before it is complete: `raise`
            StreamTruncated, `warn` with TruncatedWarning and end, `allow`.

        Raises here what `generate_text` raises; while iterating StreamTruncated, StreamStalled,
        ApiError and ProtocolError, all with the text so far in `.partial`.
        """
        request = chat_request(
            "generate_text_stream", prompt, messages, temperature, max_tokens, timeout
        )
        request["on_truncated"] = on_truncated
        return TextStream(*self._opened("generate_text_stream", request))

    if TYPE_CHECKING:

        @overload
        def map(
            self,
            prompts: Iterable[str | list[Any]],
            *,
            concurrency: int = 32,
            ordered: bool = True,
            on_error: Literal["raise"] = "raise",
            temperature: float | None = None,
            max_tokens: int | None = None,
            timeout: float | Timeouts | None = None,
        ) -> TextMap[MapResult]: ...

        @overload
        def map(
            self,
            prompts: Iterable[str | list[Any]],
            *,
            concurrency: int = 32,
            ordered: bool = True,
            on_error: Literal["return"],
            temperature: float | None = None,
            max_tokens: int | None = None,
            timeout: float | Timeouts | None = None,
        ) -> TextMap[MapResult | InferenceKeyError]: ...

    def map(
        self,
        prompts: Iterable[str | list[Any]],
        *,
        concurrency: int = 32,
        ordered: bool = True,
        on_error: str = "raise",
        temperature: float | None = None,
        max_tokens: int | None = None,
        timeout: float | Timeouts | None = None,
    ) -> TextMap[Any]:
        """Ask the model many prompts, `concurrency` at once.

        The items come as the caller iterates: a MapResult for each prompt, which is a TextResult
        with the `index` and the `prompt` that it answers.

        prompts: any iterable of texts or lists of messages, also without an end; in the async twin
            an async iterable too. A prompt is drawn from it when there is room: at most
            `concurrency` are drawn and their items not given yet, on their way or waiting for an
            earlier one. So nothing is drawn for a caller who does not come back for more.
        concurrency: from 1 to 1000. Each request on its way is a connection.
        ordered: items in the order of the prompts; False: as they arrive.
        on_error: `raise`: the first error in that order, which ends the rest on the wire and draws
            no more. `return`: the InferenceKeyError takes the item's place. It has `index` and
            `prompt` in either case. An error of the prompts' iterable itself comes out unchanged,
            behind the items of what it gave before, and so does ConfigurationError
            `client_closed`, at once.
        temperature, max_tokens, timeout: of each request, as for `generate_text`. Its clocks start
            when it is sent, not while its prompt waits.

        Each request is repeated by the rules of `generate_text`, out of the one budget of the
        client. Raises ValidationError, here and not at the first item, for a bad argument.
        """
        request = chat_request("map", None, None, temperature, max_tokens, timeout)
        window = opened(self, request, concurrency, ordered, on_error)
        return TextMap(self, iterated(prompts), window)

    def embed(
        self,
        *,
        input: str | list[str],
        encoding_format: str | None = None,
        batch_size: int | None = None,
        concurrency: int | None = None,
        timeout: float | Timeouts | None = None,
    ) -> EmbedResult:
        """Embed each input, in order (wire.md 3.3). One string is a list of one.

        More than `batch_size` inputs go out in parts, several at once, under one deadline; the
        first part that fails ends the call. `.raw` is then the parts' answers as one.

        encoding_format: `float`, or `base64`: float32 on the wire, less than half as long. A server
            that does not give it is asked once by this endpoint. Default: the server's own.
        batch_size: most inputs of one request. Default 2048, the limit of the OpenAI API.
        concurrency: most requests at once. Default 8.
        """
        request = embed_request(input, encoding_format, batch_size, concurrency, timeout)
        return embed_result(self._call("embed", request))


def embed_request(
    input: str | list[str],
    encoding_format: str | None,
    batch_size: int | None,
    concurrency: int | None,
    timeout: float | Timeouts | None,
) -> _marshal.Request:
    """The request of an `embed`, as the core takes it."""
    return _marshal.Request(
        input=input,
        encoding_format=encoding_format,
        batch_size=batch_size,
        concurrency=concurrency,
        **clock_options(timeout, "embed"),
    )


def embed_result(event: _ffi.Event) -> EmbedResult:
    """What the one event of an `embed` brings."""
    head = _marshal.decode(event.head)
    return EmbedResult.from_answer(event.vectors, head, event.raw)
