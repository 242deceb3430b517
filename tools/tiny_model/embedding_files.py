"""Writes the embedding model as a sentence-transformers folder, the form mistralrs loads."""

from __future__ import annotations

import json
from pathlib import Path

import jax
import numpy as np
from bpe import END_OF_TEXT
from qwen3 import Shape
from safetensors.numpy import save_file
from tokenizers import Tokenizer


def write(folder: Path, params: dict[str, jax.Array], shape: Shape, tokenizer: Tokenizer) -> None:
    """Write config, pooling modules, tokenizer and F16 weights into `folder`."""
    (folder / "1_Pooling").mkdir(parents=True, exist_ok=True)
    _json(folder / "config.json", _config(shape, tokenizer.token_to_id(END_OF_TEXT)))
    _json(folder / "modules.json", _modules())
    _json(folder / "1_Pooling/config.json", _pooling(shape))
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    weights = {name: np.asarray(value, np.float16) for name, value in params.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors leaves it readable to its owner only


def _config(shape: Shape, end: int) -> dict[str, object]:
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": shape.vocab,
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_base,
        "attention_bias": False,
        "tie_word_embeddings": True,
        "sliding_window": None,
        "use_sliding_window": False,
        "max_window_layers": shape.layers,
        "torch_dtype": "float16",
        "bos_token_id": end,
        "eos_token_id": end,
    }


def _modules() -> list[dict[str, object]]:
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    return [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(parts)
    ]


def _pooling(shape: Shape) -> dict[str, object]:
    """The mean: it needs no training to mean something, unlike the last token's state."""
    return {
        "word_embedding_dimension": shape.width,
        "pooling_mode_cls_token": False,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_max_tokens": False,
        "pooling_mode_mean_sqrt_len_tokens": False,
        "pooling_mode_weightedmean_tokens": False,
        "pooling_mode_lasttoken": False,
        "include_prompt": True,
    }


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
