"""The web application: all routes, and around them the answer to everything that is refused or goes
wrong."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable
from importlib import metadata

from aiohttp import web

from .auth import refuse_web_pages
from .errors import HttpError

logger = logging.getLogger("inferencekey.local")

http_logger = logging.getLogger("inferencekey.local.http")
"""The web server's own. It would trace each malformed request, which is the client's matter."""
http_logger.setLevel(logging.CRITICAL)

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Of one request, on either plane."""

_DOUBLED = ("/api/api/", "/api/endpoint/")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(routes: Iterable[web.RouteDef], *, any_host: bool) -> web.Application:
    """The application over `routes`. any_host: see `auth.refuse_web_pages`."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        refuse_web_pages(request.headers, any_host=any_host)
        return await handler(request)

    app = web.Application(middlewares=[answer_errors, guard], client_max_size=MAX_BODY_BYTES)
    app.add_routes(routes)
    app.on_response_prepare.append(_mark_response)
    return app


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost: whatever a handler raises becomes an answer in the platform's own form."""
    try:
        return await handler(request)
    except HttpError as refusal:
        return _rendered(refusal)
    except web.HTTPException as refusal:
        return _rendered(_from_aiohttp(request, refusal))
    except web.RequestPayloadError as cause:
        return _rendered(HttpError(400, f"the body cannot be read: {cause}"))
    except ConnectionResetError:
        raise  # the client has gone: there is nobody to answer
    except Exception:
        logger.exception("%s %s failed", request.method, request.path)
        if request.writer.output_size > 0:
            raise  # half an answer is out: the server cuts the connection
        return _rendered(HttpError(500, "the platform itself failed; its log tells more"))


def _rendered(refusal: HttpError) -> web.Response:
    return web.Response(
        status=refusal.status,
        body=refusal.body(),
        content_type="application/json",
        headers=refusal.headers,
    )


def _from_aiohttp(request: web.Request, refusal: web.HTTPException) -> HttpError:
    """The platform's words for what the web framework refuses by itself."""
    # A URL of one plane was taken for the base URL of both.
    hint = "; the base URL is without `/api`" if request.path.startswith(_DOUBLED) else ""
    messages = {
        404: f"no such route: {request.method} {request.path}{hint}",
        405: f"{request.method} is not allowed here",
        413: f"the body is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB",
    }
    headers = {"allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else {}
    return HttpError(refusal.status, messages.get(refusal.status, refusal.reason), headers=headers)


async def _mark_response(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["server"] = f"inferencekey-local/{_version()}"
    response.headers["x-request-id"] = f"req_{uuid.uuid4().hex}"


def _version() -> str:
    try:
        return metadata.version("inferencekey")
    except metadata.PackageNotFoundError:
        return "0"
