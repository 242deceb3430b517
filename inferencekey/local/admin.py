"""The platform's own routes under `/local`, for the command line: status, tokens, stop.

They are no part of the wire. Their token is random per start and stands only in a file of the
owner's.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web

from .auth import bearer
from .errors import HttpError
from .issue import issue_token
from .reconciler import Reconciler
from .store import Store
from .tokens import display
from .types import Json, Token
from .validation import parse_object


class Admin:
    """Handlers for `/local`."""

    def __init__(
        self,
        store: Store,
        reconciler: Reconciler,
        token: str,
        project: str,
        revoke: Callable[[str], bool],
        shut_down: Callable[[], None],
    ) -> None:
        self._store = store
        self._reconciler = reconciler
        self._token = token
        self._project = project
        self._revoke = revoke
        self._shut_down = shut_down

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        return [
            web.get("/local/status", self.status),
            web.get("/local/tokens", self.list_tokens),
            web.post("/local/tokens", self.create_token),
            web.delete("/local/tokens/{id}", self.revoke_token),
            web.post("/local/shutdown", self.shut_down),
        ]

    async def status(self, request: web.Request) -> web.Response:
        """The platform's process and its workloads."""
        self._require(request)
        return web.json_response({"pid": os.getpid(), "workloads": self._workloads()})

    async def list_tokens(self, request: web.Request) -> web.Response:
        """All tokens in their display form."""
        self._require(request)
        return web.json_response({"tokens": [_shown(token) for token in self._store.tokens()]})

    async def create_token(self, request: web.Request) -> web.Response:
        """Mint a token; the only answer that ever holds its text."""
        self._require(request)
        body = parse_object(await request.read())
        token, text = issue_token(
            self._store,
            body.get("kind", "sdk"),
            project=body.get("project") or self._project,
            name=body.get("name") or "",
            scopes=tuple(body.get("scopes") or ()),
            grants=tuple(body.get("grants") or ()),
        )
        return web.json_response(_shown(token) | {"text": text}, status=201)

    async def revoke_token(self, request: web.Request) -> web.Response:
        """Revoke a token by its id."""
        self._require(request)
        token_id = request.match_info["id"]
        if not self._revoke(token_id):
            raise HttpError(404, f"there is no token in force with the id `{token_id}`")
        return web.Response(status=204)

    async def shut_down(self, request: web.Request) -> web.Response:
        """Stop the platform and its engines, after this answer."""
        self._require(request)
        self._shut_down()
        return web.Response(status=202)

    def _require(self, request: web.Request) -> None:
        if not hmac.compare_digest(_bytes(bearer(request.headers)), self._token.encode()):
            raise HttpError(401, "unknown administration token")

    def _workloads(self) -> list[Json]:
        shown = []
        for workload in self._store.workloads():
            readiness = self._reconciler.readiness(workload.id)
            target = self._reconciler.target(workload.id)
            shown.append(
                {
                    "project": workload.project_slug,
                    "slug": workload.slug,
                    "backend": workload.backend,
                    "model": workload.model_name,
                    "phase": readiness.phase if readiness else None,
                    "message": readiness.message if readiness else "",
                    "engine": target.address.url if target else None,
                    "stand_in": target.stand_in if target else None,
                }
            )
        return shown


def _bytes(text: str) -> bytes:
    """A header's text as bytes, also where it is no valid UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _shown(token: Token) -> dict[str, Json]:
    return asdict(token) | {"token": display(token.kind, token.id)}
