"""ensure under races, lost answers and odd platforms (faults.md 3.8)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import child
import pytest
from clients import LIVE, SPEC, management
from double import HANG, RST, BadLine, ControlPlane, Double, Fault, Step, answer

from inferencekey import (
    ApiError,
    ConfigurationError,
    DriftError,
    DriftWarning,
    EndpointRef,
    InferenceKeyError,
    ManagementClient,
    OnDrift,
    PermissionDenied,
    Timeout,
    ValidationError,
    WorkloadSpec,
)
from inferencekey.local import Platform
from inferencekey.local.phases import Timings

pytestmark = pytest.mark.usefixtures("nothing_left", "either_kind")

# For slugs that no other test of this process has.
_numbers = count()

BOT = EndpointRef("acme", "bot")
POLICIES = [policy.value for policy in OnDrift]


def methods(double: Double) -> list[str]:
    """What reached the double, in its order."""
    return [request.method for request in double.journal.requests]


@contextmanager
def race(callers: int, on_taken: str) -> Iterator[tuple[Double, ControlPlane]]:
    """A platform on which that many ensures find the slug free, all at once."""
    platform = ControlPlane(on_taken)
    line = BadLine(platform)
    line.hold_lists(callers)
    with Double(line) as double:
        yield double, platform
        assert platform.slugs() == ["bot"]
        # The first create won; its workload is nobody's to delete.
        assert "/api/workloads/wl_1" not in [request.target for request in double.journal.requests]
        assert methods(double).count("POST") == callers


@pytest.mark.parametrize("on_taken", ["conflict", "suffix"])
def test_threads_that_ensure_one_slug_leave_one_workload(on_taken: str) -> None:
    """All of them get the ref of the slug that they asked for (wire.md 2.9)."""
    callers = 8
    with race(callers, on_taken) as (double, _):
        shared = management(double)
        clients = [shared] * (callers // 2) + [management(double) for _ in range(callers // 2)]
        with ThreadPoolExecutor(callers) as pool:
            refs = list(pool.map(lambda client: client.ensure(SPEC), clients))
    assert refs == [BOT] * callers
    assert [ref.changed for ref in refs].count(True) == 1


ENSURER = """
import sys
from types import SimpleNamespace
ref = management(SimpleNamespace(url=sys.stdin.readline().strip())).ensure(SPEC)
print(ref.project_slug, ref.workload_slug)
"""


@pytest.mark.parametrize("on_taken", ["conflict", "suffix"])
def test_processes_that_ensure_one_slug_leave_one_workload(on_taken: str) -> None:
    """A service with four workers needs no leader that deploys."""
    callers = 4
    with race(callers, on_taken) as (double, _), ExitStack() as stack:
        processes = [stack.enter_context(child.running(ENSURER)) for _ in range(callers)]
        for process in processes:
            process.stdin.write(f"{double.url}\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        ends = [process.communicate(timeout=15) for process in processes]
    assert ends == [("acme bot\n", "")] * callers


EMBEDDED_ENSURER = """
import sys
_, url, token, project = sys.stdin.readline().split(" ")
mgmt = ManagementClient(base_url=url, sdk_token=token, project=project.strip())
ref = mgmt.ensure(SPEC)
print(ref.workload_slug, ref.changed)
"""


def test_threads_and_processes_leave_one_workload_on_the_embedded_platform() -> None:
    """As above, with nothing scripted: whoever comes first creates, and all the others find it."""
    threads, callers = 4, 3
    timings = Timings(pauses_before_ready=(60.0,))
    with Platform(timings=timings) as platform, ExitStack() as stack:
        shared = ManagementClient(
            base_url=platform.base_url, sdk_token=platform.sdk_token, project=platform.project
        )
        line = f"go {platform.base_url} {platform.sdk_token} {platform.project}\n"
        processes = [stack.enter_context(child.running(EMBEDDED_ENSURER)) for _ in range(callers)]
        with ThreadPoolExecutor(threads) as pool:
            for process in processes:
                process.stdin.write(line)  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
            refs = list(pool.map(lambda _: shared.ensure(SPEC), range(threads)))
        ends = [process.communicate(timeout=15) for process in processes]
        assert [workload["slug"] for workload in shared.list()] == ["bot"]
    assert {ref.workload_slug for ref in refs} == {"bot"}
    changed = [str(ref.changed) for ref in refs] + [out.split()[-1] for out, _ in ends]
    assert sorted(changed) == ["False"] * (threads + callers - 1) + ["True"]
    assert {(out.split()[0], err) for out, err in ends} == {("bot", "")}


@pytest.mark.parametrize(
    "refusal",
    [answer({"error": {"code": "scope_insufficient", "message": "no"}}, 403), answer(b"", 500)],
    ids=["403", "500"],
)
def test_a_duplicate_that_cannot_be_deleted_is_named(refusal: bytes) -> None:
    """It would be paid for unnoticed: the error says which one it is, and what to do."""
    line = BadLine(ControlPlane("suffix"))
    rival = Fault("GET", 1, answer([]))
    line.faults = [Fault("DELETE", 0, refusal), rival]
    with Double(line) as double:
        other = management(double)
        other.ensure(SPEC)
        line.faults.append(rival)
        with pytest.raises(InferenceKeyError) as caught:
            management(double).ensure(SPEC)
        assert methods(double)[-1] == "DELETE"
    error = caught.value
    assert "`bot-1`" in str(error)
    assert "id `wl_2`" in str(error)
    assert error.hint == "delete the workload `bot-1`"
    assert error.operation == "ensure"
    assert error.attempts == 4


# What the first ensure meets at its create, and whether it returns all the same. The workload is
# there each time.
APPLIED: list[tuple[str, Sequence[Step] | bytes, type[InferenceKeyError] | None]] = [
    ("a reset", [RST], None),
    ("a cut in the head", [b"HTTP/1.1 201 Crea", RST], None),
    ("a cut in the body", [answer(LIVE, 201)[:-5], RST], None),
    ("silence", [HANG], Timeout),
    ("500", answer(b"", 500), None),
    ("501", answer(b"", 501), None),
    ("503", answer(b"", 503), None),
    ("408", answer(b"", 408), None),
    ("429", answer(b"", 429), None),
    ("409 to its own repeat", answer(b"", 409), None),
    ("HTML", answer(b"<html>", 201, {"content-type": "text/html"}), None),
    ("nothing", answer(b"", 204), None),
    ("no id", answer({"slug": "bot"}, 201), None),
    ("null", answer(None, 201), None),
]


@pytest.mark.parametrize(
    ("script", "error"), [row[1:] for row in APPLIED], ids=[row[0] for row in APPLIED]
)
def test_a_create_whose_answer_is_lost_is_not_made_twice(
    script: Sequence[Step] | bytes, error: type[InferenceKeyError] | None
) -> None:
    """The list is asked before anything is sent again, in this call and in the next."""
    platform = ControlPlane("suffix")
    line = BadLine(platform)
    line.faults = [Fault("POST", 1, script)]
    with Double(line) as double:
        mgmt = management(double)
        if error:
            with pytest.raises(error):
                mgmt.ensure(SPEC, timeout=0.5)
        else:
            assert mgmt.ensure(SPEC) == BOT
        again = mgmt.ensure(SPEC)
        assert methods(double).count("POST") == 1
    assert (again, again.changed) == (BOT, False)
    assert platform.slugs() == ["bot"]


def test_a_create_that_never_arrived_is_sent_again_with_the_same_key() -> None:
    """Lost on its way twice, after a look at the list each time."""
    platform = ControlPlane("suffix")
    line = BadLine(platform)
    line.faults = [Fault("POST", 0, [RST]), Fault("POST", 0, answer(b"", 503))]
    with Double(line) as double:
        assert management(double).ensure(SPEC).changed
        posts = [request for request in double.journal.requests if request.method == "POST"]
        assert methods(double) == ["GET", "POST", "GET", "POST", "GET", "POST"]
    assert len({post.headers["idempotency-key"] for post in posts}) == 1
    assert len({post.body for post in posts}) == 1
    assert platform.slugs() == ["bot"]


def with_defaults(workload: dict[str, Any]) -> dict[str, Any]:
    """A platform that fills in what nobody asked for, and keeps numbers as floats."""

    def floats(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: floats(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [floats(inner) for inner in value]
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return float(value) if is_number else value

    config = {"dtype": "auto", **floats(workload.get("config") or {})}
    defaults = {"description": None, "worker_id": None, "execution_policy": "fixed"}
    return {**defaults, **workload, "config": config, "updated_at": "2026-01-01T00:00:00Z"}


FULL = replace(
    SPEC,
    description="",
    command="vllm serve",
    task_type="text2text",
    config={"max_model_len": 4096, "seeds": [1, 2, {"a": 0}], "flag": True, "none": None},
    execution_policy="fixed",
)


def test_a_second_ensure_writes_nothing() -> None:
    """Also where the platform added keys of its own and turned 1 into 1.0 (wire.md 2.8)."""
    platform = ControlPlane(keep=with_defaults)
    with Double(platform) as double:
        mgmt = management(double)
        assert mgmt.ensure(FULL).changed
        again = mgmt.ensure(FULL)
        assert not mgmt.plan(FULL)
        assert not again.changed
        assert methods(double) == ["GET", "POST", "GET", "GET"]


def test_a_patch_that_does_not_stick_is_one_patch_and_a_note() -> None:
    """A platform that ignores a key is not written to for ever (wire.md 2.8)."""

    def ignore_name(workload: dict[str, Any]) -> dict[str, Any]:
        return {**workload, "name": "fixed by the platform"}

    with Double(ControlPlane(keep=ignore_name)) as double:
        mgmt = management(double)
        mgmt.ensure(SPEC)
        for _ in range(2):
            ref = mgmt.ensure(SPEC)
            assert ref.plan is not None
            assert ref.changed
            assert ref.plan.notes == [
                '`name` was written, but the platform still answers "fixed by the platform"'
            ]
        assert methods(double) == ["GET", "POST", "GET", "PATCH", "GET", "PATCH"]


DEEP: Any = []
for _ in range(500):
    DEEP = [DEEP]

SIBLINGS = [
    ("a future value of each enum", {**LIVE, "id": "wl_9", "slug": "x", "task_type": "t9"}),
    ("no keys", {}),
    ("an id alone", {"id": "wl_9"}),
    ("nulls", {"id": None, "slug": None, "config": None}),
    ("null", None),
    ("a list", [1, [2]]),
    ("a string", "bot"),
    ("a number", 1e300),
    ("a slug that is a number", {"id": "wl_9", "slug": 7}),
    ("mine as a part of its slug", {"id": "wl_9", "slug": "bot-1"}),
    ("mine in its name", {"id": "wl_9", "slug": "other", "name": '"slug":"bot"'}),
    ("deep nesting", {"id": "wl_9", "slug": "other", "config": DEEP}),
]


@pytest.mark.parametrize("first", [True, False], ids=["before mine", "after mine"])
@pytest.mark.parametrize("sibling", [row[1] for row in SIBLINGS], ids=[row[0] for row in SIBLINGS])
def test_other_workloads_never_break_mine(sibling: Any, first: bool) -> None:
    """What is not looked for may be anything (wire.md 2.5)."""
    both = [sibling, LIVE] if first else [LIVE, sibling]
    with Double(lambda request: answer({"workloads": both})) as double:
        mgmt = management(double)
        ref = mgmt.ensure(SPEC)
        assert (ref, ref.changed) == (BOT, False)
        assert mgmt.get("bot") == LIVE
        assert LIVE in mgmt.list()
        assert set(methods(double)) == {"GET"}


# State of the platform; field that differs; what each policy does: the requests after the list,
# then the action of the plan, or the code of a DriftError (wire.md 2.7).
OTHER_TASK = {**LIVE, "task_type": "embedding"}
DRIFTED = {**LIVE, "config": {"max_model_len": 2048, "x": 1}, "model_name": "old"}
STATES: dict[str, tuple[dict[str, Any] | None, str]] = {
    "absent": (None, ""),
    "same": ({**LIVE, "config": {"max_model_len": 4096.0}, "task_type": "text2text"}, ""),
    "drifted": (DRIFTED, "`model`, `config.max_model_len`"),
    "immutable": ({**OTHER_TASK, "config": {"max_model_len": 4096}}, "`task_type`"),
}
DECISIONS = {
    "absent": {
        "reconcile": ("POST", "create"),
        "fail": ("POST", "create"),
        "dry_run": ("", "create"),
        "warn": ("POST", "create"),
        "ignore": ("POST", "create"),
    },
    "same": dict.fromkeys(POLICIES, ("", "unchanged")),
    "drifted": {
        "reconcile": ("PATCH", "update"),
        "fail": ("", "drift"),
        "dry_run": ("", "update"),
        "warn": ("", "update"),
        "ignore": ("", "update"),
    },
    "immutable": {
        "reconcile": ("", "immutable_field"),
        "fail": ("", "drift"),
        "dry_run": ("", "conflict"),
        "warn": ("", "conflict"),
        "ignore": ("", "conflict"),
    },
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("state", list(STATES))
def test_each_policy_does_what_it_says(state: str, policy: str) -> None:
    """The whole table of wire.md 2.7: what is sent, what is told, and the names of the fields."""
    live, fields = STATES[state]
    write, outcome = DECISIONS[state][policy]
    # A DriftWarning comes once per slug and process.
    slug = f"{state}-{policy}-{next(_numbers)}".replace("_", "-")
    config = {"max_model_len": 4096}
    spec = replace(SPEC, slug=slug, config=config, task_type="text2text")
    platform = ControlPlane()
    platform.workloads = [{**live, "slug": slug}] if live else []
    with Double(platform) as double:
        mgmt = management(double)
        if outcome in ("drift", "immutable_field"):
            with pytest.raises(DriftError) as caught:
                mgmt.ensure(spec, on_drift=policy)
            check_drift_error(caught.value, outcome, fields)
            plan = caught.value.plan
        elif policy == "warn" and fields:
            with pytest.warns(DriftWarning) as warned:
                ref = mgmt.ensure(spec, on_drift=policy)
            assert fields in str(warned[0].message)
            plan = ref.plan
        else:
            ref = mgmt.ensure(spec, on_drift=OnDrift(policy))
            assert ref.changed is bool(write)
            plan = ref.plan
        assert methods(double) == ["GET", *([write] if write else [])]
    assert plan is not None
    if outcome in ("create", "update", "unchanged", "conflict"):
        assert plan.action == outcome
    named = [f"`{change.path}`" for change in [*plan.conflicts, *plan.changes]]
    assert outcome == "create" or ", ".join(named) == fields


def check_drift_error(error: DriftError, code: str, fields: str) -> None:
    """Every attribute that applies."""
    assert error.code == code
    assert fields in str(error)
    assert error.field == fields.split("`")[1]
    assert error.hint
    assert (error.operation, error.attempts, error.status) == ("ensure", 1, None)
    assert error.host
    assert error.host in str(error)


REFUSED = [
    case
    for case in json.loads(
        (Path(__file__).parents[2] / "vectors" / "specs.json").read_text("utf-8")
    )
    if "error" in case
]


@pytest.mark.parametrize("case", REFUSED, ids=[case["name"] for case in REFUSED])
def test_a_spec_that_is_refused_sends_nothing(case: dict[str, Any]) -> None:
    """Whatever the policy, the journal is empty (wire.md 1.4)."""
    spec = replace(SPEC)
    required: dict[str, Any] = dict.fromkeys(("name", "slug", "model", "backend"))
    vars(spec).update({**required, **case["spec"]})
    options = {"sdk_token": case["sdk_token"]} if "sdk_token" in case else {}
    with Double() as double:
        mgmt = management(double, **options)
        for policy in POLICIES:
            with pytest.raises((ValidationError, ConfigurationError)) as caught:
                mgmt.ensure(spec, on_drift=policy)
            assert caught.value.code == case["error"]["code"]
            assert caught.value.operation == "ensure"
            assert caught.value.hint or "must be" in str(caught.value)
        assert double.journal.connections == []


@pytest.mark.parametrize("policy", ["dryrun", "RECONCILE", "", "null", 1, True, None, ["fail"]])
def test_an_unknown_policy_sends_nothing(policy: Any) -> None:
    """A mistyped policy must not fall back on the one that writes."""
    with Double() as double:
        with pytest.raises(ValidationError) as caught:
            management(double).ensure(SPEC, on_drift=policy)
        assert caught.value.field == "on_drift"
        assert double.journal.connections == []


def test_a_client_with_the_wrong_kind_of_token_is_not_made() -> None:
    """A data key cannot reach the control plane (wire.md 1.4)."""
    with Double() as double:
        with pytest.raises(PermissionDenied, match=r"\[wrong_credential_type\]") as caught:
            ManagementClient(base_url=double.url, sdk_token="ik_live_0123abcd_ff", project="acme")
        assert caught.value.status is None
        assert double.journal.connections == []


OWN = "an-opaque-token-of-somebody-s-proxy"
PLACES: list[tuple[str, dict[str, Any], str]] = [
    ("a field", {"description": f"{OWN}"}, "description"),
    ("mid-string", {"command": f"serve --key={OWN}x --port 1"}, "command"),
    ("nested", {"config": {"a": [0, {"b": OWN}]}}, "config.a[1].b"),
    ("a key", {"config": {"a": {OWN: 1}}}, "config.a"),
    ("a policy", {"execution_policy_config": {"a": OWN}}, "execution_policy_config.a"),
    ("an id", {"worker_id": OWN}, "worker_id"),
    ("a project", {"project": OWN}, "project"),
]


@pytest.mark.parametrize(
    ("fields", "path"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES]
)
@pytest.mark.parametrize("token", [OWN, "ik_sdk_0123abcd_feed", "ik_live_x"])
def test_a_token_in_a_spec_is_refused_wherever_it_stands(
    fields: dict[str, Any], path: str, token: str
) -> None:
    """The platform stores and shows specs: a token in one is a token published."""
    spec = replace(SPEC, **json.loads(json.dumps(fields).replace(OWN, token)))
    with Double() as double:
        mgmt = management(double, sdk_token=OWN)
        for call in (mgmt.ensure, mgmt.plan):
            with pytest.raises(ConfigurationError) as caught:
                call(spec)
            error = caught.value
            assert (error.code, error.field) == ("secret_in_spec", path)
            assert token not in f"{error} {error!r} {vars(error)}"
            assert error.hint
        assert double.journal.connections == []


def test_what_a_call_needs_is_taken_when_it_begins() -> None:
    """A spec that is changed while the platform answers is compared as it was."""
    spec = WorkloadSpec(name="Bot", slug="bot", model="m", backend="vllm", config={"a": [1]})
    platform = ControlPlane()

    def change(request: Any) -> bytes:
        spec.name = "changed"
        spec.config["a"].append(2)  # type: ignore[index]
        return platform(request)

    with Double(change) as double:
        management(double).ensure(spec)
    assert (platform.workloads[0]["name"], platform.workloads[0]["config"]) == ("Bot", {"a": [1]})


def test_a_list_is_read_before_each_create() -> None:
    """Nothing is created on the strength of an answer that is no list: no POST in the journal."""
    no_lists: list[tuple[bytes, dict[str, str]]] = [
        (b"<html><title>Sign in</title></html>", {"content-type": "text/html"}),
        (b"", {}),
        (b"{}", {}),
        (b'{"workloads":{}}', {}),
        (b'{"data":[],"has_more":true}', {}),
        (b'[{"id":"wl_1","slug":"other"}', {}),
    ]
    for (body, headers), policy in itertools.product(no_lists, POLICIES):
        with Double(answer(body, 200, headers)) as double:
            with pytest.raises(ApiError) as caught:
                management(double).ensure(SPEC, on_drift=policy)
            assert methods(double) == ["GET"], body
        error = caught.value
        assert (error.operation, error.attempts) == ("ensure", 1)
        assert error.hint
        assert error.host
