"""AdamW with warm-up and cosine decay, in the few lines that two tiny models need."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, jax.Array]
State = tuple[Params, Params]

BETA1, BETA2, EPSILON = 0.9, 0.98, 1e-8


def start(params: Params) -> State:
    """First and second moments, all zero."""
    return jax.tree.map(jnp.zeros_like, params), jax.tree.map(jnp.zeros_like, params)


def rate(step: int, steps: int, peak: float, warmup: int = 60) -> float:
    """Learning rate of a step (counted from 0): linear to `peak`, then cosine to 3 % of it."""
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    return float(peak * (0.03 + 0.97 * 0.5 * (1 + np.cos(np.pi * done))))


def update(
    params: Params, grads: Params, state: State, step: int, lr: float, decay: float
) -> tuple[Params, State]:
    """One AdamW step with the gradient's norm clipped to 1. Norm weights are not decayed."""
    norm = jnp.sqrt(sum(jnp.sum(g * g) for g in grads.values()))
    grads = {name: g * jnp.minimum(1.0, 1.0 / (norm + 1e-9)) for name, g in grads.items()}
    first = {n: BETA1 * state[0][n] + (1 - BETA1) * g for n, g in grads.items()}
    second = {n: BETA2 * state[1][n] + (1 - BETA2) * g * g for n, g in grads.items()}
    fixed1, fixed2 = 1 - BETA1 ** (step + 1.0), 1 - BETA2 ** (step + 1.0)

    def moved(name: str, value: jax.Array) -> jax.Array:
        direction = (first[name] / fixed1) / (jnp.sqrt(second[name] / fixed2) + EPSILON)
        return value - lr * (direction + (decay * value if value.ndim > 1 else 0.0))

    return {name: moved(name, value) for name, value in params.items()}, (first, second)
