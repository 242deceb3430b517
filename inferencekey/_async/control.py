"""The control plane, awaited."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from inferencekey import _control, _marshal
from inferencekey._async import calls, readiness
from inferencekey._async.client import AsyncClient
from inferencekey._async.documented import like
from inferencekey._async.plan import AsyncPlan
from inferencekey._async.readiness import AsyncReadiness
from inferencekey._control import DELETE_GRACE_MS, ControlClient, ManagementClient
from inferencekey._enums import OnDrift
from inferencekey._marshal import Request
from inferencekey._results import EndpointRef, ReadinessEvent
from inferencekey._secret import token
from inferencekey._spec import WorkloadSpec
from inferencekey._timeouts import Timeouts, clock_options
from inferencekey._workload import Workload

if TYPE_CHECKING:
    from typing import Any

    from inferencekey._async.ephemeral import AsyncEphemeral
    from inferencekey._ephemeral.leftovers import Collected
else:
    AsyncEphemeral = Collected = object

# Inside the class, `list` is a method.
Workloads = list[Workload]


class AsyncManagementClient(ControlClient, AsyncClient):
    """Declares, watches and deletes the workloads of a project, from asyncio.

    The methods of `ManagementClient`, awaited. A client belongs to no event loop: it can be used
    in any thread, from several loops at once and from one after the other, and in a child made by
    `fork`; it copies and pickles as `ManagementClient` does. It is an async context manager;
    leaving it closes it, and nothing happens if it is never closed. A task that is cancelled ends
    its request on the wire. Callbacks are plain functions, called on the loop's thread.
    """

    @like(ManagementClient.ensure)
    async def ensure(
        self,
        spec: WorkloadSpec,
        *,
        on_drift: OnDrift | str = OnDrift.RECONCILE,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
        max_hourly_cost_usd: float | None = None,
    ) -> EndpointRef:
        fields = _control.spec_fields("ensure", spec)
        del spec  # From here on a traceback with locals shows no token in it.
        wish = _control.wish_for("ensure", fields, project, max_hourly_cost_usd)
        request = _control.to_ensure(wish, on_drift, timeout)
        answer, plan = _control.ensured(await calls.call(self, "ensure", request))
        _control.warn_of_drift(answer)
        return self._ref(answer, plan, wish)

    @like(ManagementClient.plan)
    async def plan(
        self,
        spec: WorkloadSpec,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
        max_hourly_cost_usd: float | None = None,
    ) -> AsyncPlan:
        fields = _control.spec_fields("plan", spec)
        del spec  # From here on a traceback with locals shows no token in it.
        wish = _control.wish_for("plan", fields, project, max_hourly_cost_usd)
        request = _marshal.extended("plan", wish, Request(clock_options(timeout, "plan")))
        return self._planned((await calls.ask(self, "plan", request))["plan"], wish)

    def _planned(self, plan: dict[str, Any], wish: _marshal.Encoded) -> AsyncPlan:
        """The plan, which keeps the wish that it was made for."""

        async def apply(base: str | None, timeout: float | Timeouts | None) -> EndpointRef:
            request = _control.to_apply(wish, base, timeout)
            answer, plan = _control.ensured(await calls.call(self, "apply", request))
            return self._ref(answer, plan, wish)

        return AsyncPlan.from_answer(plan, apply)

    def _ref(self, answer: dict[str, Any], plan: bytes, wish: _marshal.Encoded) -> EndpointRef:
        """What `ensure` and `apply` give back."""
        return EndpointRef.from_answer(answer, lambda: self._planned(_marshal.decode(plan), wish))

    @like(ManagementClient.get)
    async def get(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
    ) -> Workload:
        request = Request(
            workload_slug=workload_slug, project=project, **clock_options(timeout, "get")
        )
        return Workload.from_answer(await calls.ask(self, "get", request))

    @like(ManagementClient.list)
    async def list(
        self, *, project: str | None = None, timeout: float | Timeouts | None = None
    ) -> Workloads:
        answer = await calls.ask(
            self, "list", Request(project=project, **clock_options(timeout, "list"))
        )
        return Workload.all_from_answer(answer)

    @like(ManagementClient.status)
    async def status(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
    ) -> ReadinessEvent:
        request = Request(
            workload_slug=workload_slug, project=project, **clock_options(timeout, "status")
        )
        return ReadinessEvent.from_answer(await calls.ask(self, "status", request))

    @like(ManagementClient.export)
    async def export(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
    ) -> WorkloadSpec:
        request = Request(
            workload_slug=workload_slug, project=project, **clock_options(timeout, "export")
        )
        return WorkloadSpec.from_answer((await calls.ask(self, "export", request))["spec"])

    @like(ManagementClient.wait_until_ready)
    async def wait_until_ready(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float = 600.0,
        on_progress: Callable[[ReadinessEvent], None] | None = None,
        silent: bool = False,
        progress: str | bool | None = None,
    ) -> None:
        await readiness.wait(
            self,
            workload_slug,
            project=project,
            timeout=timeout,
            on_progress=on_progress,
            silent=silent,
            progress=progress,
        )

    @like(ManagementClient.readiness)
    def readiness(
        self, workload_slug: str, *, project: str | None = None, timeout: float = 600.0
    ) -> AsyncReadiness:
        return readiness.readiness(self, workload_slug, project=project, timeout=timeout)

    @like(ManagementClient.ephemeral)
    def ephemeral(
        self,
        spec: WorkloadSpec,
        *,
        api_key: str | None = None,
        project: str | None = None,
        timeout: float = 600.0,
        keep_on_error: bool = False,
        max_lifetime: float | None = None,
        on_progress: Callable[[ReadinessEvent], None] | None = None,
        silent: bool = False,
        progress: str | bool | None = None,
    ) -> AsyncEphemeral:
        from inferencekey._async.ephemeral import AsyncEphemeral

        secret = token(api_key)
        del api_key  # From here on a traceback with locals shows no token.
        fields = _control.spec_fields("ephemeral", spec)
        del spec
        return AsyncEphemeral(
            self,
            fields,
            api_key=secret,
            project=project,
            timeout=timeout,
            keep_on_error=keep_on_error,
            max_lifetime=max_lifetime,
            on_progress=on_progress,
            silent=silent,
            progress=progress,
        )

    @like(ManagementClient.gc)
    async def gc(self, *, project: str | None = None) -> Collected:
        from inferencekey._async.ephemeral import run
        from inferencekey._ephemeral.collect import Collector

        return await run(Collector(self).collecting(project))

    @like(ManagementClient.delete)
    async def delete(
        self,
        workload_slug: str,
        *,
        project: str | None = None,
        timeout: float | Timeouts | None = None,
    ) -> bool:
        request = Request(
            workload_slug=workload_slug, project=project, **clock_options(timeout, "delete")
        )
        deleted: bool = (await calls.ask(self, "delete", request, DELETE_GRACE_MS))["deleted"]
        return deleted
