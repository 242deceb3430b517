"""The wish for a workload."""

from __future__ import annotations

from dataclasses import dataclass

from inferencekey._enums import Backend, ExecutionPolicy, TaskType

# Type checkers take this name for true; see `inferencekey/__init__.py`. `Any` stays a name for
# `get_type_hints`.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object


@dataclass
class WorkloadSpec:
    """What should run under a slug. None = not managed: never compared, never cleared.

    All checks happen when the spec is used, in the core (wire.md 1.4), so a spec can be built up
    field by field. A token never belongs into a spec: the platform stores and shows it.
    """

    name: str
    """Free text for people."""
    slug: str
    """The workload's address in its project; canonical form: wire.md 2.4."""
    model: str
    """The model in the backend's own words, sent as it is."""
    backend: Backend | str
    """What serves the model; a string that is no `Backend` is the slug of a custom backend."""
    project: str | None = None
    """Project slug; None = the client's."""
    description: str | None = None
    """Free text; "" is a value, and clears it."""
    command: str | None = None
    """The engine's launch command, run as written; the worker adds host and port."""
    vllm_version: str | None = None
    """Version of vLLM that the worker shall use."""
    task_type: TaskType | str | None = None
    """None creates a `text2text` workload. It cannot change later."""
    config: dict[str, Any] | None = None
    """Settings of the backend; keys that are not named here stay as they are live."""
    execution_policy: ExecutionPolicy | str | None = None
    """When there are workers."""
    execution_policy_config: dict[str, Any] | None = None
    """Settings of that policy, for example `{"replicas": 1}` for `fixed`."""
    worker_id: str | None = None
    """A worker of your own to run on (`wrk_…`)."""
    gpu_resource_id: str | None = None
    """One GPU of that worker."""
