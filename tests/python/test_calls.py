"""One call of each kind over the wire: what is sent, what comes back."""

from __future__ import annotations

import math
import struct
import threading
import warnings
from typing import Any

import pytest
from clients import API_KEY, LIVE, SDK_TOKEN, SPEC, completion, data, endpoint, management
from double import FIN, Double, Request, answer, sse
from hypothesis import given, settings
from hypothesis import strategies as st

from inferencekey import (
    ConfigurationError,
    DataClient,
    DriftError,
    DriftWarning,
    ManagementClient,
    NotFound,
    OnDrift,
    PermissionDenied,
    ReadinessEvent,
    TextResult,
    ValidationError,
    WaitTimeout,
    WorkloadFailed,
    WorkloadSpec,
    _ffi,
)
from inferencekey._chat import text_result
from inferencekey._marshal import encode

pytestmark = pytest.mark.usefixtures("nothing_left")

# Any character but lone surrogates, which are no characters.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def event(phase: str, message: str = "", **more: object) -> dict[str, object]:
    """One readiness event as the platform sends it."""
    return {"phase": phase, "message": message, **more}


def drifted(**fields: object) -> bytes:
    """A list whose one workload differs in these fields."""
    return answer({"workloads": [{**LIVE, **fields}]})


def test_ensure_creates_what_is_absent() -> None:
    """List, then one POST of the smallest body (wire.md 2.6)."""
    with Double(answer({"workloads": []}), answer(LIVE, 201)) as double:
        ref = management(double).ensure(SPEC)
        listed, created = double.journal.requests
    assert (ref.project_slug, ref.workload_slug, ref.changed) == ("acme", "bot", True)
    assert ref.plan is not None
    assert ref.plan.action == "create"
    assert (listed.method, listed.target) == ("GET", "/api/projects/acme/workloads")
    assert (created.method, created.target) == ("POST", "/api/projects/acme/workloads")
    assert created.json() == {
        "name": "Bot",
        "slug": "bot",
        "task_type": "text2text",
        "backend": "vllm",
        "model_name": "m",
    }
    assert created.headers["authorization"] == f"Bearer {SDK_TOKEN}"
    assert created.headers["user-agent"].startswith("inferencekey-python/0.1.0 core/")


def test_ensure_in_sync_writes_nothing() -> None:
    """A second ensure of the same spec is one GET."""
    with Double(drifted()) as double:
        ref = management(double).ensure(SPEC)
        assert len(double.journal.requests) == 1
    assert not ref.changed
    assert not ref.plan


def test_ensure_fails_on_drift_if_told_to() -> None:
    """`fail` raises a ValidationError that carries the plan (wire.md 2.7)."""
    with Double(drifted(model_name="old")) as double:
        with pytest.raises(DriftError, match="model") as caught:
            management(double).ensure(SPEC, on_drift=OnDrift.FAIL)
        assert len(double.journal.requests) == 1
    plan = caught.value.plan
    assert plan is not None
    assert [(c.path, c.before, c.after) for c in plan.changes] == [("model", "old", "m")]


def test_ensure_warns_of_drift_where_it_is_called() -> None:
    """`warn` emits one DriftWarning that points at the caller's line."""
    spec = WorkloadSpec(name="Bot", slug="warned-once", model="m", backend="vllm")
    live = answer([{**LIVE, "slug": "warned-once", "model_name": "old"}])
    with Double(live, live) as double:
        mgmt = management(double)
        with pytest.warns(DriftWarning, match="model") as warned:
            ref = mgmt.ensure(spec, on_drift="warn")
        assert warned[0].filename == __file__
        assert not ref.changed
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mgmt.ensure(spec, on_drift="warn")


def test_plan_writes_nothing() -> None:
    """`if mgmt.plan(spec)` asks; only `ensure` acts."""
    with Double(drifted(model_name="old"), drifted()) as double:
        mgmt = management(double)
        plan = mgmt.plan(SPEC)
        assert plan
        assert str(plan).startswith('update acme/bot\n  ~ model: "old" -> "m"')
        assert not mgmt.plan(SPEC)
        assert {request.method for request in double.journal.requests} == {"GET"}


def test_get_and_list_give_the_live_objects() -> None:
    """What the platform says, unknown keys and all."""
    live = {**LIVE, "new_key": {"b": 1, "a": 10**20}}
    with Double(*[answer({"data": [live, {"id": "wl_2", "slug": "other"}]})] * 3) as double:
        mgmt = management(double)
        assert mgmt.get("Bot") == live
        assert [workload["slug"] for workload in mgmt.list()] == ["bot", "other"]
        with pytest.raises(NotFound):
            mgmt.get("nothing-here")


def test_delete_says_whether_it_removed_something() -> None:
    """True for what this call deleted, False for what was not there (wire.md 2.10)."""
    with Double(drifted(), answer(b"", 204), answer([])) as double:
        mgmt = management(double)
        assert mgmt.delete("Bot") is True
        assert mgmt.delete("bot") is False
        assert double.journal.requests[1].target == "/api/workloads/wl_1"


def test_a_delete_that_went_out_twice_unnoticed_counts_as_done() -> None:
    """The kept connection died with the DELETE on it; 404 on the repeat is ours (wire.md 2.10)."""
    with Double(drifted(), [FIN], answer({"error": "not_found"}, 404)) as double:
        assert management(double).delete("bot") is True
        assert [r.method for r in double.journal.requests] == ["GET", "DELETE", "DELETE"]


def test_a_create_lost_on_a_kept_connection_is_looked_up_first() -> None:
    """No second POST before a list (wire.md 2.9), and the same key on both."""
    with Double(answer([]), [FIN], answer([]), answer(LIVE, 201)) as double:
        assert management(double).ensure(SPEC).changed
        sent = double.journal.requests
        assert [r.method for r in sent] == ["GET", "POST", "GET", "POST"]
        assert sent[1].headers["idempotency-key"] == sent[3].headers["idempotency-key"]


def test_no_policy_is_no_policy() -> None:
    """None is not the default, which writes."""
    policy: Any = None
    with Double() as double, pytest.raises(ValidationError) as caught:
        management(double).ensure(SPEC, on_drift=policy)
    assert caught.value.field == "on_drift"
    assert double.journal.requests == []


def test_a_call_may_name_another_project() -> None:
    """The call's project wins over the spec's, and that over the client's (wire.md 1.1)."""
    spec = WorkloadSpec(name="Bot", slug="bot", model="m", backend="vllm", project="spec")
    with Double(*[drifted()] * 3) as double:
        mgmt = management(double)
        assert mgmt.ensure(spec).project_slug == "spec"
        assert mgmt.ensure(spec, project="call").project_slug == "call"
        mgmt.list(project="a b")
        targets = [request.target.split("/")[3] for request in double.journal.requests]
    assert targets == ["spec", "call", "a%20b"]


def test_wait_gives_every_event_to_the_callback(capfd: pytest.CaptureFixture[str]) -> None:
    """Events come on the caller's thread, and nothing is printed (wire.md 2.11)."""
    seen: list[tuple[ReadinessEvent, int]] = []
    body = sse(
        event("provisioning", "gpu", elapsed_ms=1.5, step=2), event("dreaming"), event("ready")
    )
    with Double(body) as double:
        management(double).wait_until_ready(
            "bot", on_progress=lambda event: seen.append((event, threading.get_ident()))
        )
    assert [event for event, _ in seen] == [
        ReadinessEvent("provisioning", "gpu", 1, "2"),
        ReadinessEvent("dreaming", ""),
        ReadinessEvent("ready", ""),
    ]
    assert {thread for _, thread in seen} == {threading.get_ident()}
    assert capfd.readouterr() == ("", "")


def test_wait_shows_phases_unless_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """Without a callback stderr gets the phases; `silent` turns that off; stdout gets nothing."""
    body = sse(event("provisioning", "gpu"), event("ready"))
    with Double(body, body) as double:
        mgmt = management(double)
        mgmt.wait_until_ready("bot")
        assert capfd.readouterr() == (
            "",
            "inferencekey: bot: provisioning: gpu (0:00)\n"
            "inferencekey: bot: ready in 0:00 · provisioning 0:00\n",
        )
        mgmt.wait_until_ready("bot", silent=True)
        assert capfd.readouterr() == ("", "")


def test_an_exception_of_the_callback_comes_out_unchanged() -> None:
    """The stream is closed, and the client goes on."""

    def refuse(event: ReadinessEvent) -> None:
        raise LookupError("mine")

    with Double(sse(event("provisioning")), sse(event("ready"))) as double:
        mgmt = management(double)
        with pytest.raises(LookupError, match="mine"):
            mgmt.wait_until_ready("bot", on_progress=refuse)
        mgmt.wait_until_ready("bot", silent=True)


def test_a_callback_may_use_the_same_client() -> None:
    """No lock is held while the caller's code runs."""

    def respond(request: Request) -> bytes:
        if request.target.endswith("/readiness-events"):
            return sse(event("provisioning"), event("ready"))
        return drifted()

    with Double(respond) as double:
        mgmt = management(double)
        slugs: list[str] = []
        mgmt.wait_until_ready("bot", on_progress=lambda _: slugs.append(mgmt.get("bot")["slug"]))
    assert slugs == ["bot", "bot"]


def test_a_failed_workload_raises_with_its_last_words() -> None:
    """`error` is an exception with phase, step and the events before it."""
    body = sse(event("provisioning"), event("error", "command not found: vllm", step="start"))
    with Double(body) as double, pytest.raises(WorkloadFailed, match="command not found") as caught:
        management(double).wait_until_ready("bot", silent=True)
    error = caught.value
    assert (error.phase, error.step) == ("error", "start")
    assert error.events is not None
    assert [event.phase for event in error.events] == ["provisioning", "error"]


@pytest.mark.parametrize("timeout", [None, math.nan, -1, "5", True])
def test_wait_refuses_what_is_no_time(timeout: Any) -> None:
    """None is not "for ever": `math.inf` is (wire.md 1.4)."""
    with Double() as double:
        with pytest.raises(ValidationError) as caught:
            management(double).wait_until_ready("bot", timeout=timeout)
        assert caught.value.field == "timeout"
        assert double.journal.requests == []


def test_wait_with_no_time_raises_at_once() -> None:
    """0 asks nothing; `math.inf` has no deadline (wire.md 2.11)."""
    with Double(sse(event("ready"))) as double:
        mgmt = management(double)
        with pytest.raises(WaitTimeout) as caught:
            mgmt.wait_until_ready("bot", timeout=0, silent=True)
        assert isinstance(caught.value, TimeoutError)
        assert double.journal.requests == []
        mgmt.wait_until_ready("bot", timeout=math.inf, silent=True)


def test_generate_text_sends_the_chat_and_returns_the_answer() -> None:
    """The body of wire.md 3.1, and the answer's three fields beside the raw one."""
    whole = completion("Hello", usage={"total_tokens": 3})
    with Double(answer(whole)) as double:
        result = endpoint(double).generate_text(prompt="Hi", temperature=1, max_tokens=5)
        (request,) = double.journal.requests
    assert (result.text, result.model, result.finish_reason) == ("Hello", "m-1", "stop")
    assert result.raw == whole
    assert request.target == "/endpoint/acme/bot/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {API_KEY}"
    assert request.json() == {
        "model": "bot",
        "stream": False,
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 1.0,
        "max_tokens": 5,
    }
    assert b'"temperature":1.0' in request.body


def test_messages_are_sent_verbatim() -> None:
    """Whatever JSON a message holds reaches the server as it is."""
    with Double(lambda request: answer(completion("ok", echo=request.json()))) as double:
        bot = endpoint(double)

        @given(
            extra=st.dictionaries(TEXT.filter(lambda key: key not in {"role", "content"}), JSON),
            content=TEXT.filter(lambda text: text.strip()),
        )
        @settings(max_examples=60, deadline=None)
        def check(extra: dict[str, Any], content: str) -> None:
            messages = [{"role": "user", "content": f"x{content}", **extra}]
            result = bot.generate_text(messages=messages)
            # repr tells 1 from 1.0, and the order of keys.
            assert repr(result.raw["echo"]["messages"]) == repr(messages)

        check()


def test_a_config_is_sent_verbatim() -> None:
    """A spec's `config` is JSON of the caller's choice (wire.md 2.6)."""
    created: list[Any] = []

    def respond(request: Request) -> bytes:
        if request.method == "GET":
            return answer([])
        created.append(request.json())
        return answer(LIVE, 201)

    with Double(respond) as double:
        mgmt = management(double)

        @given(config=st.dictionaries(TEXT, JSON))
        @settings(max_examples=60, deadline=None)
        def check(config: dict[str, Any]) -> None:
            mgmt.ensure(WorkloadSpec("Bot", "bot", "m", "vllm", config=config))
            assert repr(created[-1].get("config", {})) == repr(config)

        check()


def test_embed_returns_exact_rows_in_the_order_of_the_inputs() -> None:
    """Ordered by `index`, float64 bit for bit (wire.md 3.3)."""
    numbers = [0.1, -0.0, 5e-324, 1.7976931348623157e308]
    body = {
        "model": "e-1",
        "data": [{"index": 1, "embedding": numbers[2:]}, {"index": 0, "embedding": numbers[:2]}],
    }
    with Double(answer(body)) as double:
        result = endpoint(double).embed(input=["a", "b"])
        assert double.journal.requests[0].json() == {"input": ["a", "b"], "model": "bot"}
    packed = [struct.pack("2d", *row) for row in result.embeddings]
    assert packed == [struct.pack("2d", *numbers[:2]), struct.pack("2d", *numbers[2:])]
    assert result.model == "e-1"
    assert result.raw == body


def test_one_string_is_a_list_of_one() -> None:
    """`embed(input="a")` gives one row."""
    with Double(answer({"data": [{"embedding": [1, 2]}]})) as double:
        assert endpoint(double).embed(input="a").embeddings == [[1.0, 2.0]]
        assert double.journal.requests[0].json()["input"] == ["a"]


def test_requests_are_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the caller changes after the call has begun does not change the request."""
    messages = [{"role": "user", "content": "before"}]

    def respond(request: Request) -> bytes:
        messages[0]["content"] = "after"
        return answer(completion(request.json()["messages"][0]["content"]))

    with Double(respond) as double:
        assert endpoint(double).generate_text(messages=messages).text == "before"


def test_the_environment_is_read_by_from_env_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Explicit values win over the environment, value by value (wire.md 1.1)."""
    with Double(*[answer({"workloads": []})] * 2, answer(completion("Hi"))) as double:
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", double.url)
        monkeypatch.setenv("INFERENCEKEY_PROJECT", "env")
        monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
        monkeypatch.setenv("INFERENCEKEY_API_KEY", API_KEY)
        ManagementClient.from_env().list()
        ManagementClient.from_env(project="given", sdk_token="ik_sdk_other").list()
        DataClient.from_env().endpoint("bot").generate_text(prompt="Hi")
        requests = double.journal.requests
        assert [request.target.split("/")[3] for request in requests[:2]] == ["env", "given"]
        assert requests[1].headers["authorization"] == "Bearer ik_sdk_other"
        assert requests[2].target.startswith("/endpoint/env/bot/")
        with pytest.raises(ConfigurationError) as caught:
            ManagementClient(base_url=double.url, sdk_token="")
        assert caught.value.code == "missing_token"


def test_a_token_of_the_other_plane_is_refused() -> None:
    """Before anything is sent, with the code in the text (wire.md 1.4)."""
    with Double() as double:
        with pytest.raises(PermissionDenied, match=r"\[wrong_credential_type\]"):
            management(double, sdk_token=API_KEY)
        with pytest.raises(PermissionDenied, match=r"\[wrong_credential_type\]"):
            data(double).endpoint("bot", api_key=SDK_TOKEN)
        with pytest.raises(ConfigurationError) as caught:
            data(double, api_key=None).endpoint("bot")
        assert caught.value.code == "missing_api_key"
        assert double.journal.requests == []


def test_an_endpoint_has_its_canonical_slug() -> None:
    """`workload_slug` is what stands in the path (wire.md 2.4)."""
    with Double() as double:
        assert data(double).endpoint("  My Slug__X ").workload_slug == "my-slug-x"


@pytest.mark.parametrize("spec", [None, {"name": "Bot"}, "bot"])
def test_a_spec_is_a_spec(spec: Any) -> None:
    """A dict is not taken for a spec: its misspelt keys would go unnoticed."""
    with Double() as double, pytest.raises(ValidationError, match="`spec` must be a WorkloadSpec"):
        management(double).ensure(spec)


def test_a_misspelt_field_of_a_spec_is_refused() -> None:
    """`spec.comand = …` does not vanish silently (wire.md 6.2)."""
    spec = WorkloadSpec(name="Bot", slug="bot", model="m", backend="vllm")
    vars(spec)["comand"] = "vllm serve"
    with Double() as double:
        with pytest.raises(ValidationError, match="comand") as caught:
            management(double).ensure(spec)
        assert caught.value.hint
        assert double.journal.requests == []


def test_a_closed_client_refuses_calls() -> None:
    """`close()` and leaving `with` end a client and its endpoints (wire.md 1.4)."""
    with Double(answer([])) as double:
        with management(double) as mgmt:
            assert mgmt.list() == []
        client = data(double)
        bot = client.endpoint("bot")
        client.close()
        client.close()
        for call in (mgmt.list, mgmt.__enter__, lambda: bot.generate_text(prompt="Hi")):
            with pytest.raises(ConfigurationError) as caught:
                call()
            assert caught.value.code == "client_closed"
        with pytest.raises(ConfigurationError) as caught:
            bot.embed(input="Hi")
        assert caught.value.operation == "embed"


def test_connections_are_reused() -> None:
    """Calls of one client go over one connection while nothing else runs."""
    with Double(*[answer(completion("Hi"))] * 3) as double:
        bot = endpoint(double)
        for _ in range(3):
            bot.generate_text(prompt="Hi")
        assert len(double.journal.connections) == 1


def test_answers_of_every_size_arrive_whole_and_small_ones_leave_nothing_to_free() -> None:
    """Small events are copied and freed in the crossing that brings them (`_native.h`)."""
    lengths = [0, 1, *range(600, 900, 7), 5000]
    answers = [answer(completion("\N{SNOWMAN}" * length)) for length in lengths]
    empty = []
    with Double(*answers) as double:
        handle = endpoint(double)._handle()
        request = encode("generate_text", {"prompt": "Hi"})
        for length in lengths:
            _ffi._spare.clear()
            event = _ffi.result(handle, "generate_text", request, None)
            assert event is not None
            # Room that comes back is empty: there is nothing in it that had to be freed.
            empty.append(len(_ffi._spare))
            result = text_result(event, TextResult)
            assert result.text == "\N{SNOWMAN}" * length
            assert result.raw["choices"][0]["message"]["content"] == result.text
            assert (result.model, result.finish_reason) == ("m-1", "stop")
    assert empty == sorted(empty, reverse=True)
    assert set(empty) == {0, 1}
