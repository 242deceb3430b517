"""What `ensure` would do, as a value."""

from __future__ import annotations

from inferencekey._record import Record

# Type checkers take this name for true; see `inferencekey/__init__.py`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Change(Record):
    """One field that differs. None stands for a field that is absent on that side."""

    __slots__ = ("_after", "_before", "_path")
    __match_args__ = ("path", "before", "after")

    def __init__(self, path: str, before: Any = None, after: Any = None) -> None:
        self._path = path
        self._before = before
        self._after = after

    @property
    def path(self) -> str:
        """The spec's own name for it: `model`, `config.max_model_len`."""
        return self._path

    @property
    def before(self) -> Any:
        """The live value."""
        return self._before

    @property
    def after(self) -> Any:
        """The declared value."""
        return self._after

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


class Plan(Record):
    """What makes the live workload match its spec.

    It is true if there is anything to do, and prints as a diff.
    """

    __slots__ = ("_action", "_changes", "_conflicts", "_notes", "_unmanaged")
    __match_args__ = ("action", "changes", "conflicts", "notes", "unmanaged")

    def __init__(
        self,
        action: str,
        changes: list[Change] | None = None,
        conflicts: list[Change] | None = None,
        notes: list[str] | None = None,
        unmanaged: int = 0,
    ) -> None:
        self._action = action
        self._changes = changes or []
        self._conflicts = conflicts or []
        self._notes = notes or []
        self._unmanaged = unmanaged

    @classmethod
    def from_answer(cls, plan: dict[str, Any]) -> Plan:
        """The plan as the core hands it over."""
        return cls(
            plan["action"],
            [_change(change) for change in plan["changes"]],
            [_change(change) for change in plan["conflicts"]],
            plan["notes"],
            plan["unmanaged"],
        )

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

    def __bool__(self) -> bool:
        return self.action != "unchanged"

    def __str__(self) -> str:
        lines = [self.action]
        sign = "+" if self.action == "create" else "~"
        lines += [f"  {sign} {change}" for change in self.changes]
        lines += [f"  ! {change} (cannot change in place)" for change in self.conflicts]
        lines += [f"  note: {note}" for note in self.notes]
        if self.unmanaged:
            fields = "field is" if self.unmanaged == 1 else "fields are"
            lines.append(f"  {self.unmanaged} live {fields} not in the spec and left alone")
        return "\n".join(lines)


def _change(change: dict[str, Any]) -> Change:
    return Change(change["path"], change["before"], change["after"])


def _shown(value: object) -> str:
    import json

    return "(absent)" if value is None else json.dumps(value, ensure_ascii=False)
