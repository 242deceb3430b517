"""A plan that is applied by an async client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inferencekey._plan import Plan

if TYPE_CHECKING:
    from inferencekey._results import EndpointRef
    from inferencekey._timeouts import Timeouts


class AsyncPlan(Plan):
    """What makes the live workload match its spec: a `Plan` whose `apply` is awaited.

    What `AsyncManagementClient.plan` gives, and what is in `.plan` of its refs.
    """

    __slots__ = ()

    # The promise of `Plan.apply`, but awaited: that is what the class is for.
    async def apply(  # type: ignore[override]
        self, *, timeout: float | Timeouts | None = None
    ) -> EndpointRef:
        """Do what the plan says, or nothing: `await plan.apply()`.

        It raises what `Plan.apply` raises.
        """
        ref: EndpointRef = await self._applier()(self._base, timeout)
        return ref
