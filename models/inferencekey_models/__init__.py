"""The models that ship with the embedded platform: where each lies, and nothing that runs."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent

TEXT = _HERE / "inferencekey-tiny.gguf"
"""Text, llama architecture, F16 GGUF: runs in the bundled engine and in `llama-server`."""

EMBEDDING = _HERE / "inferencekey-tiny-embed"
"""Embeddings, Qwen3-Embedding shape, safetensors: runs in the bundled engine."""

FILES = {path.stem: path for path in (TEXT, EMBEDDING)}
"""The file or folder of each model, by the name that a spec calls it."""
