"""What a spec writes of itself, a file gives back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inferencekey import ExecutionPolicy, TaskType, WorkloadSpec

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NAMES = TEXT.filter(lambda text: text.strip() != "")
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
SPECS = st.builds(
    WorkloadSpec,
    name=NAMES,
    slug=st.just("bot"),
    model=NAMES,
    backend=NAMES,
    description=st.none() | TEXT,
    task_type=st.none() | st.sampled_from(TaskType),
    config=st.none() | st.dictionaries(TEXT, VALUES, max_size=4),
    execution_policy=st.none() | st.sampled_from(ExecutionPolicy),
)


@pytest.mark.parametrize("format", ["yaml", "json"])
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=SPECS)
def test_a_written_spec_is_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, format: str, spec: WorkloadSpec
) -> None:
    """Any text, any number, any nesting."""
    path = Path(tmp_path_factory.getbasetemp()) / f"spec.{format}"
    source = spec.to_yaml() if format == "yaml" else spec.to_json()
    path.write_bytes(source.encode())
    assert WorkloadSpec.from_file(path) == spec
