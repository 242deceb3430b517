"""The control plane: the routes of wire.md 2.1, without the ones marked *later*."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import aclosing

from aiohttp import web

from .auth import control_token, require_project, require_read, require_scope
from .errors import HttpError
from .phases import Timings
from .reconciler import Reconciler
from .store import SlugTaken, Store, workload_object
from .types import SCOPE_WRITE, Json, OnTaken, Workload
from .validation import create_fields, parse_object, patch_fields


class ControlPlane:
    """Handlers for `/api`."""

    def __init__(
        self, store: Store, reconciler: Reconciler, timings: Timings, on_taken: OnTaken
    ) -> None:
        self._store = store
        self._reconciler = reconciler
        self._timings = timings
        self._on_taken = on_taken

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        project = "/api/projects/{project}/workloads"
        return [
            web.get(project, self.list_workloads),
            web.post(project, self.create_workload),
            web.patch("/api/workloads/{id}", self.patch_workload),
            web.delete("/api/workloads/{id}", self.delete_workload),
            web.get(project + "/{slug}/readiness-events", self.readiness_events),
        ]

    async def list_workloads(self, request: web.Request) -> web.Response:
        """All workloads of the project, in one page (2.5)."""
        project = self._readable_project(request)
        return _json(200, {"workloads": [self._object(w) for w in self._store.workloads(project)]})

    async def create_workload(self, request: web.Request) -> web.Response:
        """Create a workload (2.6); a repeated `idempotency-key` gets the first answer again."""
        project = request.match_info["project"]
        token = control_token(self._store, request.headers)
        require_project(token, project)
        require_scope(token, SCOPE_WRITE)
        raw = await request.read()
        key = _idempotency_key(request)
        body_hash = hashlib.sha256(raw).hexdigest()
        first = self._first_answer(project, key) if key else None
        if first is None:
            return self._created(project, raw, key, body_hash)
        if first[0] != body_hash:
            raise HttpError(
                409,
                "this `idempotency-key` was used for another body: use a new key",
                code="idempotency_key_reused",
            )
        return _json_bytes(201, first[1])

    def _first_answer(self, project: str, key: str) -> tuple[str, bytes] | None:
        """What was answered to this key before, unless the workload of that answer is gone."""
        first = self._store.first_answer(project, key)
        return first if first and self._store.workload(json.loads(first[1])["id"]) else None

    def _created(self, project: str, raw: bytes, key: str | None, body_hash: str) -> web.Response:
        columns = create_fields(parse_object(raw))
        try:
            # Both or neither: a repeat after a kill in between would make a second workload.
            with self._store.transaction():
                workload = self._store.create_workload(project, columns, self._on_taken)
                answer = _encoded(workload_object(workload, "scheduling"))
                if key:
                    self._store.keep_first_answer(project, key, body_hash, answer)
        except SlugTaken as taken:
            raise HttpError(409, f"the slug `{taken}` is taken", code="slug_taken") from None
        self._reconciler.reconcile(workload.id)
        return _json_bytes(201, answer)

    async def patch_workload(self, request: web.Request) -> web.Response:
        """Set the fields of the body; objects are replaced whole (2.8). The engine follows."""
        live = self._writable_workload(request)
        raw = await request.read()
        # Read again: the workload may have changed or gone while the body came in.
        live = self._existing(live.id)
        changed = self._store.update_workload(live, patch_fields(parse_object(raw), live))
        self._reconciler.reconcile(changed.id)
        return _json(200, self._object(changed))

    async def delete_workload(self, request: web.Request) -> web.Response:
        """Remove a workload; answers when its engine is gone, or soon will be (2.10)."""
        workload = self._writable_workload(request)
        self._store.delete_workload(workload.id)
        ending = self._reconciler.reconcile(workload.id)
        if ending:
            await asyncio.shield(ending)
        return web.Response(status=204)

    async def readiness_events(self, request: web.Request) -> web.StreamResponse:
        """The readiness stream (2.11): the current phase at once, then each change."""
        project = self._readable_project(request)
        slug = request.match_info["slug"]
        workload = self._store.workload_by_slug(project, slug)
        readiness = self._reconciler.readiness(workload.id) if workload else None
        if readiness is None:
            raise HttpError(404, f"project `{project}` has no workload `{slug}`")
        headers = {"content-type": "text/event-stream", "cache-control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        if request.method != "HEAD":
            async with aclosing(readiness.frames(self._timings.keep_alive)) as frames:
                async for frame in frames:
                    await response.write(frame)
        await response.write_eof()
        return response

    def _readable_project(self, request: web.Request) -> str:
        project = request.match_info["project"]
        token = control_token(self._store, request.headers)
        require_project(token, project)
        require_read(token)
        return project

    def _writable_workload(self, request: web.Request) -> Workload:
        token = control_token(self._store, request.headers)
        workload = self._existing(request.match_info["id"])
        require_project(token, workload.project_slug)
        require_scope(token, SCOPE_WRITE)
        return workload

    def _existing(self, workload_id: str) -> Workload:
        workload = self._store.workload(workload_id)
        if workload is None:
            raise HttpError(404, f"there is no workload with id `{workload_id}`")
        return workload

    def _object(self, workload: Workload) -> Json:
        readiness = self._reconciler.readiness(workload.id)
        return workload_object(workload, readiness.phase if readiness else None)


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get("idempotency-key")
    try:
        (key or "").encode()
    except UnicodeEncodeError:
        raise HttpError(400, "`idempotency-key` must be ASCII or UTF-8 text") from None
    return key


def _encoded(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _json(status: int, value: Json) -> web.Response:
    return _json_bytes(status, _encoded(value))


def _json_bytes(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
