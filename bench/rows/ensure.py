"""`ensure` of a workload that is as declared: the SDK reads the project's list and compares.

The others read the same list and look for the slug. A short list is there at once, and what is
left is latency, which one core for both sides gives most steadily; of a long one, the client reads
while the server writes.
"""

from __future__ import annotations

from rows import Figure, Target
from rows.interleaved import Interleaved, p50, peak


def _ensure(
    workloads: int, target_ms: float, limit_ms: float, one_core: bool = False
) -> Interleaved:
    where = ", on one core" if one_core else ""
    return Interleaved(
        name="ensure",
        operation=f"find:{workloads}",
        one_core=one_core,
        figures=(
            (
                Figure(
                    f"ensure_of_{workloads}_ms",
                    f"`ensure` in sync, in a project of {workloads:,} workloads{where}",
                    "ms",
                    {"sdk_sync": Target(target_ms)},
                    limit=limit_ms,
                ),
                p50(1e-6),
            ),
            (
                Figure(
                    f"ensure_of_{workloads}_peak_mb", "… most memory beyond what was there", "MB"
                ),
                peak,
            ),
        ),
    )


ENSURE = (
    _ensure(10, 0.025, 0.009, one_core=True),
    _ensure(1_000, 0.9, 0.54),
    _ensure(10_000, 12, 7.1),
)
