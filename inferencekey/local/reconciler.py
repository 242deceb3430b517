"""Brings what runs in line with what is stored. The only code that begins and ends the lives of
engines."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import aiohttp

from .life import Life, Resolve, Target
from .phases import Timings
from .placement import Placement
from .readiness import Readiness
from .store import Store
from .tasks import finish
from .types import ReadinessRecord, Workload

logger = logging.getLogger("inferencekey.local")


@dataclass
class _Running:
    """What runs for one workload: observed, where the store holds what is wanted."""

    workload: Workload
    readiness: Readiness
    life: Life[Any]
    task: asyncio.Task[None]


class Reconciler:
    """Desired against observed, per workload. Used by the event loop's thread only."""

    def __init__(
        self,
        store: Store,
        placement: Placement[Any],
        resolve: Resolve,
        http: aiohttp.ClientSession,
        timings: Timings,
    ) -> None:
        self._store = store
        self._placement = placement
        self._resolve = resolve
        self._http = http
        self._timings = timings
        self._running: dict[str, _Running] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._stopping = False

    def start(self) -> None:
        """Bring up everything that the store holds."""
        for workload in self._store.workloads():
            self.reconcile(workload.id)

    def reconcile(self, workload_id: str) -> asyncio.Task[None] | None:
        """Compare one workload with what runs for it, and act. Readiness is right when this
        returns.

        Returns the task that stops an engine, where one is stopped for good."""
        wanted = self._store.workload(workload_id)
        running = self._running.get(workload_id)
        if wanted is None:
            return self._end(workload_id, deleted=True) if running else None
        if self._stopping:
            return None  # what is stored now is brought up by the next start
        if running is None:
            readiness = Readiness(lambda event: _log_event(wanted, event))
            self._running[wanted.id] = self._begin(wanted, readiness, after=None)
        elif running.workload.launch_key() != wanted.launch_key():
            self._begin_anew(running, wanted, "the spec has changed: starting the engine anew")
        elif running.readiness.phase == "error":
            # What it failed on may be mended outside of the spec, such as a missing program.
            self._begin_anew(running, wanted, "PATCH after a failure: starting the engine anew")
        return None

    def readiness(self, workload_id: str) -> Readiness | None:
        """The readiness of a workload, None for one that is not stored."""
        running = self._running.get(workload_id)
        return running.readiness if running else None

    def target(self, workload_id: str) -> Target | None:
        """Where to send requests for a workload, None while it is not ready."""
        running = self._running.get(workload_id)
        return running.life.target if running else None

    async def stop(self) -> None:
        """Stop all engines, at the same time; returns when they are gone. The store stays as it
        is."""
        self._stopping = True
        for workload_id in list(self._running):
            self._end(workload_id, deleted=False)
        if self._ending:
            await asyncio.wait(self._ending)

    def _begin_anew(self, running: _Running, wanted: Workload, why: str) -> None:
        running.readiness.restart(why)
        running.task.cancel()
        self._running[wanted.id] = self._begin(wanted, running.readiness, after=running.task)

    def _begin(
        self, workload: Workload, readiness: Readiness, after: asyncio.Task[None] | None
    ) -> _Running:
        life = Life(workload, readiness, self._placement, self._resolve, self._http, self._timings)
        task = asyncio.create_task(self._live(life, readiness, after))
        return _Running(workload, readiness, life, task)

    async def _live(
        self, life: Life[Any], readiness: Readiness, after: asyncio.Task[None] | None
    ) -> None:
        # One engine per workload at any time: two would not fit into one GPU, nor on one fixed
        # port.
        if after:
            await finish(after)
        try:
            await life.run()
        except Exception:
            logger.exception("the life of an engine ended by a fault of the platform")
            readiness.tell("error", "the platform itself failed; its log tells more")

    def _end(self, workload_id: str, *, deleted: bool) -> asyncio.Task[None]:
        running = self._running.pop(workload_id)
        if deleted:
            logger.info("%s/%s  deleted", running.workload.project_slug, running.workload.slug)
        running.readiness.close(deleted=deleted)
        running.task.cancel()
        task = asyncio.create_task(finish(running.task))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task


def _log_event(workload: Workload, event: ReadinessRecord) -> None:
    logger.info("%s/%s  %s  %s", workload.project_slug, workload.slug, event.phase, event.message)
