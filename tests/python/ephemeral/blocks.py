"""Blocks that show nothing, and platforms that refuse."""

from __future__ import annotations

from typing import Any

from clients import API_KEY, SPEC
from double import Double, answer

from inferencekey import (
    ManagementClient,
    WorkloadSpec,
)


def refusal(status: int) -> bytes:
    """An error of the platform."""
    return answer({"error": {"code": "c", "message": "words"}}, status)


def ephemeral(mgmt: ManagementClient, spec: WorkloadSpec = SPEC, **options: Any) -> Any:
    """A block that shows nothing."""
    return mgmt.ephemeral(spec, **{"api_key": API_KEY, "silent": True, **options})


def methods(double: Double) -> list[str]:
    """What reached the control plane."""
    control = [one for one in double.journal.requests if one.target.startswith("/api/")]
    return [request.method for request in control]


class Mine(Exception):
    """An error of the program."""
