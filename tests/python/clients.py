"""Clients of the double, with tokens that were made up."""

from __future__ import annotations

from typing import Any

from double import Double

from inferencekey import (
    AsyncDataClient,
    AsyncEndpoint,
    AsyncManagementClient,
    DataClient,
    Endpoint,
    ManagementClient,
    WorkloadSpec,
)

# Of the issued form (wire.md 1.3), so that masking has something to find.
SDK_TOKEN = "ik_sdk_0123abcd_" + "5ec2e7" * 10 + "beef"
API_KEY = "ik_live_4567cdef_" + "5ec2e7" * 10 + "cafe"

SPEC = WorkloadSpec(name="Bot", slug="bot", model="m", backend="vllm")
LIVE = {"id": "wl_1", "slug": "bot", "name": "Bot", "backend": "vllm", "model_name": "m"}


def management(double: Double, **options: Any) -> ManagementClient:
    """A client of the double's control plane."""
    given = {"base_url": double.url, "sdk_token": SDK_TOKEN, "project": "acme", **options}
    return ManagementClient(**given)


def async_management(double: Double, **options: Any) -> AsyncManagementClient:
    """The same, awaited."""
    given = {"base_url": double.url, "sdk_token": SDK_TOKEN, "project": "acme", **options}
    return AsyncManagementClient(**given)


def data(double: Double, **options: Any) -> DataClient:
    """A client of the double's data plane."""
    given = {"base_url": double.url, "project": "acme", "api_key": API_KEY, **options}
    return DataClient(**given)


def endpoint(double: Double, **options: Any) -> Endpoint:
    """The endpoint of the workload `bot`."""
    return data(double, **options).endpoint("bot")


def async_endpoint(double: Double, **options: Any) -> AsyncEndpoint:
    """The same, awaited."""
    given = {"base_url": double.url, "project": "acme", "api_key": API_KEY, **options}
    return AsyncDataClient(**given).endpoint("bot")


def completion(text: str, **more: object) -> dict[str, object]:
    """A whole chat answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    return {"id": "c1", "model": "m-1", "choices": [choice], **more}


def delta(text: str | None = None, finish_reason: str | None = None) -> dict[str, object]:
    """A chunk of a streamed chat answer."""
    content = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": content, "finish_reason": finish_reason}
    return {"id": "c1", "model": "m-1", "choices": [choice]}
