"""The models that ship with the extra `local`: names and files, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class BundledModel:
    """A model of this package: the name it answers under, and its file or folder."""

    name: str
    path: Path


TEXT = BundledModel("inferencekey-tiny", _HERE / "inferencekey-tiny.gguf")
"""Text, llama architecture, Q4_0 GGUF: runs in the bundled engine and in `llama-server`."""

EMBEDDING = BundledModel("inferencekey-tiny-embed", _HERE / "inferencekey-tiny-embed")
"""Embeddings, Qwen3-Embedding shape, safetensors: runs in the bundled engine."""

BUNDLED = {"tiny": TEXT, "tiny-embed": EMBEDDING}
"""What the engine's `--model` calls them."""
