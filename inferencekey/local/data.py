"""The data plane: `/endpoint/{project}/{slug}/v1/…`, passed on to the workload's engine (wire.md
3).

Rewritten are the address, the authorization (it ends here) and the body's `model`, which is the
slug for the caller and the engine's own name for the engine. Everything else passes as it is, and
as it comes: answers are never buffered.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from urllib.parse import quote, unquote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from .auth import require_grant
from .errors import HttpError
from .json_edit import replace_value
from .life import Target
from .phases import WARMING_CODES, Timings
from .reconciler import Reconciler
from .store import Store

STAND_IN_HEADER = "x-inferencekey-stand-in"

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NOT_FOR_ENGINES = _HOP_BY_HOP | {
    "authorization",
    "host",
    "content-length",
    "content-encoding",  # the server has unpacked the body
    "accept-encoding",
    "expect",
    "cookie",
}
_NOT_FOR_CLIENTS = _HOP_BY_HOP | {
    "server",
    "date",
    "set-cookie",
    "x-request-id",
    STAND_IN_HEADER,
}


class DataPlane:
    """The handler for `/endpoint`."""

    def __init__(
        self, store: Store, reconciler: Reconciler, http: aiohttp.ClientSession, timings: Timings
    ) -> None:
        self._store = store
        self._reconciler = reconciler
        self._http = http
        self._timings = timings

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handler."""
        path = "/endpoint/{project}/{slug}/v1/{route:.+}"
        return [web.get(path, self.forward), web.post(path, self.forward)]

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Pass one request to the engine, and its answer back."""
        project, slug = request.match_info["project"], request.match_info["slug"]
        require_grant(self._store, request.headers, project, slug)
        target = self._target(project, slug)
        target.active += 1
        try:
            return await self._exchange(request, target)
        finally:
            target.active -= 1

    def _target(self, project: str, slug: str) -> Target:
        workload = self._store.workload_by_slug(project, slug)
        if workload is None:
            raise HttpError(404, f"project `{project}` has no workload `{slug}`")
        target = self._reconciler.target(workload.id)
        if target:
            return target
        readiness = self._reconciler.readiness(workload.id)
        if readiness is None:
            raise HttpError(404, f"project `{project}` has no workload `{slug}`")
        if readiness.phase == "error":
            # No retry-after: waiting does not help, a PATCH does.
            raise HttpError(
                503, f"workload `{slug}` has failed: {readiness.message}", code="workload_failed"
            )
        raise self._warming(
            f"workload `{slug}` is coming up: {readiness.message}",
            WARMING_CODES.get(readiness.phase),
        )

    def _warming(self, message: str, code: str | None) -> HttpError:
        headers = {"retry-after": str(self._timings.retry_after)}
        return HttpError(503, message, code=code or "model_loading", headers=headers)

    async def _exchange(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await _body(request, target.model)
        try:
            # Leaving this block, also when the client is gone and the handler cancelled, closes the
            # connection to the engine, which is how an engine learns that nobody waits any more.
            async with self._http.request(
                request.method,
                _engine_url(request, target),
                headers=_for_engine(request.headers),
                data=body,
                allow_redirects=False,
            ) as answer:
                return await _pass_back(request, answer, target)
        except aiohttp.ClientConnectorError as cause:
            raise self._warming(
                "the engine does not take connections; it is being looked at", None
            ) from cause
        except aiohttp.ClientError as cause:
            raise HttpError(502, f"the engine broke off before it answered: {cause}") from cause


async def _body(request: web.Request, model: str) -> io.BytesIO | aiohttp.StreamReader | None:
    """The body for the engine: JSON with its own `model`, anything else as it comes in."""
    if not request.can_read_body:
        return None
    if request.content_type != "application/json":
        return request.content
    raw = await request.read()
    try:
        return io.BytesIO(replace_value(raw.decode("utf-8"), "model", model).encode())
    except (ValueError, RecursionError) as cause:
        raise HttpError(400, f"the body is not a JSON object: {cause}") from None


def _engine_url(request: web.Request, target: Target) -> URL:
    """The same route at the engine, with each escape as the caller wrote it."""
    path, question_mark, query = request.raw_path.partition("?")
    if not path.startswith("/"):
        path = "/" + path.split("/", 3)[3]  # a client that takes us for a proxy sends a whole URL
    route = path.split("/", 5)[5]
    if any(unquote(part) in (".", "..") for part in route.split("/")):
        raise HttpError(404, "no such route")
    return URL(f"{target.address.url}/v1/{route}{question_mark}{query}", encoded=True)


async def _pass_back(
    request: web.Request, answer: aiohttp.ClientResponse, target: Target
) -> web.StreamResponse:
    headers = _without(answer.headers, _NOT_FOR_CLIENTS)
    if target.stand_in:
        headers[STAND_IN_HEADER] = quote(target.stand_in, safe=" ()/:,;@+=&'!*#")
    try:
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        await response.prepare(request)
    except ValueError as cause:
        raise HttpError(502, f"the engine's answer has a malformed header: {cause}") from None
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
    except aiohttp.ClientError:
        # What has been sent cannot be taken back. Cut the connection, so that a part is not taken
        # for the whole.
        if request.transport:
            request.transport.close()
        return response
    await response.write_eof()
    return response


def _for_engine(headers: Mapping[str, str]) -> CIMultiDict[str]:
    kept = _without(headers, _NOT_FOR_ENGINES)
    kept["accept-encoding"] = "identity"
    return kept


def _without(headers: Mapping[str, str], names: frozenset[str]) -> CIMultiDict[str]:
    """The headers but `names`, and but those that `connection` marks as meant for this hop."""
    marked = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    kept = [(name, value) for name, value in headers.items() if name.lower() not in names | marked]
    return CIMultiDict(kept)
