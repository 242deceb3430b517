"""Plans as values: what they read like, what they carry, and what applying them does."""

from __future__ import annotations

import copy
import json
import pickle
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from clients import LIVE, SPEC, management
from double import Double, Request, answer

from inferencekey import (
    Change,
    ConfigurationError,
    DriftError,
    ManagementClient,
    Plan,
    PlanStale,
    ValidationError,
    WorkloadSpec,
)
from inferencekey.local import Platform
from inferencekey.local.phases import Timings


def acme_bot(action: str, changes: Sequence[Change] = ()) -> Plan:
    """A plan for one workload."""
    return Plan(action, list(changes), project_slug="acme", workload_slug="bot")


TEXTS = json.loads((Path(__file__).parents[1] / "vectors" / "plan_texts.json").read_text())


@pytest.mark.parametrize("row", TEXTS, ids=[row["name"] for row in TEXTS])
def test_a_plan_reads_as_a_diff(row: dict[str, Any]) -> None:
    """`print(plan)` says what would change, in the spec's own names, and ends with the counts."""
    plan = Plan.from_answer({"base": None, **row["plan"]})
    assert str(plan).split("\n") == row["text"]


def test_a_change_reads_like_its_line() -> None:
    """`print(change)` is what the plan has for it."""
    assert str(Change("model", "a", "b")) == '~ model: "a" -> "b"'


def test_a_plan_is_json_and_comes_back() -> None:
    """The keys are those of the properties; nothing but JSON is in it."""
    parts = [Change("--a", "1", "2")]
    plan = acme_bot("update", [Change("command", "s --a 1", "s --a 2", parts)])
    facts = json.loads(plan.to_json())
    assert facts == plan.to_dict()
    assert set(facts) == set(Plan.__match_args__)
    assert facts["changes"][0]["parts"][0] == {"path": "--a", "before": "1", "after": "2"}
    assert plan.to_json(indent=2).startswith('{\n  "project_slug": "acme"')


def test_markdown_is_a_diff_that_nothing_breaks_out_of() -> None:
    """The sign comes first on each line, so that GitHub colours it."""
    plan = acme_bot("update", [Change("model", "a", "```\n</summary>")])
    assert plan.to_markdown() == (
        "### update `acme/bot`\n\n"
        "````diff\n! model:\n-     a\n+     ```\n+     </summary>\n````\n\n"
        "1 field to change\n"
    )
    assert acme_bot("unchanged").to_markdown() == (
        "### unchanged `acme/bot`\n\nnothing to change\n"
    )


def test_a_notebook_gets_a_page_that_loads_nothing() -> None:
    """What the platform says is text, never markup."""
    page = acme_bot("update", [Change("model", "<script>", "&")])._repr_html_()
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert re.findall(r"src=|href=|http", page) == []


@pytest.fixture(scope="module")
def live() -> Iterator[ManagementClient]:
    """A real platform; what these tests declare never runs."""
    with Platform(timings=Timings(pauses_before_ready=(60.0,))) as platform:
        yield ManagementClient(
            base_url=platform.base_url, sdk_token=platform.sdk_token, project=platform.project
        )


def test_a_plan_is_applied_once(live: ManagementClient) -> None:
    """It creates, it updates, and what it did makes it stale."""
    spec = WorkloadSpec(name="N", slug="applied", model="m", backend="vllm", config={"a": 1})
    plan = live.plan(spec)
    ref = plan.apply()
    assert (ref.workload_slug, ref.changed, ref.plan and ref.plan.action) == (
        "applied", True, "create",
    )  # fmt: skip
    with pytest.raises(PlanStale) as stale:
        plan.apply()
    assert (stale.value.code, stale.value.plan) == ("plan_stale", live.plan(spec))
    assert not live.plan(spec).apply().changed


def test_a_plan_applies_the_spec_as_it_was(live: ManagementClient) -> None:
    """What a program does to its spec after the plan is not applied unseen."""
    spec = WorkloadSpec(name="N", slug="frozen", model="m", backend="vllm", config={"a": 1})
    plan = live.plan(spec)
    assert spec.config is not None
    spec.config["a"] = 2
    plan.apply()
    assert live.get("frozen")["config"] == {"a": 1}


def test_a_plan_whose_workload_moved_writes_nothing(live: ManagementClient) -> None:
    """Somebody else's change between the look and the apply."""
    spec = WorkloadSpec(name="N", slug="moved", model="m", backend="vllm")
    live.ensure(spec)
    spec.name = "Mine"
    plan = live.plan(spec)
    live.ensure(WorkloadSpec(name="Theirs", slug="moved", model="m", backend="vllm"))
    with pytest.raises(PlanStale):
        plan.apply()
    assert live.get("moved")["name"] == "Theirs"


def test_the_plan_of_a_dry_run_can_be_applied(live: ManagementClient) -> None:
    """Look first by `ensure` itself, then do exactly that."""
    spec = WorkloadSpec(name="N", slug="dry", model="m", backend="vllm")
    ref = live.ensure(spec, on_drift="dry_run")
    assert ref.plan is not None
    assert ref.plan.apply().changed
    assert live.get("dry")["name"] == "N"


def test_a_conflict_is_not_applied(live: ManagementClient) -> None:
    """The error names what cannot change, and nothing else is written."""
    spec = WorkloadSpec(name="N", slug="fixed", model="m", backend="vllm", task_type="text2text")
    live.ensure(spec)
    spec.task_type, spec.name = "embedding", "Other"
    plan = live.plan(spec)
    assert (plan.action, [c.path for c in plan.conflicts]) == ("conflict", ["task_type"])
    with pytest.raises(DriftError) as refused:
        plan.apply()
    assert "cannot change `task_type` in place" in str(refused.value)
    assert live.get("fixed")["name"] == "N"


class NotedPlan(Plan):
    """A user's own, with an attribute."""

    by: str


def test_a_plan_without_its_client_says_so() -> None:
    """Copies and pickles carry what it says, and no client; so does the plan of an error."""
    with Double(answer([LIVE])) as double:
        plan = management(double).plan(SPEC)
    assert pickle.loads(pickle.dumps(plan)) == plan == copy.deepcopy(plan)
    for other in (pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan), Plan("create")):
        with pytest.raises(ConfigurationError, match="no client"):
            other.apply()
    noted = NotedPlan("create")
    noted.by = "somebody"
    twin = copy.deepcopy(noted)
    assert (type(twin), twin.by, twin) == (NotedPlan, "somebody", noted)


def test_a_limit_on_the_cost_is_kept_before_anything_is_sent() -> None:
    """By ensure, plan and apply; a policy without a ceiling is let through with a note."""
    spec = WorkloadSpec(
        "Bot", "bot", "m", "vllm",
        execution_policy="autoscaling", execution_policy_config={"max_hourly_cost_usd": 4},
    )  # fmt: skip

    def platform(request: Request) -> bytes:
        return answer([]) if request.method == "GET" else answer(LIVE, 201)

    with Double(platform) as double:
        mgmt = management(double)
        assert mgmt.plan(spec).max_hourly_cost_usd == 4.0
        for refused in (
            lambda: mgmt.ensure(spec, max_hourly_cost_usd=3.5),
            lambda: mgmt.plan(spec, max_hourly_cost_usd=3.5),
        ):
            with pytest.raises(ValidationError) as error:
                refused()
            assert (error.value.code, error.value.field) == (
                "cost_above_limit", "max_hourly_cost_usd",
            )  # fmt: skip
        assert {request.method for request in double.journal.requests} == {"GET"}
        assert mgmt.plan(spec, max_hourly_cost_usd=4).apply().changed
        plan = mgmt.ensure(SPEC, max_hourly_cost_usd=0).plan
        assert plan is not None
        assert plan.notes == [
            "the cost is not limited: the execution policy names no `max_hourly_cost_usd`"
        ]


def test_secrets_of_a_live_workload_are_not_shown() -> None:
    """Neither in text, Markdown, HTML and JSON, nor in the values themselves."""
    there = {**LIVE, "config": {"command": "s --api-key hunter2", "env": {"HF_TOKEN": "hunter2"}}}
    spec = WorkloadSpec("Bot", "bot", "m", "vllm", command="s", config={"env": {"HF_TOKEN": "b"}})
    with Double(answer([there])) as double:
        plan = management(double).plan(spec)
    shown = [str(plan), plan.to_json(), plan.to_markdown(), plan._repr_html_(), repr(plan)]
    assert all("(hidden)" in text and "hunter2" not in text for text in shown)


def test_secrets_that_a_platform_holds_on_to_are_not_shown() -> None:
    """The note about a write that did not stick names the field, not what is still there."""
    there = {**LIVE, "config": {"command": "bash -c 's --api-key hunter2'", "password": "hunter2"}}
    spec = WorkloadSpec("Bot", "bot", "m", "vllm", command="s", config={"password": "b"})
    with Double(lambda request: answer([there] if request.method == "GET" else there)) as double:
        plan = management(double).ensure(spec).plan
    assert plan is not None
    assert len(plan.notes) == 2
    assert "hunter2" not in f"{plan} {plan.notes}"
