"""A live workload, as the platform describes it."""

from __future__ import annotations

from inferencekey._spec import WorkloadSpec

# Type checkers take this name for true; see `inferencekey/__init__.py`. `Any` stays a name for
# `get_type_hints`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object

_NO_FACTS: dict[str, Any] = {"status": None, "max_hourly_cost_usd": None, "spec": None}


class Workload(dict[str, Any]):
    """The platform's own object (keys: wire.md 2.5), with what one asks most as properties.

    It is a dict: `workload["config"]`, `json.dumps(workload)`, `==`. A property is None where the
    platform does not tell; only `id` and `slug` are always there.
    """

    __slots__ = ("_facts",)

    def __init__(self, fields: dict[str, Any], facts: dict[str, Any] | None = None) -> None:
        super().__init__(fields)
        # What the core makes of it (docs/c-api.md).
        self._facts = _NO_FACTS if facts is None else facts

    @classmethod
    def from_answer(cls, answer: dict[str, Any]) -> Workload:
        """The workload as the core hands it over."""
        return cls(answer["workload"], answer["facts"])

    @classmethod
    def all_from_answer(cls, answer: dict[str, Any]) -> list[Workload]:
        """All of a list."""
        return [*map(cls, answer["workloads"], answer["facts"])]

    @property
    def id(self) -> str:
        """The platform's own key for it."""
        return str(self["id"])

    @property
    def slug(self) -> str:
        """Its address in the project: what `wait_until_ready`, `delete` and `endpoint` take."""
        return str(self["slug"])

    @property
    def name(self) -> str | None:
        """Free text for people."""
        return self._text("name")

    @property
    def description(self) -> str | None:
        """More of it."""
        return self._text("description")

    @property
    def model(self) -> str | None:
        """The model in the backend's own words; `model_name` on the wire."""
        return self._text("model_name")

    @property
    def backend(self) -> str | None:
        """What serves the model; compares with `Backend`."""
        return self._text("backend")

    @property
    def task_type(self) -> str | None:
        """What it takes and gives; compares with `TaskType`."""
        return self._text("task_type")

    @property
    def status(self) -> str | None:
        """The readiness phase, where the list tells one. `ManagementClient.status` asks for it."""
        status: str | None = self._facts["status"]
        return status

    @property
    def created_at(self) -> str | None:
        """When it was created: RFC 3339, in the platform's own digits."""
        return self._text("created_at")

    @property
    def updated_at(self) -> str | None:
        """When it was last written: RFC 3339, in the platform's own digits."""
        return self._text("updated_at")

    @property
    def max_hourly_cost_usd(self) -> float | None:
        """What its execution policy lets it cost at most, in US dollars an hour."""
        ceiling: float | None = self._facts["max_hourly_cost_usd"]
        return None if ceiling is None else float(ceiling)

    @property
    def spec(self) -> WorkloadSpec | None:
        """The spec it stands for, a new one each time; `ensure` leaves it unchanged.

        None where there is no such spec; `ManagementClient.export` then says why.
        """
        spec: dict[str, Any] | None = self._facts["spec"]
        return None if spec is None else WorkloadSpec.from_answer(spec)

    def _text(self, key: str) -> str | None:
        value = self.get(key)
        return value if isinstance(value, str) else None

    def __repr__(self) -> str:
        shown = ("backend", "model", "status")
        parts = [f"{name}={getattr(self, name)!r}" for name in shown]
        return f"<Workload {self.get('slug')!r} {' '.join(parts)}>"

    def __reduce__(self) -> tuple[type[Workload], tuple[dict[str, Any], dict[str, Any]]]:
        # Slots do not travel by themselves in every protocol.
        return Workload, (dict(self), self._facts)

    def copy(self) -> Workload:
        """Another one with the same content; what is nested is shared, as in a dict."""
        return Workload(self, self._facts)
