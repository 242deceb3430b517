"""The wish for a workload."""

from __future__ import annotations

from dataclasses import dataclass

from inferencekey._enums import Backend, ExecutionPolicy, TaskType

# Type checkers take this name for true; see `inferencekey/__init__.py`. `Any` stays a name for
# `get_type_hints`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from enum import Enum
    from typing import Any
else:
    Any = object


@dataclass
class WorkloadSpec:
    """What should run under a slug. None = not managed: never compared, never cleared.

    All checks happen when the spec is used, in the core (wire.md 1.4), so a spec can be built up
    field by field. A token never belongs into a spec: the platform stores and shows it.

    name: free text for people.
    slug: the workload's address in its project; canonical form: wire.md 2.4.
    model: the model in the backend's own words, sent as it is.
    backend: what serves the model; a string that is no `Backend` is the slug of a custom backend.
    project: project slug; None = the client's.
    description: free text; "" is a value, and clears it.
    command: the engine's launch command, run as written; the worker adds host and port.
    vllm_version: version of vLLM that the worker shall use.
    task_type: None creates a `text2text` workload. It cannot change later.
    config: settings of the backend; keys that are not named here stay as they are live.
    execution_policy: when there are workers.
    execution_policy_config: settings of that policy, for example `{"replicas": 1}` for `fixed`.
    worker_id: a worker of your own to run on (`wrk_…`).
    gpu_resource_id: one GPU of that worker.
    """

    name: str
    slug: str
    model: str
    backend: Backend | str
    project: str | None = None
    description: str | None = None
    command: str | None = None
    vllm_version: str | None = None
    task_type: TaskType | str | None = None
    config: dict[str, Any] | None = None
    execution_policy: ExecutionPolicy | str | None = None
    execution_policy_config: dict[str, Any] | None = None
    worker_id: str | None = None
    gpu_resource_id: str | None = None

    @classmethod
    def from_answer(cls, fields: dict[str, Any]) -> WorkloadSpec:
        """The spec as the core hands it over, with members of the enums where there are such."""
        return cls(**{name: named(name, value) for name, value in fields.items()})

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, slug: str | None = None) -> WorkloadSpec:
        """The workload of a file in YAML, TOML or JSON; with `slug`, that one of many.

        `${NAME}` and `${NAME:-default}` in the file's text come from the environment, now. All
        checks of a spec happen here, and an error names line and column of each problem.

        Raises ValidationError: the file cannot be read or is wrong, or has several workloads and
        no `slug` says which; ConfigurationError `secret_in_spec`: a token stands in it.
        """
        from inferencekey._spec_file import load

        return load(path, slug=slug, one=True)[0]

    @classmethod
    def all_from_file(cls, path: str | os.PathLike[str]) -> list[WorkloadSpec]:
        """Every workload of a file, in the file's order; otherwise like `from_file`."""
        from inferencekey._spec_file import load

        return load(path)

    def to_yaml(self) -> str:
        """The spec as a spec file in YAML: what is set, in the order of the fields.

        `from_file` reads it back as an equal spec. So it does for `to_json`. All three forms raise
        ValidationError (.field) for a value that is neither JSON nor an enum.
        """
        from inferencekey._source import to_yaml

        return to_yaml(self)

    def to_json(self) -> str:
        """The same as a spec file in JSON."""
        from inferencekey._source import to_json

        return to_json(self)

    def to_python(self) -> str:
        """The same as an expression in Python, `WorkloadSpec(…)`, with enums by their names."""
        from inferencekey._source import to_python

        return to_python(self)


_ENUMS: dict[str, type[Enum]] = {
    "backend": Backend,
    "task_type": TaskType,
    "execution_policy": ExecutionPolicy,
}


def named(field: str, value: Any) -> Any:
    """The member of the field's enum for this value; else the value."""
    members = _ENUMS.get(field)
    if members is None or not isinstance(value, str):
        return value
    return next((member for member in members if member.value == value), value)
