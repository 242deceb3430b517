"""The conformance cases of tests/vectors, through the public surface."""

from __future__ import annotations

import contextlib
import json
import struct
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clients import SDK_TOKEN, data, endpoint, management
from double import FIN, LAST_CHUNK, RST, Double, Request, Send, Step, answer, chunk, chunked_head

import inferencekey
from inferencekey import (
    ConfigurationError,
    InferenceKeyError,
    ManagementClient,
    Partial,
    Usage,
    WorkloadSpec,
)

VECTORS = Path(__file__).parents[1] / "vectors"
Case = dict[str, Any]


def cases(file: str) -> pytest.MarkDecorator:
    """The cases of a file, each under its name."""
    rows = json.loads((VECTORS / file).read_text("utf-8"))
    return pytest.mark.parametrize("case", rows, ids=[row["name"] for row in rows])


def body_of(body: Any) -> bytes:
    """A body as bytes: text, hexadecimal, or a repeated text."""
    if isinstance(body, dict):
        return (
            bytes.fromhex(body["hex"]) if "hex" in body else body_of(body["repeat"]) * body["times"]
        )
    return (body or "").encode()


def spec_of(fields: Case) -> WorkloadSpec:
    """A spec with these fields; what is no field is an attribute, as a typo makes one."""
    required: dict[str, Any] = dict.fromkeys(("name", "slug", "model", "backend"))
    spec = WorkloadSpec(**required)
    vars(spec).update(fields)
    return spec


def outcome_of(case: Case, call: Callable[[], Any]) -> Any:
    """The call's result; or None, once its error was compared with the case's."""
    expected = case.get("error")
    if expected is None:
        return call()
    with pytest.raises(InferenceKeyError) as caught:
        call()
    compare(caught.value, expected)
    return None


def compare(error: InferenceKeyError, expected: Case) -> None:
    """Class, code, attributes and words of an error (tests/vectors/README.md)."""
    assert type(error) is getattr(inferencekey, expected["class"])
    assert error.code == expected["code"]
    if "field" in expected:
        assert error.field == expected["field"]
    for name, value in expected.get("attributes", {}).items():
        found = getattr(error, name)
        assert ({"text": found.text} if isinstance(found, Partial) else found) == value
    for words in expected.get("contains", []):
        assert words in str(error)
    for words in expected.get("lacks", []):
        assert words not in str(error)
    for words in expected.get("never", []):
        assert words not in f"{error} {error!r} {vars(error)}"
    if "hint" in expected:
        assert error.hint is not None
        assert expected["hint"] in error.hint


@cases("slugs.json")
def test_slugs(case: Case) -> None:
    """One slug rule for every call (wire.md 2.4)."""
    case = {**case}
    if "error" in case:
        case["error"] = {**case["error"], "field": "workload_slug"}
    with Double() as double:
        found = outcome_of(case, lambda: data(double).endpoint(case["input"]).workload_slug)
        assert found == case.get("canonical")
        assert double.journal.requests == []


@cases("base_urls.json")
def test_base_urls(case: Case) -> None:
    """What a base URL may be (wire.md 1.2)."""
    client = outcome_of(
        case,
        lambda: ManagementClient(
            base_url=case["base_url"],
            sdk_token=SDK_TOKEN,
            allow_http=case.get("allow_http", False),
        ),
    )
    if client is not None:
        assert f"base_url={case['canonical']!r}" in repr(client)


@cases("specs.json")
def test_specs(case: Case) -> None:
    """Local checks of a spec: a refused one sends nothing (wire.md 1.4)."""
    spec = spec_of(case["spec"])
    with Double(answer([])) as double:
        mgmt = management(double, sdk_token=case.get("sdk_token", "ik_sdk_own"))
        plan = outcome_of(case, lambda: mgmt.plan(spec))
        assert len(double.journal.requests) == (plan is not None)


@cases("spec_files.json")
def test_spec_files(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of specs, and what is told about wrong ones."""
    content = case["text"].encode() if "text" in case else bytes.fromhex(case["hex"])
    (tmp_path / f"deploy.{case['format']}").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    for name, value in case.get("environment", {}).items():
        monkeypatch.setenv(name, value)
    file = f"deploy.{case['format']}"

    def read() -> list[WorkloadSpec]:
        if "slug" in case:
            return [WorkloadSpec.from_file(file, slug=case["slug"])]
        return WorkloadSpec.all_from_file(file)

    specs = outcome_of(case, read)
    if "specs" in case:
        assert specs == [WorkloadSpec(**fields) for fields in case["specs"]]


@cases("no_proxy.json")
def test_no_proxy(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that cannot be used is refused, unless NO_PROXY has the base URL's host."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", case["no_proxy"])

    def made() -> bool:
        with contextlib.suppress(ConfigurationError):
            ManagementClient(base_url=case["base_url"], sdk_token=SDK_TOKEN, allow_http=True)
            return True
        return False

    assert made() == case["direct"]


@cases("errors.json")
def test_error_answers(case: Case) -> None:
    """Statuses and bodies become errors (wire.md 5.3 to 5.5)."""
    content = body_of(case.get("body"))
    script = answer(content, case["status"], case.get("headers"))
    with Double(script) as double:
        token = case.get("token")
        if case["plane"] == "control":
            mgmt = management(double, retries=0, **({"sdk_token": token} if token else {}))
            error = error_of(mgmt.list)
            operation = "list"
        else:
            own = {"api_key": token} if token else {}
            bot = endpoint(double, retries=0, cold_start=0, **own)
            error = error_of(lambda: bot.generate_text(prompt="Hi"))
            operation = "generate_text"
        compare(error, case["error"])
        for part in (operation, str(case["status"]), f"127.0.0.1:{double.port}"):
            assert part in str(error)
        assert (error.operation, error.status, error.attempts) == (operation, case["status"], 1)
        assert str(error).isprintable()
        assert len(str(error).encode()) <= 2048


def error_of(call: Callable[[], object]) -> InferenceKeyError:
    """What the call raises."""
    with pytest.raises(InferenceKeyError) as caught:
        call()
    return caught.value


@cases("redaction.json")
def test_redaction(case: Case) -> None:
    """Tokens in a server's text are masked to their display form (wire.md 5.4)."""
    if not case["token"]:
        pytest.skip("an empty token cannot be given from outside")
    with Double(answer(case["text"].encode(), 500, {"content-type": "text/plain"})) as double:
        kind = "api_key" if case["token"].startswith("ik_live_") else "sdk_token"
        if kind == "sdk_token":
            error = error_of(management(double, retries=0, sdk_token=case["token"]).list)
        else:
            bot = endpoint(double, retries=0, api_key=case["token"])
            error = error_of(lambda: bot.generate_text(prompt="Hi"))
    assert error.body == case["masked"]


@cases("chat.json")
def test_chat_answers(case: Case) -> None:
    """What an answer may look like (wire.md 3.1)."""
    with Double(answer(body_of(case["body"]))) as double:
        result = outcome_of(case, lambda: endpoint(double).generate_text(prompt="Hi"))
    if result is not None:
        fields = (result.text, result.model, result.finish_reason)
        assert fields == (case["text"], case["model"], case["finish_reason"])
        assert result.raw == json.loads(body_of(case["body"]))
        assert result.usage == usage_of(case)


@cases("embeddings.json")
def test_embedding_answers(case: Case) -> None:
    """Rows in the order of the inputs, bit for bit (wire.md 3.3)."""
    with Double(answer(body_of(case["body"]))) as double:
        result = outcome_of(case, lambda: endpoint(double).embed(input=case["input"]))
    if result is not None:
        assert result.model == case["model"]
        assert bits(result.embeddings) == bits(case["embeddings"])
        assert result.usage == usage_of(case)


def usage_of(case: Case) -> Usage | None:
    """What the server counted, by the case."""
    return Usage(**case["usage"]) if case.get("usage") else None


def bits(rows: list[list[float]]) -> list[bytes]:
    """Rows as float64, to compare -0.0 and the last bit too."""
    return [struct.pack(f"{len(row)}d", *row) for row in rows]


@cases("lists.json")
def test_lists(case: Case) -> None:
    """Envelopes and pages of a list (wire.md 2.5)."""
    with Double(*[answer(body_of(page)) for page in case["pages"]]) as double:
        assert outcome_of(case, lambda: management(double).get(case["slug"])) == case.get(
            "workload"
        )
        targets = [request.target for request in double.journal.requests]
    if "queries" in case:
        path = "/api/projects/acme/workloads"
        assert targets == [f"{path}?{query}" if query else path for query in case["queries"]]


@cases("plans.json")
def test_plans(case: Case) -> None:
    """Drift, field by field, and the PATCH that follows from it (wire.md 2.8)."""

    def platform(request: Request) -> bytes:
        if request.method == "GET":
            return answer([case["live"]] if case["live"] else [])
        return answer({"id": "wl_1", "slug": "s1"})

    spec = spec_of(case["spec"])
    with Double(platform) as double:
        mgmt = management(double)
        expected = {**case["plan"]}
        if "max_hourly_cost_usd" in expected:
            ceiling = expected["max_hourly_cost_usd"]
            expected["max_hourly_cost_usd"] = ceiling["after"]
            expected["max_hourly_cost_usd_before"] = ceiling["before"]
        planned = mgmt.plan(spec).to_dict()
        assert {name: planned[name] for name in expected} == expected
        if "patch" in case:
            assert mgmt.ensure(spec).changed
            assert double.journal.requests[-1].json() == case["patch"]


@cases("exports.json")
def test_exports(case: Case) -> None:
    """A live workload as a spec that plans to no change (issue 4.3)."""
    with Double(lambda _: answer([case["live"]])) as double:
        mgmt = management(double, sdk_token="ik_sdk_own")
        spec = outcome_of(case, lambda: mgmt.export("s1"))
        assert mgmt.get("s1").spec == spec
        if spec is not None:
            assert spec == spec_of(case["spec"])
            assert mgmt.plan(spec).action == "unchanged"


def good_platform(request: Request, live: list[Case]) -> Sequence[Step] | bytes:
    """A platform that grants everything."""
    if request.target.endswith("/readiness-events"):
        return chunked_head() + chunk(b'data: {"phase":"ready"}\n\n') + LAST_CHUNK
    if request.method == "GET":
        return answer(live)
    if request.method == "DELETE":
        return answer(b"", 204)
    body = request.json()
    if request.target.endswith("/embeddings"):
        return answer({"data": [{"embedding": [1.0]}] * len(body["input"])})
    if body.get("stream"):
        return chunked_head() + chunk(b"data: [DONE]\n\n") + LAST_CHUNK
    if request.target.endswith("/completions"):
        return answer({"choices": [{"message": {"content": "Hello"}}]})
    return answer({"id": "wl_new", "slug": body.get("slug", "s1")}, 201)


@cases("requests.json")
def test_requests(case: Case) -> None:
    """What each call sends, and in which order (wire.md 2 and 3)."""
    arguments = {**case["request"]}
    if "spec" in arguments:
        arguments["spec"] = spec_of(arguments["spec"])
    if "timeout_ms" in arguments:
        # Python's times are seconds, and so is the name in its errors.
        arguments["timeout"] = arguments.pop("timeout_ms") / 1000
        case["error"].update({"field": "timeout"} if "field" in case["error"] else {})
    with Double(lambda request: good_platform(request, case.get("live", []))) as double:

        def call() -> Any:
            slug = case.get("workload_slug")
            owner = data(double).endpoint(slug) if slug else management(double)
            with warnings.catch_warnings():
                # A case of `warn` is about what is sent.
                warnings.simplefilter("ignore", inferencekey.DriftWarning)
                result = getattr(owner, case["operation"])(**arguments)
            return list(result) if case["operation"] == "generate_text_stream" else result

        outcome_of(case, call)
        requests = double.journal.requests
    sent = [f"{request.method} {request.target}" for request in requests]
    assert sent == [expected["request"] for expected in case["sent"]]
    for request, expected in zip(requests, case["sent"], strict=True):
        assert (request.json() if request.body else None) == expected.get("body")


@pytest.mark.parametrize("every", [None, 1, 7], ids=["whole", "byte by byte", "by sevens"])
@cases("sse.json")
def test_streams(case: Case, every: int | None) -> None:
    """Any split of a stream's bytes gives the same chunks and the same end (wire.md 3.2)."""
    media, body = case.get("content_type", "text/event-stream"), body_of(case["body"])
    end: list[Step] = [FIN] if case.get("cut") else [LAST_CHUNK]
    size = every or len(body) or 1
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    script = [Send(chunked_head(media)), *(Send(chunk(piece)) for piece in pieces), *end]
    options = {"on_truncated": case["on_truncated"]} if "on_truncated" in case else {}
    chunks: list[Any] = []
    with Double(script) as double:
        bot = endpoint(double)

        def read() -> list[Any]:
            stream = bot.generate_text_stream(prompt="Hi", **options)
            # Chunks mean that the stream was opened; an error without them comes from the call.
            assert "chunks" in case
            assert (stream.usage, stream.timing) == (None, None)
            chunks.extend(stream)
            assert stream.usage == usage_of(case)
            assert stream.timing is not None
            return chunks

        if case.get("warning"):
            with pytest.warns(inferencekey.TruncatedWarning):
                outcome_of(case, read)
        else:
            outcome_of(case, read)
    expected = case.get("chunks", [])
    assert [(c.text, c.finish_reason) for c in chunks] == [
        (c["text"], c["finish_reason"]) for c in expected
    ]
    for found, wanted in zip(chunks, expected, strict=True):
        if "raw" in wanted:
            assert found.raw == wanted["raw"]


def faulty(fault: Any) -> Sequence[Step] | bytes:
    """What the double plays at every send."""
    if fault == "reset":
        return [RST]
    if fault == "cut":
        return [answer(b"{}")[:-1], FIN]
    headers = {"retry-after": fault["status"].get("retry_after", [])}
    return answer(b"", fault["status"]["status"], headers)


CALLS: dict[str, Callable[[Double], object]] = {
    "list": lambda double: management(double).list(),
    "generate_text": lambda double: endpoint(double, cold_start=0).generate_text(prompt="Hi"),
    "generate_text_stream": lambda double: list(
        endpoint(double, cold_start=0).generate_text_stream(prompt="Hi")
    ),
    "embed": lambda double: endpoint(double, cold_start=0).embed(input="Hi"),
}


def test_retries() -> None:
    """How often each call is sent for each fault (wire.md 5.5): all at once, for their pauses."""
    rows = json.loads((VECTORS / "retry.json").read_text("utf-8"))

    def sends(case: Case) -> int | None:
        if case["fault"] == "refused":
            with Double(listens=False) as closed:
                return error_of(lambda: CALLS[case["call"]](closed)).attempts
        with Double(lambda request: faulty(case["fault"])) as double:
            error_of(lambda: CALLS[case["call"]](double))
            return len(double.journal.requests)

    with ThreadPoolExecutor(24) as pool:
        found = dict(zip((row["name"] for row in rows), pool.map(sends, rows), strict=True))
    assert found == {row["name"]: row["sends"] for row in rows}
