"""The public names, signatures and fields of wire.md 6.1, letter by letter."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from enum import Enum

import pytest

import inferencekey
from inferencekey import (
    Backend,
    DataClient,
    Endpoint,
    ExecutionPolicy,
    ManagementClient,
    OnDrift,
    TaskType,
    WorkloadSpec,
)

REQUIRED = inspect.Parameter.empty

# Class, method, then every parameter of wire.md 6.1 with its default; all of them keyword-only but
# those in the fourth column.
SIGNATURES: list[tuple[type, str, dict[str, object], set[str]]] = [
    (
        ManagementClient,
        "__init__",
        {"base_url": REQUIRED, "sdk_token": REQUIRED, "project": None},
        set(),
    ),
    (ManagementClient, "from_env", {"base_url": None, "project": None, "sdk_token": None}, set()),
    (
        ManagementClient,
        "ensure",
        {"spec": REQUIRED, "on_drift": OnDrift.RECONCILE, "project": None},
        {"spec"},
    ),
    (
        ManagementClient,
        "wait_until_ready",
        {
            "workload_slug": REQUIRED,
            "project": None,
            "timeout": 600.0,
            "on_progress": None,
            "silent": False,
        },
        {"workload_slug"},
    ),
    (
        ManagementClient,
        "delete",
        {"workload_slug": REQUIRED, "project": None},
        {"workload_slug"},
    ),
    (DataClient, "__init__", {"base_url": REQUIRED, "project": REQUIRED, "api_key": None}, set()),
    (DataClient, "from_env", {"base_url": None, "project": None, "api_key": None}, set()),
    (DataClient, "endpoint", {"workload_slug": REQUIRED, "api_key": None}, {"workload_slug"}),
    (
        Endpoint,
        "generate_text",
        {"prompt": None, "messages": None, "temperature": None, "max_tokens": None},
        set(),
    ),
    (
        Endpoint,
        "generate_text_stream",
        {"prompt": None, "messages": None, "temperature": None, "max_tokens": None},
        set(),
    ),
    (Endpoint, "embed", {"input": REQUIRED}, set()),
]

# Class, method, then what is added to wire.md 6.1: keyword-only and optional.
ADDITIONS: list[tuple[type, str, set[str]]] = [
    (ManagementClient, "__init__", {"timeout", "retries", "on_retry", "ca_bundle", "allow_http"}),
    (ManagementClient, "from_env", {"timeout", "retries", "on_retry", "ca_bundle", "allow_http"}),
    (ManagementClient, "ensure", {"timeout", "max_hourly_cost_usd"}),
    (ManagementClient, "wait_until_ready", {"progress"}),
    (ManagementClient, "delete", {"timeout"}),
    (
        DataClient,
        "__init__",
        {"timeout", "retries", "on_retry", "cold_start", "ca_bundle", "allow_http"},
    ),
    (
        DataClient,
        "from_env",
        {"timeout", "retries", "on_retry", "cold_start", "ca_bundle", "allow_http"},
    ),
    (DataClient, "endpoint", set()),
    (Endpoint, "generate_text", {"timeout"}),
    (Endpoint, "generate_text_stream", {"timeout", "on_truncated"}),
    (Endpoint, "embed", {"encoding_format", "batch_size", "concurrency", "timeout"}),
]

# Type, fields in order with their defaults (wire.md 6.1), and what we added after them.
FIELDS: list[tuple[str, dict[str, object], list[str]]] = [
    (
        "WorkloadSpec",
        {
            "name": REQUIRED,
            "slug": REQUIRED,
            "model": REQUIRED,
            "backend": REQUIRED,
            "project": None,
            "description": None,
            "command": None,
            "vllm_version": None,
            "task_type": None,
            "config": None,
            "execution_policy": None,
            "execution_policy_config": None,
            "worker_id": None,
            "gpu_resource_id": None,
        },
        [],
    ),
    (
        "EndpointRef",
        {"project_slug": REQUIRED, "workload_slug": REQUIRED},
        ["plan", "changed"],
    ),
    (
        "TextResult",
        {"text": REQUIRED, "model": REQUIRED, "finish_reason": None, "raw": {}},
        ["usage", "request_id", "timing"],
    ),
    ("TextChunk", {"text": REQUIRED, "finish_reason": None, "raw": {}}, []),
    (
        "EmbedResult",
        {"embeddings": REQUIRED, "model": REQUIRED, "raw": {}},
        ["usage", "request_id", "timing"],
    ),
    (
        "ReadinessEvent",
        {"phase": REQUIRED, "message": REQUIRED, "elapsed_ms": 0, "step": None},
        [],
    ),
]

# Enum, members in the order of wire.md 4.
ENUMS: list[tuple[type[Enum], dict[str, str]]] = [
    (
        Backend,
        {
            "OLLAMA": "ollama",
            "VLLM": "vllm",
            "VLLM_OMNI": "vllm-omni",
            "SGLANG": "sglang",
            "LLAMACPP": "llamacpp",
            "STABLE_DIFFUSION_CPP": "stablediffusioncpp",
        },
    ),
    (
        TaskType,
        {
            "TEXT2TEXT": "text2text",
            "EMBEDDING": "embedding",
            "TEXT2IMAGE": "text2image",
            "TEXT2VIDEO": "text2video",
            "TEXT2AUDIO": "text2audio",
            "IMAGE2IMAGE": "image2image",
            "IMAGE2VIDEO": "image2video",
            "AUDIO2TEXT": "audio2text",
            "OMNI": "omni",
            "RERANKER": "reranker",
            "CLASSIFICATION": "classification",
            "REWARD": "reward",
            "FORECAST": "forecast",
        },
    ),
    (
        OnDrift,
        {v.upper(): v for v in ("reconcile", "fail", "dry_run", "warn", "ignore")},
    ),
    (ExecutionPolicy, {v.upper(): v for v in ("fixed", "scheduled", "autoscaling")}),
]

# The tree of wire.md 5.1: class, its parents.
ERRORS = {
    "InferenceKeyError": {Exception},
    "ConfigurationError": {"InferenceKeyError"},
    "ValidationError": {"InferenceKeyError"},
    "DriftError": {"ValidationError"},
    "AuthError": {"InferenceKeyError"},
    "PermissionDenied": {"InferenceKeyError"},
    "ApiError": {"InferenceKeyError"},
    "NotFound": {"ApiError"},
    "Conflict": {"ApiError"},
    "PlanStale": {"Conflict"},
    "RateLimited": {"ApiError"},
    "ServerError": {"ApiError"},
    "EndpointWarming": {"ServerError"},
    "ConnectionFailed": {"ApiError", ConnectionError},
    "TlsError": {"ConnectionFailed"},
    "ProxyError": {"ConnectionFailed"},
    "Timeout": {"ApiError", TimeoutError},
    "StreamStalled": {"Timeout"},
    "StreamTruncated": {"ApiError"},
    "ProtocolError": {"ApiError"},
    "LimitExceeded": {"ProtocolError"},
    "WorkloadFailed": {"ApiError"},
    "Cancelled": {"ApiError"},
    "ForkedError": {"ApiError"},
    "InternalError": {"ApiError"},
    "WaitTimeout": {"InferenceKeyError", TimeoutError},
    "DriftWarning": {UserWarning},
}


def parameters(owner: type, method: str) -> dict[str, inspect.Parameter]:
    """The parameters without self and cls."""
    found = dict(inspect.signature(getattr(owner, method)).parameters)
    found.pop("self", None)
    return found


@pytest.mark.parametrize(
    ("owner", "method", "expected", "positional"),
    SIGNATURES,
    ids=lambda value: getattr(value, "__name__", value) if not isinstance(value, dict) else "",
)
def test_signatures_are_those_of_the_contract(
    owner: type, method: str, expected: dict[str, object], positional: set[str]
) -> None:
    """A program written against the published surface runs: same names, defaults and kinds."""
    found = parameters(owner, method)
    assert list(found)[: len(expected)] == list(expected)
    for name, default in expected.items():
        assert found[name].default == default, name
        kind = found[name].kind
        assert (kind is inspect.Parameter.POSITIONAL_OR_KEYWORD) == (name in positional), name


@pytest.mark.parametrize(("owner", "method", "added"), ADDITIONS)
def test_additions_are_keyword_only_and_optional(owner: type, method: str, added: set[str]) -> None:
    """What we add never gets into the way of a program that does not know it."""
    expected = next(row[2] for row in SIGNATURES if row[:2] == (owner, method))
    found = parameters(owner, method)
    assert set(found) - set(expected) == added
    for name in added:
        assert found[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert found[name].default is not REQUIRED


@pytest.mark.parametrize(("name", "expected", "added"), FIELDS, ids=[row[0] for row in FIELDS])
def test_fields_are_those_of_the_contract(
    name: str, expected: dict[str, object], added: list[str]
) -> None:
    """Results are built, matched and unpacked by these fields, in this order."""
    cls = getattr(inferencekey, name)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    assert list(fields) == [*expected, *added]
    for field, default in expected.items():
        factory = fields[field].default_factory
        value = factory() if callable(factory) else fields[field].default
        assert value == (dataclasses.MISSING if default is REQUIRED else default)
    assert list(inspect.signature(cls).parameters) == [*expected, *added]


@pytest.mark.parametrize(("cls", "members"), ENUMS, ids=[row[0].__name__ for row in ENUMS])
def test_enums_are_their_wire_values(cls: type[Enum], members: dict[str, str]) -> None:
    """A member is a string: it equals, prints and formats as its wire value."""
    assert {member.name: member.value for member in cls} == members
    for name, value in members.items():
        member = getattr(cls, name)
        assert member == value
        assert f"{member}" == str(member) == f"{member:s}" == value


@pytest.mark.parametrize(("name", "parents"), ERRORS.items(), ids=list(ERRORS))
def test_the_error_tree_is_that_of_the_contract(name: str, parents: set[str | type]) -> None:
    """`except` clauses catch what the tree says."""
    bases = {
        getattr(inferencekey, parent) if isinstance(parent, str) else parent for parent in parents
    }
    assert set(getattr(inferencekey, name).__bases__) == bases


def test_wait_timeout_is_no_api_error() -> None:
    """`except ApiError` around a wait does not swallow its deadline (wire.md 5.1)."""
    assert not issubclass(inferencekey.WaitTimeout, inferencekey.ApiError)


def test_every_public_name_is_there_and_sorted() -> None:
    """`__all__` lists what can be imported, sorted, and `dir()` shows it."""
    names = inferencekey.__all__
    assert names == sorted(names)
    assert set(names) <= set(dir(inferencekey))
    for name in names:
        assert getattr(inferencekey, name) is not None
    # Every public class of the error module is exported.
    errors = inspect.getmembers(inferencekey._errors, inspect.isclass)
    assert {name for name, cls in errors if not name.startswith("_")} <= set(names)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt import says which name is missing."""
    with pytest.raises(AttributeError, match="'inferencekey' has no attribute 'Managementclient'"):
        getattr(inferencekey, "Management" + "client")


@pytest.mark.parametrize("cls", [WorkloadSpec, ManagementClient, DataClient, Endpoint])
def test_annotations_resolve(cls: type) -> None:
    """Tools that read type hints at run time find every name."""
    assert typing.get_type_hints(cls) is not None
    for _, method in inspect.getmembers(cls, inspect.isfunction):
        if not method.__name__.startswith("_"):
            assert "return" in typing.get_type_hints(method)


def test_a_spec_is_a_mutable_dataclass() -> None:
    """A spec can be changed between two calls of ensure."""
    spec = WorkloadSpec(name="Bot", slug="bot", model="m", backend=Backend.VLLM)
    spec.config = {"max_model_len": 4096}
    assert dataclasses.replace(spec, model="n").config == {"max_model_len": 4096}


VERBS = (
    "Address",
    "Ask",
    "Block",
    "Create",
    "Delete",
    "Embed",
    "End",
    "Fetch",
    "Follow",
    "List",
    "Make",
    "Tell",
)


@pytest.mark.parametrize("cls", [ManagementClient, DataClient, Endpoint])
def test_what_a_call_does_is_the_first_word_of_its_description(cls: type) -> None:
    """Whoever sees one line in an editor sees what the call does."""
    for name, member in inspect.getmembers(cls, callable):
        if not name.startswith("_"):
            assert (inspect.getdoc(member) or "").startswith(VERBS), name


def test_help_explains_every_field_of_a_spec() -> None:
    """`help(WorkloadSpec)` has a line for each field."""
    explained = inspect.getdoc(WorkloadSpec) or ""
    for field in dataclasses.fields(WorkloadSpec):
        assert f"\n{field.name}: " in explained
