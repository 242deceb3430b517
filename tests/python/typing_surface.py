"""Programs that only have to type-check: mypy reads them, nobody runs them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from typing_extensions import assert_type

from inferencekey import (
    AsyncEndpoint,
    AsyncManagementClient,
    AsyncPlan,
    Backend,
    Collected,
    DataClient,
    Endpoint,
    EndpointRef,
    InferenceKeyError,
    ManagementClient,
    MapResult,
    OnDrift,
    Plan,
    ReadinessEvent,
    Retry,
    RetryPolicy,
    TextChunk,
    TextStream,
    Timeouts,
    Workload,
    WorkloadFailed,
    WorkloadSpec,
)


def declare(mgmt: ManagementClient) -> EndpointRef:
    """Enums and plain strings are both accepted."""
    spec = WorkloadSpec(
        name="Bot", slug="bot", model="m", backend=Backend.VLLM, config={"max_model_len": 4096}
    )
    spec.backend = "my-own"
    if plan := mgmt.plan(spec):
        assert_type(plan, Plan)
    mgmt.ensure(spec, on_drift="fail")
    return mgmt.ensure(spec, on_drift=OnDrift.RECONCILE, timeout=30)


def wait(mgmt: ManagementClient, ref: EndpointRef) -> list[ReadinessEvent]:
    """Callbacks are typed; errors carry typed attributes."""
    seen: list[ReadinessEvent] = []
    try:
        mgmt.wait_until_ready(ref.workload_slug, timeout=math.inf, on_progress=seen.append)
    except WorkloadFailed as failed:
        return failed.events or []
    return seen


def borrow(mgmt: ManagementClient, spec: WorkloadSpec) -> list[str]:
    """A block gets an endpoint; what `gc` removed is a list of records."""
    with mgmt.ephemeral(spec, keep_on_error=True, max_lifetime=3600) as bot:
        assert_type(bot, Endpoint)
    collected = mgmt.gc(project="acme")
    assert_type(collected, Collected)
    return [one.workload_slug for one in [*collected, *collected.kept] if one.error is None]


def look(mgmt: ManagementClient) -> WorkloadSpec | None:
    """Live workloads are dicts with typed properties."""
    for workload in mgmt.list():
        assert_type(workload, Workload)
        assert_type(workload["anything"], Any)
    assert_type(mgmt.status("bot"), ReadinessEvent)
    assert_type(mgmt.export("bot"), WorkloadSpec)
    assert_type(mgmt.get("bot").max_hourly_cost_usd, float | None)
    return mgmt.get("bot").spec


async def awaited(spec: WorkloadSpec) -> EndpointRef:
    """The async clients give the same types, and async twins of what sends more later."""
    mgmt = AsyncManagementClient.from_env()
    assert_type(mgmt, AsyncManagementClient)
    async with mgmt.ephemeral(spec) as bot:
        assert_type(bot, AsyncEndpoint)
        assert_type((await bot.generate_text(prompt="Hi")).text, str)
        async for chunk in bot.generate_text_stream(prompt="Hi"):
            assert_type(chunk, TextChunk)
    async for event in mgmt.readiness("bot"):
        assert_type(event, ReadinessEvent)
        async for item in bot.map(["Hi"]):
            assert_type(item, MapResult)
    assert_type(await mgmt.gc(), Collected)
    assert_type(await mgmt.list(), list[Workload])
    plan = await mgmt.plan(spec)
    assert_type(plan, AsyncPlan)
    return await plan.apply()


def watch() -> ManagementClient:
    """A hook gets a record of plain values and an error."""
    pauses: list[float] = []

    def on_retry(retry: Retry) -> None:
        assert_type(retry.error.code, str)
        pauses.append(retry.pause)

    return ManagementClient.from_env(retries=RetryPolicy(5, longest_pause=2), on_retry=on_retry)


def ask(client: DataClient) -> str:
    """A stream is an iterator of chunks and a context manager."""
    bot = client.endpoint("bot", api_key="k")
    result = bot.generate_text(
        messages=[{"role": "user", "content": "Hi"}], timeout=Timeouts(total=5)
    )
    assert_type(result.text, str)
    assert_type(bot.embed(input=["a"]).embeddings, list[list[float]])
    with bot.generate_text_stream(prompt="Hi") as stream:
        assert_type(stream, TextStream)
        chunks: Iterator[TextChunk] = stream
        match next(chunks):
            case TextChunk(text, reason):
                assert_type(text, str)
                assert_type(reason, str | None)
        return "".join(chunk.text for chunk in stream)


def ask_many(bot: Endpoint, prompts: Iterator[str]) -> dict[int, str]:
    """What an item can be depends on `on_error`; prompts of both kinds may be mixed."""
    for item in bot.map(prompts, on_error="return", ordered=False):
        assert_type(item, MapResult | InferenceKeyError)
    with bot.map(["Hi", [{"role": "user", "content": "Hi"}]], timeout=5) as items:
        return {item.index: item.text for item in items}


def keep(ref: EndpointRef) -> dict[str, object]:
    """Results are dataclasses to the functions of that module."""
    other = dataclasses.replace(ref, project_slug="other")
    assert_type(other, EndpointRef)
    return dataclasses.asdict(other)
