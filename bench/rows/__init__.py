"""The rows of the table: what each measures, its unit, and what we want to reach."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

# The columns, in the order of the table.
CLIENTS = {
    "limit": "LIMIT",
    "sdk_sync": "SDK",
    "sdk_async": "SDK async",
    "http_client": "`http.client`",
    "aiohttp_async": "`aiohttp`",
    "httpx_sync": "`httpx`",
    "openai_sync": "`openai`",
    "openai_async": "`openai` async",
    "sdk_node": "SDK Node",
    "openai_node": "`openai` Node",
}


@dataclass(frozen=True)
class Target:
    """What to reach: `bound`, or that much more than another figure."""

    bound: float
    beyond: str = ""
    """`limit`: the figure of LIMIT; `body`: the megabytes of the answer."""


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    """In the JSON."""
    title: str
    unit: str
    targets: dict[str, Target] = field(default_factory=dict)
    """By client."""
    limit: float | None = None
    """LIMIT on the machine where the targets were set."""
    more_is_better: bool = False

    def wanted_ratio(self, client: str) -> float | None:
        """How many times LIMIT's figure the target is, on whatever machine."""
        target = self.targets.get(client)
        if target is None or self.limit is None:
            return None
        return (target.bound + (self.limit if target.beyond else 0)) / self.limit


@dataclass
class Line:
    """A figure as it was measured."""

    figure: Figure
    values: dict[str, float]
    """By client."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Why a client has no value."""
    body: float = 0
    """Megabytes of the answer, where a target needs them."""

    def bound(self, client: str) -> float | None:
        """What the client is to reach, if it is known."""
        target = self.figure.targets.get(client)
        if target is None:
            return None
        base = {"": 0.0, "limit": self.values.get("limit"), "body": self.body}[target.beyond]
        return None if base is None else base + target.bound

    def met(self, client: str) -> bool | None:
        """Did it? None where there is nothing to compare."""
        bound, value = self.bound(client), self.values.get(client)
        if bound is None or value is None:
            return None
        return value >= bound if self.figure.more_is_better else value <= bound


@dataclass(frozen=True)
class Effort:
    """How much to measure, and of whom."""

    clients: tuple[str, ...]
    quick: bool

    @property
    def rounds(self) -> int:
        """Rounds of a row whose calls are short."""
        return 3 if self.quick else 9

    @property
    def few_rounds(self) -> int:
        """Rounds of a row with calls of seconds."""
        return 1 if self.quick else 3

    @property
    def seconds(self) -> float:
        """For one client in one round."""
        return 0.1 if self.quick else 0.3


class Row(Protocol):
    """One or more lines that are measured together."""

    @property
    def name(self) -> str:
        """By which it is picked."""

    def measure(self, effort: Effort) -> list[Line]:
        """Start what it needs, measure, and end it."""
