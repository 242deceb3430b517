"""What one check of `doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inferencekey import InferenceKeyError

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One line of the report, and what to do about it."""

    check: str
    state: State
    words: str
    hint: str | None = None

    @classmethod
    def failed(cls, check: str, error: InferenceKeyError) -> Finding:
        """The error in its own words."""
        return cls(check, "failed", str(error), error.hint)
