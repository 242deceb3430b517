"""`ensure` of a workload that is as declared: the SDK reads the project's list and compares.

The others read the same list and look for the slug.
"""

from __future__ import annotations

from rows import Figure, Target
from rows.interleaved import Interleaved, p50, peak


def _ensure(workloads: int, target_ms: float, limit_ms: float) -> Interleaved:
    return Interleaved(
        name="ensure",
        operation=f"find:{workloads}",
        figures=(
            (
                Figure(
                    f"ensure_of_{workloads}_ms",
                    f"`ensure` in sync, in a project of {workloads:,} workloads",
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


ENSURE = (_ensure(10, 0.025, 0.009), _ensure(1_000, 0.9, 0.54), _ensure(10_000, 12, 7.1))
