"""The two planes, asked as a program would: with its base URL, tokens, trust and proxies.

One request each, and none that costs anything: the list of workloads, and a chat with a workload
that does not exist.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from inferencekey import (
    ApiError,
    ConnectionFailed,
    DataClient,
    InferenceKeyError,
    ManagementClient,
    NotFound,
    PermissionDenied,
    Timeout,
)

NOBODY = "inferencekey-doctor-0"
"""A slug that no workload has."""


@dataclass(frozen=True)
class Asked:
    """What came of asking one plane.

    facts: the client's settings, as the core tells them; empty if no client could be made."""

    facts: dict[str, Any] = field(default_factory=dict)
    error: InferenceKeyError | None = None
    milliseconds: int = 0
    workloads: int = 0

    @property
    def missing(self) -> bool:
        """Was nothing asked, for want of a token?"""
        return self.error is not None and self.error.code in ("missing_token", "missing_api_key")

    @property
    def sent(self) -> bool:
        """Did the request leave? What is refused before that has no status, and is no ApiError."""
        error = self.error
        return error is None or isinstance(error, ApiError) or error.status is not None

    @property
    def reached(self) -> bool:
        """Did an answer come back?"""
        return self.sent and not isinstance(self.error, (ConnectionFailed, Timeout))


def ask_control(make: Callable[[], ManagementClient]) -> Asked:
    """List the workloads of the project."""
    return _ask(make, lambda client: len(client.list()))


def ask_data(make: Callable[[], DataClient]) -> Asked:
    """Show the data key. Who answers that there is no such workload has let it pass."""

    def chat(client: DataClient) -> int:
        try:
            client.endpoint(NOBODY).generate_text(prompt="ping", max_tokens=1)
        except NotFound:
            pass
        except PermissionDenied as error:
            # The key is good, for other workloads.
            if error.status is None or error.api_code == "project_scope_mismatch":
                raise
        return 0

    return _ask(make, chat)


def _ask(make: Callable[[], Any], request: Callable[[Any], int]) -> Asked:
    facts, started = {}, time.monotonic()
    try:
        with make() as client:
            facts = client._facts()
            started = time.monotonic()
            workloads = request(client)
    except InferenceKeyError as error:
        return Asked(facts, error, _milliseconds(started))
    return Asked(facts, None, _milliseconds(started), workloads)


def _milliseconds(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
