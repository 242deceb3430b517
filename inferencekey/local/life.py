"""The life of one workload's engine, from its command to its end, told as readiness phases.

One life belongs to one launch of one spec. It goes through the phases, starts a dead engine again
with growing pauses, and gives up with the engine's own last words. A changed spec gets a new life
(`reconciler.py`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

import aiohttp

from .errors import LocalError
from .health import Prober
from .phases import Timings
from .placement import HandleT, Observation, Placement, Replica
from .readiness import Readiness
from .tasks import finish
from .types import DEFAULT_PROJECT, Address, EngineCommand, Workload

NEWS_INTERVAL = 2.0
"""Seconds between two looks for a new line in the log of an engine that is coming up."""
NEWS_LENGTH = 200

Resolve = Callable[[Workload], EngineCommand]


@dataclass
class Target:
    """Where the data plane sends requests for a ready workload."""

    address: Address
    model: str
    """What the engine calls its model: the `model` of every request becomes this."""
    stand_in: str | None
    active: int = 0
    """Requests being answered now."""


@dataclass(frozen=True)
class Ending:
    """How one start of the engine ended."""

    words: str
    log_tail: tuple[str, ...]
    served_s: float | None
    """How long it was ready, None if it never was."""
    final: bool = False
    """Whether another start would end in the same way."""


class Life(Generic[HandleT]):
    """Brings one engine up and keeps it up until cancelled."""

    def __init__(
        self,
        workload: Workload,
        readiness: Readiness,
        placement: Placement[HandleT],
        resolve: Resolve,
        http: aiohttp.ClientSession,
        timings: Timings,
    ) -> None:
        self._workload = workload
        self._readiness = readiness
        self._placement = placement
        self._resolve = resolve
        self._http = http
        self._timings = timings
        self.target: Target | None = None

    async def run(self) -> None:
        """Live. Returns only in the phase `error`; when cancelled, the engine is stopped first."""
        try:
            await self._keep_up(self._provision())
        except LocalError as refusal:
            self._readiness.tell("error", "; ".join(filter(None, (refusal.message, refusal.hint))))

    def _provision(self) -> EngineCommand:
        tell = self._readiness.tell
        workload = self._workload
        tell("provisioning", f"looking for the engine of backend {workload.backend}", "locate")
        command = self._resolve(workload)
        tell("provisioning", command.note or f"found {command.program}", "locate")
        return command

    async def _keep_up(self, command: EngineCommand) -> None:
        crashes, was_ready = 0, False
        while True:
            ending = await self._one_start(command)
            was_ready = was_ready or ending.served_s is not None
            calm = ending.served_s is not None and ending.served_s >= self._timings.calm
            crashes = 1 if calm else crashes + 1
            pause = None if ending.final else self._timings.next_pause(crashes, was_ready=was_ready)
            if pause is None:
                self._give_up(ending, crashes)
                return
            most = self._timings.most_starts(was_ready=was_ready)
            words = f"{ending.words}; starting it again in {pause:g} s (crash {crashes} of {most})"
            self._readiness.tell("bootstrapping", words, "restart")
            await asyncio.sleep(pause)

    def _give_up(self, ending: Ending, crashes: int) -> None:
        times = f", {crashes} times in a row" if crashes > 1 else ""
        words = "\n".join(ending.log_tail) or "(the engine wrote nothing)"
        log = f"see `{self._log_command()}`"
        self._readiness.tell("error", f"{ending.words}{times}; its last words: {words}; {log}")

    def _log_command(self) -> str:
        project = self._workload.project_slug
        option = "" if project == DEFAULT_PROJECT else f" --project {project}"
        return f"inferencekey local logs {self._workload.slug}{option}"

    async def _one_start(self, command: EngineCommand) -> Ending:
        replica = Replica(self._workload.id, self._workload.project_slug, self._workload.slug)
        handle = await self._placement.place(replica, command)
        try:
            return await self._come_up_and_serve(handle, command)
        finally:
            self.target = None
            # A stop that has begun is carried through: half of one leaves children behind.
            stop = asyncio.create_task(self._placement.stop(handle))
            await finish(stop)
            stop.result()

    async def _come_up_and_serve(self, handle: HandleT, command: EngineCommand) -> Ending:
        seen = await self._placement.observe(handle)
        prober = Prober(self._http, seen.address, self._workload)
        self._readiness.tell("bootstrapping", f"started {command.label} at {seen.address}", "start")
        model = await self._come_up(handle, prober, command)
        if isinstance(model, Ending):
            return model
        self.target = Target(seen.address, model, command.stand_in)
        ready_since = time.monotonic()
        self._readiness.tell("ready", self._ready_words(command, model))
        words = await self._until_end(handle, prober, self.target)
        last = await self._placement.observe(handle)
        return Ending(words, last.log_tail, time.monotonic() - ready_since)

    async def _come_up(
        self, handle: HandleT, prober: Prober, command: EngineCommand
    ) -> str | Ending:
        """The served model's name once the engine answers, or how it ended before that."""
        probe = asyncio.create_task(prober.wait_until_serving(command, self._say))
        end = asyncio.create_task(self._placement.observe(handle, until_change=math.inf))
        news = asyncio.create_task(self._tell_news(handle))
        try:
            await asyncio.wait(
                {probe, end},
                timeout=self._timings.start_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if end.done():
                return Ending(f"engine ended with {end.result().exit}", end.result().log_tail, None)
            if probe.done():
                return probe.result()
            last = await self._placement.observe(handle)
            words = f"engine did not answer within {self._timings.start_timeout:g} s"
            return Ending(words, last.log_tail, None, final=True)
        finally:
            for task in (probe, end, news):
                task.cancel()
            await asyncio.gather(probe, end, news, return_exceptions=True)

    async def _until_end(self, handle: HandleT, prober: Prober, target: Target) -> str:
        """Watch a ready engine; how it ended, in words."""
        failures, idle_failures = 0, 0
        timings = self._timings
        # Requests alone prove nothing: those of clients that try again keep a hung engine "at
        # work" for ever. So it is looked at then as well, with more patience.
        while idle_failures < timings.health_failures and failures < timings.busy_failures:
            seen = await self._placement.observe(handle, until_change=timings.health_interval)
            if not seen.alive:
                return f"engine ended with {seen.exit}"
            busy = target.active > 0
            if await prober.healthy(timings.health_timeout):
                failures, idle_failures = 0, 0
            else:
                failures += 1
                idle_failures += not busy
        return f"engine did not answer {failures} health checks in a row"

    async def _tell_news(self, handle: HandleT) -> None:
        """Pass on what the engine says while it comes up: downloads and loading take their time."""
        told = ""
        while True:
            await asyncio.sleep(NEWS_INTERVAL)
            line = _last_line(await self._placement.observe(handle))
            if line and line != told:
                told = line
                self._readiness.tell("bootstrapping", f"engine: {line}", "log")

    def _say(self, step: str, message: str) -> None:
        self._readiness.tell("bootstrapping", message, step)

    def _ready_words(self, command: EngineCommand, model: str) -> str:
        if command.stand_in:
            return command.note
        return f"serving {model} with {command.label}"


def _last_line(seen: Observation) -> str:
    return seen.log_tail[-1][:NEWS_LENGTH] if seen.log_tail else ""
