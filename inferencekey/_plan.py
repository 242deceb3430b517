"""What `ensure` would do, as a value."""

from __future__ import annotations

from inferencekey._errors import ConfigurationError
from inferencekey._record import Record

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from inferencekey._results import EndpointRef
    from inferencekey._timeouts import Timeouts

    Self = TypeVar("Self", bound="Plan")

    # Applies the plan: its base, and the timeout of the call. Gives the ref, or a promise of it.
    Apply = Callable[[str | None, float | Timeouts | None], Any]


class Change(Record):
    """One field that differs. None stands for a field that is absent on that side.

    Values under names that say secret, such as `--api-key`, are `(hidden)`.
    """

    __slots__ = ("_after", "_before", "_parts", "_path")
    __match_args__ = ("path", "before", "after", "parts")

    def __init__(
        self, path: str, before: Any = None, after: Any = None, parts: list[Change] | None = None
    ) -> None:
        self._path = path
        self._before = before
        self._after = after
        self._parts = parts or []

    @classmethod
    def from_answer(cls, change: dict[str, Any]) -> Change:
        """The change as the core hands it over."""
        parts = [cls.from_answer(part) for part in change.get("parts", ())]
        return cls(change["path"], change["before"], change["after"], parts)

    @property
    def path(self) -> str:
        """The spec's own name for it: `model`, `config.max_model_len`; in a command `--flag`."""
        return self._path

    @property
    def before(self) -> Any:
        """The live value."""
        return self._before

    @property
    def after(self) -> Any:
        """The declared value."""
        return self._after

    @property
    def parts(self) -> list[Change]:
        """A launch command flag by flag; empty where only order or quoting differ."""
        return self._parts

    def to_dict(self) -> dict[str, Any]:
        """The change as JSON knows it."""
        facts = {"path": self.path, "before": self.before, "after": self.after}
        return facts | ({"parts": [part.to_dict() for part in self.parts]} if self.parts else {})

    def __str__(self) -> str:
        from inferencekey._plan_lines import change_lines

        return "\n".join(line.text for line in change_lines(self))


class Plan(Record):
    """What makes the live workload match its spec.

    It is true if there is anything to do, prints as a diff, and can be applied. It holds what the
    spec declares, and nothing secret.
    """

    __slots__ = (
        "_action",
        "_apply",
        "_base",
        "_changes",
        "_conflicts",
        "_max_hourly_cost_usd",
        "_max_hourly_cost_usd_before",
        "_notes",
        "_project_slug",
        "_unmanaged",
        "_workload_slug",
    )
    __match_args__ = (
        "action",
        "changes",
        "conflicts",
        "notes",
        "unmanaged",
        "project_slug",
        "workload_slug",
        "max_hourly_cost_usd",
        "max_hourly_cost_usd_before",
    )
    _base: str | None
    _apply: Apply | None

    def __init__(
        self,
        action: str,
        changes: list[Change] | None = None,
        conflicts: list[Change] | None = None,
        notes: list[str] | None = None,
        unmanaged: int = 0,
        project_slug: str = "",
        workload_slug: str = "",
        max_hourly_cost_usd: float | None = None,
        max_hourly_cost_usd_before: float | None = None,
    ) -> None:
        self._action = action
        self._changes = changes or []
        self._conflicts = conflicts or []
        self._notes = notes or []
        self._unmanaged = unmanaged
        self._project_slug = project_slug
        self._workload_slug = workload_slug
        self._max_hourly_cost_usd = max_hourly_cost_usd
        self._max_hourly_cost_usd_before = max_hourly_cost_usd_before
        self._base = None
        self._apply = None

    @classmethod
    def from_answer(cls: type[Self], plan: dict[str, Any], apply: Apply | None = None) -> Self:
        """The plan as the core hands it over, and what applies it."""
        ceiling = plan["max_hourly_cost_usd"]
        made = cls(
            plan["action"],
            [Change.from_answer(change) for change in plan["changes"]],
            [Change.from_answer(change) for change in plan["conflicts"]],
            plan["notes"],
            plan["unmanaged"],
            plan["project_slug"],
            plan["workload_slug"],
            ceiling["after"],
            ceiling["before"],
        )
        made._base = plan["base"]
        made._apply = apply
        return made

    @property
    def action(self) -> str:
        """`create`, `update`, `unchanged`, or `conflict`: a difference that cannot be written."""
        return self._action

    @property
    def changes(self) -> list[Change]:
        """Fields that would be written."""
        return self._changes

    @property
    def conflicts(self) -> list[Change]:
        """Fields that differ and cannot change in place (wire.md 2.8)."""
        return self._conflicts

    @property
    def notes(self) -> list[str]:
        """What else is worth knowing, in words."""
        return self._notes

    @property
    def unmanaged(self) -> int:
        """How many live fields the spec leaves alone."""
        return self._unmanaged

    @property
    def project_slug(self) -> str:
        """Project of the workload."""
        return self._project_slug

    @property
    def workload_slug(self) -> str:
        """Canonical slug of the workload."""
        return self._workload_slug

    @property
    def max_hourly_cost_usd(self) -> float | None:
        """What the workload may cost in US dollars per hour once the plan is applied.

        It is the ceiling of the execution policy; None if that names none (wire.md 2.6).
        """
        return self._max_hourly_cost_usd

    @property
    def max_hourly_cost_usd_before(self) -> float | None:
        """The same for the live workload."""
        return self._max_hourly_cost_usd_before

    def apply(self, *, timeout: float | Timeouts | None = None) -> EndpointRef:
        """Do what the plan says, or nothing.

        Raises PlanStale (.plan: what would be the plan now) if the live workload was touched since,
        and nothing is written then (wire.md 2.9); DriftError for a plan with conflicts;
        ConfigurationError for a plan that has no client: one that was copied, unpickled, or
        came with an error.
        """
        ref: EndpointRef = self._applier()(self._base, timeout)
        return ref

    def _applier(self) -> Any:
        if self._apply is None:
            raise ConfigurationError(
                "apply: this plan has no client: it was copied, unpickled, or came with an error",
                operation="apply",
                hint="make it anew with `plan`",
            )
        return self._apply

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON knows it; the keys are those of the properties."""
        return {
            "project_slug": self.project_slug,
            "workload_slug": self.workload_slug,
            "action": self.action,
            "changes": [change.to_dict() for change in self.changes],
            "conflicts": [change.to_dict() for change in self.conflicts],
            "notes": self.notes,
            "unmanaged": self.unmanaged,
            "max_hourly_cost_usd": self.max_hourly_cost_usd,
            "max_hourly_cost_usd_before": self.max_hourly_cost_usd_before,
        }

    def to_json(self, *, indent: int | None = None) -> str:
        """The text of `to_dict`, on one line or with that indent."""
        import json

        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def to_markdown(self) -> str:
        """The plan for a comment on a change, or the step summary of a CI run."""
        from inferencekey._plan_lines import markdown

        return markdown(self)

    def _repr_html_(self) -> str:
        """The plan in a notebook."""
        from inferencekey._plan_lines import html

        return html(self)

    def __bool__(self) -> bool:
        return self.action != "unchanged"

    def __str__(self) -> str:
        from inferencekey._plan_lines import plan_lines

        return "\n".join(line.text for line in plan_lines(self))

    def __getstate__(self) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        # The client stays where it is. A subclass may have attributes of its own.
        kept = {name: getattr(self, name) for name in Plan.__slots__}
        return getattr(self, "__dict__", None), {**kept, "_apply": None}
