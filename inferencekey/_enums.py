"""The closed and open sets of values of wire.md 4, as strings with names.

A plain string is accepted wherever one of these is, and a value that the server invents stays a
plain string.
"""

from __future__ import annotations

from enum import Enum


class _Text(str, Enum):
    """An enum whose members are their wire value in every text, on every Python version."""

    def __str__(self) -> str:
        return str.__str__(self.value)

    def __format__(self, spec: str) -> str:
        return str.__format__(self.value, spec)


class Backend(_Text):
    """What runs the model. Any other non-blank string is the slug of a custom backend."""

    OLLAMA = "ollama"
    VLLM = "vllm"
    VLLM_OMNI = "vllm-omni"
    SGLANG = "sglang"
    LLAMACPP = "llamacpp"
    STABLE_DIFFUSION_CPP = "stablediffusioncpp"


class TaskType(_Text):
    """What a workload takes and gives. It cannot change once the workload exists."""

    TEXT2TEXT = "text2text"
    EMBEDDING = "embedding"
    TEXT2IMAGE = "text2image"
    TEXT2VIDEO = "text2video"
    TEXT2AUDIO = "text2audio"
    IMAGE2IMAGE = "image2image"
    IMAGE2VIDEO = "image2video"
    AUDIO2TEXT = "audio2text"
    OMNI = "omni"
    RERANKER = "reranker"
    CLASSIFICATION = "classification"
    REWARD = "reward"
    FORECAST = "forecast"


class OnDrift(_Text):
    """What `ensure` does when the live workload differs from the spec (wire.md 2.7).

    RECONCILE writes the difference, FAIL raises `DriftError`, DRY_RUN sends nothing, WARN emits
    one `DriftWarning`, IGNORE only reports. An absent workload is created by all but DRY_RUN.
    """

    RECONCILE = "reconcile"
    FAIL = "fail"
    DRY_RUN = "dry_run"
    WARN = "warn"
    IGNORE = "ignore"


class ExecutionPolicy(_Text):
    """When a workload has workers: always, at set hours, or by load."""

    FIXED = "fixed"
    SCHEDULED = "scheduled"
    AUTOSCALING = "autoscaling"
