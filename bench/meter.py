"""What a stretch of work costs this process: time, processor time and memory."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Done(NamedTuple):
    """What one lane did."""

    calls: int
    times: list[int]
    answer: str


@dataclass(frozen=True)
class Measured:
    """What one run of an operation cost. `answer` tells that it did what the other clients did."""

    calls: int
    wall_ns: int
    cpu_ns: int
    p50_ns: int
    """Median of what the operation noted, mostly the time of a call."""
    peak_bytes: int
    """The most memory, beyond what was resident before."""
    answer: str


class Meter:
    """Starts when it is made."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # From here on counts the peak.
        self._resident = _memory("VmRSS:")
        self._wall = time.perf_counter_ns()
        self._cpu = time.process_time_ns()

    def result(self, lanes: list[Done]) -> dict[str, object]:
        """What the lanes cost until now, for JSON."""
        wall = time.perf_counter_ns() - self._wall
        cpu = time.process_time_ns() - self._cpu
        peak = max(0, _memory("VmHWM:") - self._resident)
        calls = sum(lane.calls for lane in lanes)
        p50 = round(median(time for lane in lanes for time in lane.times))
        return asdict(Measured(calls, wall, cpu, p50, peak, lanes[0].answer))


def _memory(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)
