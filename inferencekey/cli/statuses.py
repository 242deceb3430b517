"""The readiness phases of many workloads."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from inferencekey import InferenceKeyError, ManagementClient, Workload

_AT_ONCE = 8
_SECONDS = 5.0
"""For all together; what is not known by then is not worth the wait."""


def statuses(management: ManagementClient, workloads: Sequence[Workload]) -> dict[str, str]:
    """The phase of each by its slug, as far as it can be known: where the list tells none, the
    platform is asked for it."""
    known = {one.slug: one.status for one in workloads if one.status is not None}
    unknown = [one.slug for one in workloads if one.slug not in known]
    if not unknown:
        return known
    deadline = time.monotonic() + _SECONDS

    def ask(slug: str) -> str | None:
        left = deadline - time.monotonic()
        try:
            return management.status(slug, timeout=left).phase if left > 0 else None
        except InferenceKeyError:
            return None

    pool = ThreadPoolExecutor(min(_AT_ONCE, len(unknown)))
    try:
        asked = zip(unknown, pool.map(ask, unknown), strict=True)
        return known | {slug: phase for slug, phase in asked if phase is not None}
    except KeyboardInterrupt:
        management.close()  # It ends the calls on the other threads.
        raise
    finally:
        pool.shutdown(cancel_futures=True)
