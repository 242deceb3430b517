"""The embedding model in JAX: one Qwen3 block, mean over the tokens, length 1.

Names, layout and RoPE (first half against second half of a head) are those of Qwen3's safetensors,
so the weights are saved as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from llama import rms_norm

Params = dict[str, jax.Array]


@dataclass(frozen=True)
class Shape:
    """Sizes of the model; lengths in tokens. The defaults give 0.3 million parameters."""

    vocab: int = 1024
    width: int = 128
    layers: int = 1
    heads: int = 4
    head_width: int = 32
    hidden: int = 256
    context: int = 512
    rope_base: float = 10_000.0
    norm_eps: float = 1e-6


def init(shape: Shape, seed: int) -> Params:
    """Fresh weights. The block's outputs start near zero: the model begins as a bag of subwords."""
    rng = np.random.default_rng(seed)

    def normal(rows: int, columns: int, scale: float) -> jax.Array:
        return jnp.asarray(rng.normal(0.0, scale, (rows, columns)), jnp.float32)

    width, inner = shape.width, shape.heads * shape.head_width
    params: Params = {
        "embed_tokens.weight": normal(shape.vocab, width, 0.1),
        "norm.weight": jnp.ones(width),
    }
    for layer in range(shape.layers):
        block = f"layers.{layer}."
        params |= {
            block + "input_layernorm.weight": jnp.ones(width),
            block + "self_attn.q_proj.weight": normal(inner, width, 0.05),
            block + "self_attn.k_proj.weight": normal(inner, width, 0.05),
            block + "self_attn.v_proj.weight": normal(inner, width, 0.05),
            block + "self_attn.o_proj.weight": normal(width, inner, 0.005),
            block + "self_attn.q_norm.weight": jnp.ones(shape.head_width),
            block + "self_attn.k_norm.weight": jnp.ones(shape.head_width),
            block + "post_attention_layernorm.weight": jnp.ones(width),
            block + "mlp.gate_proj.weight": normal(shape.hidden, width, 0.05),
            block + "mlp.up_proj.weight": normal(shape.hidden, width, 0.05),
            block + "mlp.down_proj.weight": normal(width, shape.hidden, 0.005),
        }
    return params


def _rotate(x: jax.Array, base: float) -> jax.Array:
    length, size = x.shape[1], x.shape[3]
    frequency = base ** (-jnp.arange(0, size, 2) / size)
    angle = jnp.arange(length)[:, None] * frequency[None, :]
    cos = jnp.tile(jnp.cos(angle), 2)[None, :, None, :]
    sin = jnp.tile(jnp.sin(angle), 2)[None, :, None, :]
    first, second = jnp.split(x, 2, -1)
    return x * cos + jnp.concatenate([-second, first], -1) * sin


def embed(params: Params, shape: Shape, tokens: jax.Array, present: jax.Array) -> jax.Array:
    """One row of length 1 per text.

    tokens: (texts, length) integers; present: 1.0 where there is a token, 0.0 where padding."""
    texts, length = tokens.shape
    mask = jnp.tril(jnp.ones((length, length), bool))[None, None]
    heads = (texts, length, shape.heads, shape.head_width)
    x = params["embed_tokens.weight"][tokens]
    for layer in range(shape.layers):
        w = {name.removeprefix(f"layers.{layer}."): value for name, value in params.items()}
        y = rms_norm(x, w["input_layernorm.weight"], shape.norm_eps)
        q = (y @ w["self_attn.q_proj.weight"].T).reshape(heads)
        k = (y @ w["self_attn.k_proj.weight"].T).reshape(heads)
        v = (y @ w["self_attn.v_proj.weight"].T).reshape(heads)
        q = _rotate(rms_norm(q, w["self_attn.q_norm.weight"], shape.norm_eps), shape.rope_base)
        k = _rotate(rms_norm(k, w["self_attn.k_norm.weight"], shape.norm_eps), shape.rope_base)
        score = jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(shape.head_width)
        weight = jax.nn.softmax(jnp.where(mask, score, -1e30), -1)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weight, v).reshape(texts, length, -1)
        x = x + mixed @ w["self_attn.o_proj.weight"].T
        y = rms_norm(x, w["post_attention_layernorm.weight"], shape.norm_eps)
        gate = jax.nn.silu(y @ w["mlp.gate_proj.weight"].T)
        x = x + (gate * (y @ w["mlp.up_proj.weight"].T)) @ w["mlp.down_proj.weight"].T
    x = rms_norm(x, params["norm.weight"], shape.norm_eps) * present[..., None]
    mean = jnp.sum(x, 1) / jnp.sum(present, 1, keepdims=True)
    return mean / jnp.linalg.norm(mean, axis=-1, keepdims=True)
