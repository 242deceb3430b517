"""`list`, `get`, `status` and `export`: the live side, as values (issue 4.3)."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from clients import API_KEY, LIVE, management
from double import LAST_CHUNK, ControlPlane, Double, Request, answer, chunk, chunked_head
from hypothesis import given
from hypothesis import strategies as st

from inferencekey import (
    Backend,
    ConfigurationError,
    ExecutionPolicy,
    NotFound,
    ReadinessEvent,
    TaskType,
    ValidationError,
    Workload,
    WorkloadSpec,
)

pytestmark = pytest.mark.usefixtures("nothing_left")

POLICY = {"min_workers": 0, "max_workers": 2, "max_hourly_cost_usd": 3}
FULL = {
    **LIVE,
    "description": "d",
    "task_type": "text2text",
    "config": {"command": "serve m", "max_model_len": 4096},
    "execution_policy": "autoscaling",
    "execution_policy_config": POLICY,
    "worker_id": None,
    "created_at": "2026-11-01T10:00:00Z",
    "updated_at": "2026-11-02T10:00:00Z",
    "status": "ready",
    "unheard_of": [1],
}


def one(workload: dict[str, Any] = FULL) -> Workload:
    """The workload as `get` gives it."""
    with Double(answer([workload])) as double:
        return management(double).get(workload["slug"])


def test_a_workload_has_what_one_asks_most_as_properties() -> None:
    """Under the names of the spec, with the ceiling and the phase."""
    workload = one()
    assert (workload.id, workload.slug, workload.name) == ("wl_1", "bot", "Bot")
    assert (workload.model, workload.backend) == ("m", Backend.VLLM)
    assert (workload.description, workload.task_type) == ("d", TaskType.TEXT2TEXT)
    assert (workload.status, workload.max_hourly_cost_usd) == ("ready", 3.0)
    assert workload.created_at == "2026-11-01T10:00:00Z"
    assert workload.updated_at == "2026-11-02T10:00:00Z"
    assert workload.spec == WorkloadSpec(
        name="Bot",
        slug="bot",
        model="m",
        backend=Backend.VLLM,
        description="d",
        command="serve m",
        task_type=TaskType.TEXT2TEXT,
        config={"max_model_len": 4096},
        execution_policy=ExecutionPolicy.AUTOSCALING,
        execution_policy_config=POLICY,
    )
    assert repr(workload) == "<Workload 'bot' backend='vllm' model='m' status='ready'>"


def test_a_workload_is_the_platforms_own_object() -> None:
    """A dict like any other, with the keys that no property has."""
    workload = one()
    assert workload == FULL
    assert workload["unheard_of"] == [1]
    assert json.loads(json.dumps(workload)) == FULL
    with pytest.raises(AttributeError):
        workload.slug = "other"  # type: ignore[misc]


def test_what_the_platform_does_not_tell_is_none() -> None:
    """Missing, null, or of another type."""
    for more in ({}, dict.fromkeys(FULL), {"name": 7, "status": "active", "created_at": 1}):
        told = one({**more, "id": "wl_1", "slug": "bot"})
        assert [told.name, told.model, told.backend, told.status] == [None] * 4
        assert [told.created_at, told.max_hourly_cost_usd, told.spec] == [None] * 3
        assert "None" in repr(told)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_workload_pickles_and_copies_whole(protocol: int) -> None:
    """With its properties, in every protocol."""
    workload = one()
    for twin in (
        pickle.loads(pickle.dumps(workload, protocol)),
        copy.copy(workload),
        copy.deepcopy(workload),
        workload.copy(),
    ):
        assert type(twin) is Workload
        assert (twin, twin.status, twin.spec) == (workload, workload.status, workload.spec)


def test_every_page_is_listed_and_no_sibling_breaks_it() -> None:
    """What is no workload is passed over; one that cannot be a spec is listed (wire.md 2.5)."""
    key = {"config": {"command": f"serve --api-key {API_KEY}"}}
    pages = {
        "": {"data": [LIVE, None, 7, {"slug": "x"}, {**LIVE, **key, "id": "wl_2"}], "cursor": "2"},
        "?cursor=2": {"data": [{"id": "wl_3", "slug": "odd", "task_type": 7}, LIVE]},
    }

    def platform(request: Request) -> bytes:
        return answer(pages[request.target.removeprefix("/api/projects/acme/workloads")])

    with Double(platform) as double:
        listed = management(double).list()
    assert [workload.id for workload in listed] == ["wl_1", "wl_2", "wl_3"]
    assert [workload.spec is None for workload in listed] == [False, True, True]


def stream(*events: dict[str, Any]) -> bytes:
    """A readiness stream that ends after the events."""
    data = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return chunked_head() + chunk(data.encode()) + LAST_CHUNK


@pytest.mark.parametrize("phase", ["scheduling", "ready", "error", "hibernating"])
def test_status_is_the_phase_now(phase: str) -> None:
    """The first thing that the stream says; `error` is a value, not an exception."""
    event = {"phase": phase, "message": "m", "elapsed_ms": 7, "step": 2}
    with Double(stream(event, {"phase": "later"})) as double:
        assert management(double).status("Bot") == ReadinessEvent(phase, "m", 7, "2")
        assert len(double.journal.requests) == 1


def test_status_without_a_stream_is_what_the_list_says() -> None:
    """And NotFound where the list has no such workload (wire.md 2.11)."""
    live = [{**LIVE, "phase": "bootstrapping", "message": "loading"}]

    def platform(request: Request) -> bytes:
        if request.target.endswith("/readiness-events"):
            return answer({"error": {"code": "not_found", "message": "no such route"}}, 404)
        return answer(live)

    with Double(platform) as double:
        mgmt = management(double)
        assert mgmt.status("bot") == ReadinessEvent("bootstrapping", "loading")
        with pytest.raises(NotFound) as caught:
            mgmt.status("other")
    assert (caught.value.operation, caught.value.field) == ("status", "workload_slug")


def test_export_names_a_project_that_is_not_the_clients() -> None:
    """So that the same client plans to no change; its own it leaves out, for other stages."""
    with Double(lambda _: answer([LIVE])) as double:
        mgmt = management(double)
        assert mgmt.export("bot").project is None
        assert mgmt.export("bot", project="acme").project is None
        spec = mgmt.export("bot", project="other")
        assert spec.project == "other"
        assert not mgmt.plan(spec)


def test_a_live_token_is_not_exported() -> None:
    """The error names the place and not the token; nothing masked comes out as a spec."""
    live = {**LIVE, "config": {"env": [{"KEY": API_KEY}]}}
    with Double(answer([live])) as double, pytest.raises(ConfigurationError) as caught:
        management(double).export("bot")
    assert (caught.value.code, caught.value.field) == ("secret_in_spec", "config.env[0].KEY")
    assert caught.value.operation == "export"
    assert API_KEY not in f"{caught.value} {caught.value.hint}"


def test_a_workload_without_a_model_is_not_exported() -> None:
    """What a spec has to have is named by its own name; an absent workload is NotFound."""
    with Double(lambda _: answer([{**LIVE, "model_name": None}])) as double:
        mgmt = management(double)
        with pytest.raises(ValidationError, match="`bot` cannot be exported") as caught:
            mgmt.export("bot")
        with pytest.raises(NotFound):
            mgmt.export("other")
    assert caught.value.field == "model"


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
required = words.filter(str.strip)
scalars = st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | words
values: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
objects = st.none() | st.dictionaries(words, values, max_size=3)
specs = st.builds(
    WorkloadSpec,
    name=required,
    slug=st.just("bot"),
    model=required,
    backend=st.sampled_from(Backend) | required,
    description=st.none() | words,
    command=st.none() | words,
    vllm_version=st.none() | words,
    task_type=st.none() | st.sampled_from(TaskType),
    config=objects.filter(lambda config: not {"command", "vllm_version"} & {*(config or {})}),
    execution_policy=st.none() | st.sampled_from(ExecutionPolicy),
    execution_policy_config=objects,
    worker_id=st.none() | words,
    gpu_resource_id=st.none() | words,
)


def normalised(workload: dict[str, Any]) -> dict[str, Any]:
    """What a platform may make of it: keys that nobody set, and nulls in them."""
    config = {**(workload.get("config") or {}), "by_the_server": None}
    return {"description": None, "worker_id": None, **workload, "config": config, "revision": 1}


@pytest.mark.parametrize("keep", [dict, normalised])
def test_what_is_exported_plans_to_unchanged(keep: Any) -> None:
    """For any spec; and the export of what the export made is the same spec."""
    plane = ControlPlane(keep=keep)
    with Double(plane) as double:
        mgmt = management(double)

        @given(specs)
        def holds(spec: WorkloadSpec) -> None:
            plane.workloads.clear()
            mgmt.ensure(spec)
            exported = mgmt.export("bot")
            assert mgmt.plan(exported).action == "unchanged"
            assert exported == mgmt.get("bot").spec == mgmt.list()[0].spec
            plane.workloads.clear()
            mgmt.ensure(exported)
            assert mgmt.export("bot") == exported

        holds()
