"""Waiting for several workloads, one after the other: they start side by side anyway."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from inferencekey import ManagementClient


def until_ready(
    management: ManagementClient, addresses: Iterable[tuple[str | None, str]], timeout: float
) -> Iterator[float]:
    """For each project and slug, once it is ready: the seconds since the first was waited for.

    timeout: seconds for all together; each has a second at least to say that it is ready. What
    goes on is shown on stderr, as INFERENCEKEY_PROGRESS says.
    """
    began = time.monotonic()
    # The first wait takes the timeout as it was given: what is wrong with it is said there.
    left = timeout
    for project, slug in addresses:
        management.wait_until_ready(slug, project=project, timeout=left)
        waited = time.monotonic() - began
        left = max(timeout - waited, 1.0)
        yield round(waited, 3)
