"""The text model in JAX: a small llama (RMSNorm, RoPE, SwiGLU, tied embeddings).

The layout is the one that GGUF readers expect of the `llama` architecture, so the export copies
arrays and permutes nothing. RoPE turns consecutive pairs (0,1), (2,3), … as llama.cpp does; the
other common layout (first half, second half) would need permuted query and key rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, jax.Array]


@dataclass(frozen=True)
class Shape:
    """Sizes of the model; lengths in tokens. The defaults give 1.97 million parameters."""

    vocab: int = 1024
    width: int = 192
    layers: int = 4
    heads: int = 6
    hidden: int = 512
    context: int = 1024
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def head_width(self) -> int:
        """Size of one attention head."""
        return self.width // self.heads


def init(shape: Shape, seed: int) -> Params:
    """Fresh weights. Residual outputs start smaller by the depth, which keeps early steps calm."""
    rng = np.random.default_rng(seed)

    def normal(rows: int, columns: int, scale: float) -> jax.Array:
        return jnp.asarray(rng.normal(0.0, scale, (rows, columns)), jnp.float32)

    width, hidden = shape.width, shape.hidden
    residual = 0.02 / np.sqrt(2 * shape.layers)
    params: Params = {
        "token_embd.weight": normal(shape.vocab, width, 0.02),
        "output_norm.weight": jnp.ones(width),
    }
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        params |= {
            block + "attn_norm.weight": jnp.ones(width),
            block + "attn_q.weight": normal(width, width, 0.02),
            block + "attn_k.weight": normal(width, width, 0.02),
            block + "attn_v.weight": normal(width, width, 0.02),
            block + "attn_output.weight": normal(width, width, residual),
            block + "ffn_norm.weight": jnp.ones(width),
            block + "ffn_gate.weight": normal(hidden, width, 0.02),
            block + "ffn_up.weight": normal(hidden, width, 0.02),
            block + "ffn_down.weight": normal(width, hidden, residual),
        }
    return params


def rms_norm(x: jax.Array, weight: jax.Array, eps: float) -> jax.Array:
    """RMSNorm over the last axis."""
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + eps) * weight


def _rotate(x: jax.Array, base: float) -> jax.Array:
    """RoPE on consecutive pairs; x is (batch, length, heads, head width)."""
    length, size = x.shape[1], x.shape[3]
    frequency = base ** (-jnp.arange(0, size, 2) / size)
    angle = jnp.arange(length)[:, None] * frequency[None, :]
    cos, sin = jnp.cos(angle)[None, :, None, :], jnp.sin(angle)[None, :, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def logits(params: Params, shape: Shape, tokens: jax.Array, segments: jax.Array) -> jax.Array:
    """Next-token scores (batch, length, vocab).

    tokens, segments: (batch, length) integers. A token sees earlier tokens of its own segment only,
    so that several dialogues share a row without knowing of each other.
    """
    batch, length = tokens.shape
    mask = jnp.tril(jnp.ones((length, length), bool))[None]
    mask = (mask & (segments[:, :, None] == segments[:, None, :]))[:, None]
    heads = (batch, length, shape.heads, shape.head_width)

    x = params["token_embd.weight"][tokens]
    for layer in range(shape.layers):
        weights = _block(params, layer)
        y = rms_norm(x, weights["attn_norm"], shape.norm_eps)
        q = _rotate((y @ weights["attn_q"].T).reshape(heads), shape.rope_base)
        k = _rotate((y @ weights["attn_k"].T).reshape(heads), shape.rope_base)
        v = (y @ weights["attn_v"].T).reshape(heads)
        score = jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(shape.head_width)
        weight = jax.nn.softmax(jnp.where(mask, score, -1e30), -1)
        mixed = jnp.einsum("bhqk,bkhd->bqhd", weight, v).reshape(batch, length, shape.width)
        x = x + mixed @ weights["attn_output"].T
        y = rms_norm(x, weights["ffn_norm"], shape.norm_eps)
        gate = jax.nn.silu(y @ weights["ffn_gate"].T)
        x = x + (gate * (y @ weights["ffn_up"].T)) @ weights["ffn_down"].T
    return rms_norm(x, params["output_norm.weight"], shape.norm_eps) @ params["token_embd.weight"].T


def _block(params: Params, layer: int) -> Params:
    prefix = f"blk.{layer}."
    return {
        name.removeprefix(prefix).removesuffix(".weight"): value
        for name, value in params.items()
        if name.startswith(prefix)
    }
