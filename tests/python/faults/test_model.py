"""Random ensures, plans, deletes, drift, races and lost answers, against a model (faults.md 3.8).

The model says what each step must do and what is left after it; the SDK and the platform have to
agree with it at every step. It is written from wire.md 2.7 to 2.10, without a look at the core.

CI walks the same paths each time. `--hypothesis-profile=soak` walks new ones, and many more.
"""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from clients import SDK_TOKEN, SPEC
from double import FIN, RST, BadLine, ControlPlane, Double, Fault, Request, Step, answer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inferencekey import (
    DriftError,
    DriftWarning,
    EndpointRef,
    ManagementClient,
    NotFound,
    OnDrift,
    RetryPolicy,
    WorkloadSpec,
)
from inferencekey.local import Platform

pytestmark = [
    pytest.mark.usefixtures("nothing_left"),
    pytest.mark.filterwarnings(f"ignore::{DriftWarning.__module__}.{DriftWarning.__name__}"),
]

Live = dict[str, Any]

# Seconds for a walk, by the profile's budget.
LIMIT = 2 * settings().max_examples

# What a platform keeps of a workload, as far as the model knows it.
KEYS = (
    "name",
    "slug",
    "task_type",
    "backend",
    "model_name",
    "description",
    "config",
    "execution_policy",
    "execution_policy_config",
)

# A backend of nobody's, so that the embedded platform starts no engine.
CONFIGS: list[Any] = [
    {},
    {"x": 1},
    {"x": 1.0, "list": [1, {"y": True}]},
    {"x": 2, "deep": {"a": 1}},
    {"deep": {"b": None, "c": "ñ"}},
    {"deep": {"a": 1, "none": {"of": None}}},
]
SPECS = st.builds(
    WorkloadSpec,
    name=st.sampled_from(["one", "two"]),
    slug=st.sampled_from(["bot", "My Bot"]),
    model=st.sampled_from(["m1", "m2"]),
    backend=st.sampled_from(["own", "other"]),
    description=st.sampled_from([None, "", "d"]),
    task_type=st.sampled_from([None, None, "text2text", "embedding"]),
    config=st.sampled_from([None, *CONFIGS]),
    execution_policy=st.sampled_from([None, "fixed", "scheduled"]),
    execution_policy_config=st.sampled_from([None, {}, {"replicas": 1}, {"replicas": 2}]),
)
CANONICAL = {"bot": "bot", "My Bot": "my-bot", " MY_BOT": "my-bot"}

# What somebody else does to a workload, behind our back.
DRIFT: list[Live] = [
    {"name": "drifted"},
    {"model_name": "drifted", "description": "drifted"},
    {"config": {"x": 3, "own": [1]}},
    {"config": None, "description": None},
    {"config": {"deep": None}},
    {"execution_policy": "autoscaling", "execution_policy_config": {"min_workers": 0}},
    {"execution_policy": None, "execution_policy_config": None},
]

CUT: list[Step] = [answer({"id": "wl_1", "slug": "bot"})[:-1], FIN]
LISTS = [
    Fault("GET", 1, [RST]),
    Fault("GET", 1, CUT),
    Fault("GET", 0, answer(b"", 503)),
]
WRITES = [
    Fault("POST", 0, [RST]),
    Fault("POST", 1, [RST]),
    Fault("POST", 1, CUT),
    Fault("POST", 0, answer(b"", 503)),
    Fault("POST", 1, answer(b"", 500)),
    Fault("POST", 1, answer(b"<html>", 201)),
    Fault("POST", 2),
    Fault("PATCH", 0, [RST]),
    Fault("PATCH", 1, [RST]),
    Fault("PATCH", 1, answer(b"", 504)),
    Fault("PATCH", 1, answer(b"<html>")),
    Fault("PATCH", 2),
]
DELETES = [
    Fault("DELETE", 0, [RST]),
    Fault("DELETE", 1, [RST]),
    Fault("DELETE", 1, CUT),
    Fault("DELETE", 0, answer(b"", 429)),
    Fault("DELETE", 1, answer(b"", 408)),
]
# Two at most for one request, which is sent three times.
NONE: st.SearchStrategy[list[Fault]] = st.just([])
ENSURE_FAULTS = NONE | st.lists(st.sampled_from([*WRITES, *LISTS]), min_size=1, max_size=2)
DELETE_FAULTS = NONE | st.lists(st.sampled_from([*DELETES, *LISTS]), min_size=1, max_size=2)

# Most callers let ensure write.
POLICIES = st.just(OnDrift.RECONCILE) | st.sampled_from(OnDrift)


class Absent:
    """Stands for a key that is not live."""


def covered(declared: Any, live: Any) -> bool:
    """*Declared ⊆ live* of wire.md 2.8."""
    if declared is None:
        return live is None or live is Absent
    if isinstance(declared, dict):
        return isinstance(live, dict) and all(
            covered(value, live.get(key, Absent)) for key, value in declared.items()
        )
    if isinstance(declared, list):
        return (
            isinstance(live, list)
            and len(declared) == len(live)
            and all(map(covered, declared, live))
        )
    if isinstance(declared, bool) or isinstance(live, bool):
        return declared is live
    return bool(declared == live)


def merged(live: Any, declared: Any) -> Any:
    """Declared over live: objects key by key, all else whole."""
    if not (isinstance(live, dict) and isinstance(declared, dict)):
        return declared
    return {**live, **{key: merged(live.get(key), value) for key, value in declared.items()}}


def created(spec: WorkloadSpec) -> Live:
    """What is live after a create (wire.md 2.6)."""
    live = {key: getattr(spec, key, None) for key in KEYS}
    live.update(slug=CANONICAL[spec.slug], model_name=spec.model)
    return {**live, "task_type": spec.task_type or "text2text"}


def patch(spec: WorkloadSpec, live: Live) -> Live:
    """What a reconcile writes, empty if nothing differs (wire.md 2.8)."""
    written: Live = {}
    for key, value in (("name", spec.name), ("backend", spec.backend), ("model_name", spec.model)):
        if live[key] != value:
            written[key] = value
    if spec.description is not None and (live["description"] or "") != spec.description:
        written["description"] = spec.description
    if spec.config is not None and not covered(spec.config, live["config"] or {}):
        written["config"] = merged(live["config"] or {}, spec.config)
    return {**written, **policy_patch(spec, live)}


def policy_patch(spec: WorkloadSpec, live: Live) -> Live:
    """Kind and config travel together; a config is merged only into one of its own kind."""
    kind, config = spec.execution_policy, spec.execution_policy_config
    live_kind, live_config = live["execution_policy"], live["execution_policy_config"] or {}
    other_kind = kind is not None and kind != live_kind
    if not other_kind and (config is None or covered(config, live_config)):
        return {}
    written: Live = {}
    if kind or live_kind:
        written["execution_policy"] = kind or live_kind
    if config is not None:
        written["execution_policy_config"] = config if other_kind else merged(live_config, config)
    return written


def action(spec: WorkloadSpec, live: Live | None) -> str:
    """What a plan must say (wire.md 2.7)."""
    if live is None:
        return "create"
    if spec.task_type is not None and spec.task_type != live["task_type"]:
        return "conflict"
    return "update" if patch(spec, live) else "unchanged"


class Model(RuleBasedStateMachine):
    """One project of a platform behind a bad line, and what must be in it."""

    projects = (f"p{number}" for number in itertools.count())

    def __init__(self, make: Callable[[str], tuple[str, Callable[[Request], bytes]]]) -> None:
        super().__init__()
        self.project = next(self.projects)
        token, self.platform = make(self.project)
        self.token = token
        self.live: dict[str, Live] = {}
        self.line = BadLine(self.platform)
        self.double = Double(self.line)
        self.double.__enter__()
        self.client = self.new_client()

    def new_client(self) -> ManagementClient:
        """A client that does not wait long between its sends."""
        return ManagementClient(
            base_url=self.double.url,
            sdk_token=self.token,
            project=self.project,
            retries=RetryPolicy(first_pause=0.001, budget=10_000),
        )

    def workloads(self) -> list[Live]:
        """What the platform has, asked without the SDK."""
        body = self.raw("GET", f"/api/projects/{self.project}/workloads")
        listed: list[Live] = body["workloads"]
        return listed

    def raw(self, method: str, target: str, body: object = None) -> Any:
        """One request to the platform, past the bad line."""
        content = b"" if body is None else answer(body).partition(b"\r\n\r\n")[2]
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        got = self.platform(Request(method, target, headers, content))
        return Request("", "", {}, got.partition(b"\r\n\r\n")[2]).json()

    def id_of(self, slug: str) -> str:
        """The platform's id of a workload that the model has."""
        return str(next(one["id"] for one in self.workloads() if one["slug"] == slug))

    @rule(spec=SPECS, policy=POLICIES, faults=ENSURE_FAULTS)
    def ensure(self, spec: WorkloadSpec, policy: OnDrift, faults: list[Fault]) -> None:
        """Any policy, at any state, whatever is lost on the way."""
        slug = CANONICAL[spec.slug]
        due = action(spec, self.live.get(slug))
        refused = (due == "conflict" and policy in ("reconcile", "fail")) or (
            due == "update" and policy == "fail"
        )
        writes = (due == "create" and policy != "dry_run") or (
            due == "update" and policy == "reconcile"
        )
        self.line.faults = list(faults)
        if refused:
            with pytest.raises(DriftError) as caught:
                self.client.ensure(spec, on_drift=policy)
            assert caught.value.plan is not None
            assert caught.value.plan.action == due
        else:
            ref = self.client.ensure(spec, on_drift=policy)
            assert ref == EndpointRef(self.project, slug)
            assert ref.plan is not None
            # A create whose answer was lost is found in the list: somebody made it.
            assert faults or (ref.plan.action, ref.changed) == (due, writes)
        self.line.faults = []
        if writes:
            self.write(spec)
            assert not self.client.plan(spec)

    def write(self, spec: WorkloadSpec) -> None:
        """The model of a create or reconcile."""
        slug = CANONICAL[spec.slug]
        live = self.live.get(slug)
        self.live[slug] = {**live, **patch(spec, live)} if live else created(spec)

    @rule(spec=SPECS)
    def look(self, spec: WorkloadSpec) -> None:
        """A plan says what ensure would do; get and list say what is there; none of them acts."""
        slug = CANONICAL[spec.slug]
        plan = self.client.plan(spec)
        assert plan.action == action(spec, self.live.get(slug))
        assert bool(plan) is (plan.action != "unchanged")
        if slug in self.live:
            assert self.client.get(spec.slug) in self.workloads()
        else:
            with pytest.raises(NotFound):
                self.client.get(spec.slug)
        assert self.client.list() == self.workloads()

    @rule(spelling=st.sampled_from(list(CANONICAL)), faults=DELETE_FAULTS)
    def delete(self, spelling: str, faults: list[Fault]) -> None:
        """True exactly if it was there, however often the answer was lost."""
        self.line.faults = list(faults)
        was_there = self.live.pop(CANONICAL[spelling], None) is not None
        assert self.client.delete(spelling) is was_there
        self.line.faults = []

    @precondition(lambda self: self.live)
    @rule(data=st.data(), change=st.sampled_from(DRIFT))
    def drift(self, data: st.DataObject, change: Live) -> None:
        """Somebody else changes a workload."""
        slug = data.draw(st.sampled_from(sorted(self.live)))
        self.raw("PATCH", f"/api/workloads/{self.id_of(slug)}", change)
        self.live[slug] |= change

    @rule(spec=SPECS, callers=st.integers(2, 3))
    def race(self, spec: WorkloadSpec, callers: int) -> None:
        """Several clients ensure one spec, and none sees the others' work in its first list."""
        spec = replace(spec, task_type=None)
        self.line.hold_lists(callers)
        clients = [self.new_client() for _ in range(callers)]
        with ThreadPoolExecutor(callers) as pool:
            refs = list(pool.map(lambda client: client.ensure(spec), clients))
        assert refs == [EndpointRef(self.project, CANONICAL[spec.slug])] * callers
        self.write(spec)
        assert not self.client.plan(spec)

    @invariant()
    def platform_and_model_agree(self) -> None:
        """One workload for each slug, with every field as the model has it."""
        found = [{key: one.get(key) for key in KEYS} for one in self.workloads()]
        assert sorted(found, key=lambda one: str(one["slug"])) == [
            self.live[slug] for slug in sorted(self.live)
        ]

    def teardown(self) -> None:
        """Nothing is left at the end."""
        for slug in sorted(self.live):
            assert self.client.delete(slug)
        assert self.client.list() == []
        assert self.workloads() == []
        self.double.__exit__()


def walk(make: Callable[[str], tuple[str, Callable[[Request], bytes]]], share: int) -> None:
    """Runs the model a part of the profile's examples often."""
    examples = max(settings().max_examples // share, 1)
    chosen = settings(max_examples=examples, stateful_step_count=15)
    run_state_machine_as_test(lambda: Model(make), settings=chosen)  # type: ignore[arg-type]


@pytest.mark.timeout(LIMIT)
@pytest.mark.parametrize("on_taken", ["conflict", "suffix"])
def test_ensure_plan_and_delete_agree_with_a_model(on_taken: str) -> None:
    """Against a platform in memory, which answers losers of a race with 409 or with `-1`."""
    walk(lambda project: (SDK_TOKEN, ControlPlane(on_taken)), share=3)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """The embedded platform."""
    with Platform() as started:
        yield started


def forwarding(base_url: str) -> Callable[[Request], bytes]:
    """Passes requests on to a platform, each on a connection of its own."""

    def forward(request: Request) -> bytes:
        connection = http.client.HTTPConnection(base_url.partition("//")[2], timeout=10)
        names = ("authorization", "content-type", "idempotency-key")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        connection.request(request.method, request.target, request.body or None, headers)
        got = connection.getresponse()
        body = got.read()
        connection.close()
        return answer(body, got.status)

    return forward


@pytest.mark.timeout(LIMIT)
def test_ensure_plan_and_delete_agree_on_the_embedded_platform(platform: Platform) -> None:
    """Against `inferencekey.local`, each example in a project of its own."""

    def make(project: str) -> tuple[str, Callable[[Request], bytes]]:
        token = platform.create_token("sdk", project=project)
        return token, forwarding(platform.base_url)

    walk(make, share=3)


def test_the_smallest_spec_is_what_the_model_takes_it_for() -> None:
    """The model's own create, against a body that was written by hand (wire.md 2.6)."""
    live = created(SPEC)
    assert {key: value for key, value in live.items() if value is not None} == {
        "name": "Bot",
        "slug": "bot",
        "task_type": "text2text",
        "backend": "vllm",
        "model_name": "m",
    }
