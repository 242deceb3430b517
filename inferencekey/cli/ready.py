"""Waiting for several workloads, one after the other: they start side by side anyway."""

from __future__ import annotations

import time
from collections.abc import Iterable

from inferencekey import ManagementClient


def until_ready(
    management: ManagementClient,
    slugs: Iterable[str],
    timeout: float,
    project: str | None = None,
) -> dict[str, float]:
    """Wait for all of them; how many seconds each took, counted from the call.

    timeout: seconds for all together. What goes on is shown on stderr, as
    INFERENCEKEY_PROGRESS says.
    """
    began = time.monotonic()
    waited: dict[str, float] = {}
    for slug in dict.fromkeys(slugs):
        left = timeout - (time.monotonic() - began)
        # The first wait takes the timeout as it was given: what is wrong with it is said there.
        management.wait_until_ready(
            slug, project=project, timeout=max(left, 0.0) if waited else timeout
        )
        waited[slug] = round(time.monotonic() - began, 3)
    return waited
