"""The vocabulary of the embedded platform. Imports nothing of the package."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Any
"""A decoded JSON value. Its shape is checked where it enters (`validation.py`), not by the type
checker."""

Phase = Literal["scheduling", "provisioning", "bootstrapping", "ready", "error"]
TokenKind = Literal["sdk", "live"]
OnTaken = Literal["suffix", "conflict"]
"""What a create does when its slug is taken: append `-1`, `-2`… (2.4) or answer 409 (wire.md
2.9)."""

DEFAULT_PROJECT = "acme"

BACKENDS = ("ollama", "vllm", "vllm-omni", "sglang", "llamacpp", "stablediffusioncpp")
TASK_TYPES = (
    "text2text",
    "embedding",
    "text2image",
    "text2video",
    "text2audio",
    "image2image",
    "image2video",
    "audio2text",
    "omni",
    "reranker",
    "classification",
    "reward",
    "forecast",
)
EXECUTION_POLICIES = ("fixed", "scheduled", "autoscaling")

SCOPE_READ = "workload:read"
SCOPE_WRITE = "workload:write"
SCOPE_ASSIGN = "assignment:write"
SCOPES = (SCOPE_READ, SCOPE_WRITE, SCOPE_ASSIGN)
DEFAULT_SCOPES = (SCOPE_WRITE, SCOPE_ASSIGN)
"""wire.md 1.3. On one machine there is nothing to assign: `assignment:write` is kept and shown
only."""


@dataclass(frozen=True)
class Workload:
    """One workload as it is stored. Keys and meaning: wire.md 2.5."""

    id: str
    project_id: str
    project_slug: str
    slug: str
    name: str
    task_type: str
    backend: str
    model_name: str
    description: str | None
    config: dict[str, Json] | None
    worker_id: str | None
    gpu_resource_id: str | None
    execution_policy: str | None
    execution_policy_config: dict[str, Json] | None
    created_at: str
    updated_at: str

    def launch_key(self) -> tuple[str, ...]:
        """What the running engine depends on: another value here means another engine process."""
        config = json.dumps(self.config, sort_keys=True)  # as text: 1 and true are two values
        return (self.backend, self.model_name, self.task_type, config)


@dataclass(frozen=True)
class Token:
    """A token as it is stored: its hash, never its text (wire.md 1.3)."""

    id: str
    kind: TokenKind
    name: str
    project: str
    scopes: tuple[str, ...]
    grants: tuple[str, ...]
    created_at: str
    revoked_at: str | None = None


@dataclass(frozen=True)
class ReadinessRecord:
    """One readiness event as it goes over the wire (2.11)."""

    phase: Phase
    message: str
    elapsed_ms: int
    step: str | None = None


@dataclass(frozen=True)
class Address:
    """Where an engine listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The engine's origin, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class EngineCommand:
    """How to start one engine. Address and port are added at the start (`engines.argv_for`)."""

    argv: tuple[str, ...]
    program: str
    """The located file of `argv[0]`."""
    host_flags: tuple[str, str] | None = ("--host", "--port")
    """The flags that carry address and port, None where the environment does."""
    fixed_port: int | None = None
    """A port that the workload's own `command` fixes."""
    env: dict[str, str] = field(default_factory=dict)
    pull: bool = False
    """Whether the model must first be asked for over the engine's own interface (ollama)."""
    stand_in: str | None = None
    """The answer's model name when the bundled model stands in for another one, else None."""
    bundled: bool = False
    """Whether it is the engine that comes with this package."""
    note: str = ""
    """A sentence for the readiness message, where who serves the model is not obvious."""

    @property
    def label(self) -> str:
        """The program's name as a person knows it."""
        return "the bundled engine" if self.bundled else self.program.rsplit("/", 1)[-1]
