"""Specs as source text: what is written is read back as an equal spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from inferencekey import Backend, ExecutionPolicy, TaskType, ValidationError, WorkloadSpec

SPEC = WorkloadSpec(
    name="Support bot",
    slug="support-bot",
    model="org/model:tag",
    backend=Backend.VLLM_OMNI,
    description="yes",
    command="vllm serve org/model \\\n  --max-model-len 4096\n",
    vllm_version="0.10",
    task_type="text2text",
    config={"stop": ["\n", "#", {"a": 1, "b": [[]]}], "env": {"no": "${HOME}", "x": None}},
    execution_policy=ExecutionPolicy.FIXED,
    execution_policy_config={"replicas": 1},
)

YAML = r"""name: Support bot
slug: support-bot
model: org/model:tag
backend: vllm-omni
description: "yes"
command: |
  vllm serve org/model \
    --max-model-len 4096
vllm_version: "0.10"
task_type: text2text
config:
  stop:
    - "\n"
    - "#"
    - a: 1
      b:
        - []
  env:
    "no": "$${HOME}"
    x: null
execution_policy: fixed
execution_policy_config:
  replicas: 1
"""

PYTHON = r"""WorkloadSpec(
    name="Support bot",
    slug="support-bot",
    model="org/model:tag",
    backend=Backend.VLLM_OMNI,
    description="yes",
    command=(
        "vllm serve org/model \\\n"
        "  --max-model-len 4096\n"
    ),
    vllm_version="0.10",
    task_type=TaskType.TEXT2TEXT,
    config={
        "stop": ["\n", "#", {"a": 1, "b": [[]]}],
        "env": {"no": "${HOME}", "x": None},
    },
    execution_policy=ExecutionPolicy.FIXED,
    execution_policy_config={"replicas": 1},
)
"""


def without_escapes(value: Any) -> Any:
    """What a reader of spec files makes of `$${`."""
    if isinstance(value, dict):
        return {key: without_escapes(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_escapes(item) for item in value]
    return value.replace("$${", "${") if isinstance(value, str) else value


def evaluated(source: str) -> WorkloadSpec:
    """The spec that the expression makes."""
    names = (WorkloadSpec, Backend, TaskType, ExecutionPolicy)
    spec: WorkloadSpec = eval(source, {kind.__name__: kind for kind in names})
    return spec


def test_yaml_is_what_a_person_would_write() -> None:
    """Only what is set, in the order of the fields; quotes only where they are needed."""
    assert SPEC.to_yaml() == YAML


def test_python_names_the_enums() -> None:
    """An expression; members by their names, also where the spec holds plain strings."""
    assert SPEC.to_python() == PYTHON
    assert evaluated(PYTHON) == SPEC


def test_a_custom_backend_is_a_string() -> None:
    """There is no member for it."""
    spec = WorkloadSpec(name="N", slug="s", model="m", backend="my-own")
    assert 'backend="my-own"' in spec.to_python()
    assert "backend: my-own\n" in spec.to_yaml()


def test_json_is_indented() -> None:
    """In the order of the fields, with text as it is."""
    spec = WorkloadSpec(name="Ünï ${X}", slug="s", model="m", backend=Backend.VLLM)
    text = spec.to_json()
    assert text == (
        '{\n  "name": "Ünï $${X}",\n  "slug": "s",\n  "model": "m",\n  "backend": "vllm"\n}\n'
    )


@pytest.mark.parametrize("write", ["to_yaml", "to_json", "to_python"])
def test_what_is_no_json_is_refused_by_its_field(write: str) -> None:
    """As `ensure` would: the error names the method and the place."""
    spec = WorkloadSpec("N", "s", "m", "vllm", config={"a": [float("nan")]})
    with pytest.raises(ValidationError, match=f"{write}: `config") as caught:
        getattr(spec, write)()
    assert caught.value.field == "config.a[0]"


# Texts that some reader of YAML takes for something else.
TRAPS = [
    *("null", "Null", "~", "true", "True", "yes", "no", "on", "off", "y", "N", ".inf", ".nan"),
    *("1", "-1", "1.5", ".5", "1e3", "1_000", "0x1F", "0o17", "010", "2026-01-01", "12:30"),
    *("<<", "=", "-", "--", "---", "...", "?", ":", "#", "&", "*", "!", "|", ">", "%", "@", "`"),
    *("[", "]", "{", "}", ",", "'", '"', "", "a: b", "a:", "a #b", "a#b", "- a", " a", "a "),
    *("a  b", "a\tb", "a\n", "\na", "a\n\n", "\n", "a\n b\n", " a\nb", "a \nb", "a\r\nb"),
    "a\n\nb",
    *("\u0085", "a\u2028b", "\ufeffa", "\U000e0001", "\x7f", "a\\b", "a\x0bb", "---\na", "日本"),
    *("${X}", "$${X}", "$$${X}", "$", "${", "it's", "k" * 2000),
]  # fmt: skip


@pytest.mark.parametrize("text", TRAPS)
def test_no_text_is_taken_for_anything_else(text: str, tmp_path: Path) -> None:
    """As a value, as a key, in a list, and as a field of the spec; by other readers too."""
    config = {"a": text, text: 1, "l": [text, {text: [text]}]}
    spec = WorkloadSpec("N", "s", "m", "vllm", description=text, command=text, config=config)
    for name, source in (("spec.yaml", spec.to_yaml()), ("spec.json", spec.to_json())):
        path = tmp_path / name
        path.write_bytes(source.encode())
        assert WorkloadSpec.from_file(path) == spec
    round_trip(spec)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(TRAPS)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)  # fmt: skip
configs = st.none() | st.dictionaries(texts, values, max_size=4)
specs = st.builds(
    WorkloadSpec,
    name=texts,
    slug=texts,
    model=texts,
    backend=st.sampled_from(Backend) | texts,
    description=st.none() | texts,
    command=st.none() | texts | st.lists(texts).map("\n".join),
    task_type=st.none() | st.sampled_from(TaskType),
    config=configs,
    execution_policy=st.none() | st.sampled_from(ExecutionPolicy),
    execution_policy_config=configs,
)


@given(specs)
def test_every_spec_is_read_back(spec: WorkloadSpec) -> None:
    """Whatever it holds, by a reader of YAML 1.1, by JSON and by Python."""
    round_trip(spec)


def round_trip(spec: WorkloadSpec) -> None:
    """Reads every form of the spec back; a number keeps its type."""
    for fields in (yaml.safe_load(spec.to_yaml()), json.loads(spec.to_json())):
        found = WorkloadSpec(**without_escapes(fields))
        assert found == spec
        assert repr(found.config) == repr(spec.config)
    assert evaluated(spec.to_python()) == spec
