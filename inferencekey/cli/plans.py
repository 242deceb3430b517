"""The plans of several workloads as one: as text, Markdown and JSON, with a total."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import click

from inferencekey import ManagementClient, Plan, WorkloadSpec
from inferencekey._plan_lines import Line, dollars, plan_lines

_ACTIONS = {
    "create": "to create",
    "update": "to update",
    "conflict": "in conflict",
    "unchanged": "unchanged",
}
_STYLES: dict[str, dict[str, Any]] = {
    "head": {"bold": True},
    "add": {"fg": "green"},
    "remove": {"fg": "red"},
    "change": {"fg": "yellow"},
    "conflict": {"fg": "red", "bold": True},
    "total": {"bold": True},
}


class Plans(list[Plan]):
    """In the order of the file."""

    @classmethod
    def of(
        cls, management: ManagementClient, specs: Iterable[WorkloadSpec], limit: float | None
    ) -> Plans:
        """What each spec would change; nothing is written.

        limit: refuses a workload that may cost more dollars per hour.
        """
        return cls(management.plan(spec, max_hourly_cost_usd=limit) for spec in specs)

    def text(self) -> str:
        """Diff after diff, in colours, and the total where there are several."""
        parts = ["\n".join(map(_painted, plan_lines(plan))) for plan in self]
        return "\n\n".join(parts if len(self) == 1 else [*parts, self.total()])

    def to_markdown(self) -> str:
        """The same for a page."""
        parts = [plan.to_markdown().rstrip() for plan in self]
        return "\n\n".join(parts if len(self) == 1 else [*parts, f"**{self.total()}**"])

    def to_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "pending": any(self),
            "counts": self._counts(),
            "max_hourly_cost_usd": self._ceiling(),
            "plans": [plan.to_dict() for plan in self],
        }

    def total(self) -> str:
        """Counts and ceiling in words: `1 to create, 2 unchanged, at most $3.50/h together`."""
        words = [f"{count} {_ACTIONS[action]}" for action, count in self._counts().items() if count]
        ceiling = self._ceiling()
        if ceiling is not None:
            words.append(f"at most {dollars(ceiling)} together")
        return ", ".join(words) or "no workloads"

    def _counts(self) -> dict[str, int]:
        return {action: sum(plan.action == action for plan in self) for action in _ACTIONS}

    def _ceiling(self) -> float | None:
        """What all may cost per hour once applied; None if that of one is not known."""
        ceilings = [plan.max_hourly_cost_usd for plan in self]
        return math.fsum(c or 0.0 for c in ceilings) if ceilings and None not in ceilings else None


def _painted(line: Line) -> str:
    return click.style(line.text, **_STYLES.get(line.style, {}))
