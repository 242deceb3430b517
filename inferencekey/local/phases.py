"""The order of readiness phases, restarts and pauses: tables, no I/O. All that is about order lives
here."""

from __future__ import annotations

from dataclasses import dataclass

from .types import Phase

FIRST_PHASE: Phase = "scheduling"
TERMINAL: frozenset[Phase] = frozenset({"ready", "error"})

NEXT_PHASES: dict[Phase, frozenset[Phase]] = {
    "scheduling": frozenset({"provisioning", "error"}),
    "provisioning": frozenset({"bootstrapping", "error"}),
    "bootstrapping": frozenset({"ready", "error"}),
    "ready": frozenset({"bootstrapping", "error"}),
    # A dead engine is started again; only PATCH or delete leaves "error", with a life of its own.
    "error": frozenset(),
}

WARMING_CODES: dict[Phase, str] = {
    "scheduling": "cold_start",
    "provisioning": "cold_start",
    "bootstrapping": "model_loading",
}
"""The `code` of the data plane's 503 while a workload comes up (wire.md 5.5)."""


def may_follow(old: Phase, new: Phase) -> bool:
    """Whether `new` may come after `old`. More news of the same phase is always in order."""
    return old == new or new in NEXT_PHASES[old]


@dataclass(frozen=True)
class Timings:
    """Every length of time and count that the platform goes by. All values but the counts are
    seconds."""

    start_timeout: float = 600.0
    """From the start of an engine's process to its first answered test request."""
    stop_grace: float = 5.0
    """From TERM to KILL."""
    keep_alive: float = 15.0
    """Between two comments on a readiness stream."""
    pauses_before_ready: tuple[float, ...] = (0.5, 1.0)
    """Before each new start of an engine that never got ready: such a fault is rarely cured by
    itself."""
    pauses_after_ready: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    """Before each new start of an engine that has served."""
    calm: float = 60.0
    """Ready for so long, an engine's earlier crashes are forgotten."""
    health_interval: float = 10.0
    """Between two looks at a ready engine."""
    health_timeout: float = 5.0
    """For one look."""
    health_failures: int = 6
    """Looks that may fail before a ready engine with no request to answer counts as dead."""
    busy_failures: int = 20
    """The same for an engine at work: an honest one may be too busy for a look, for a while."""
    retry_after: int = 1
    """What the data plane tells a client to wait while a workload comes up."""

    def next_pause(self, crashes: int, *, was_ready: bool) -> float | None:
        """The pause before the next start after `crashes` (≥ 1) in a row; None: give up."""
        pauses = self.pauses_after_ready if was_ready else self.pauses_before_ready
        return pauses[crashes - 1] if crashes <= len(pauses) else None

    def most_starts(self, *, was_ready: bool) -> int:
        """How many crashes in a row end in the phase `error`."""
        return 1 + len(self.pauses_after_ready if was_ready else self.pauses_before_ready)
