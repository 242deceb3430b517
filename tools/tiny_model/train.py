"""Train the bundled text model and write it as F16 GGUF: `python tools/tiny_model/train.py`.

README.md says what has to be the same for the same file to come out, and how long it takes.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import bpe
import corpus as corpus_files
import gguf_file
import jax
import jax.numpy as jnp
import llama
import optimizer
from rows import Rows

SEED = 20_260
ROWS, LENGTH = 8, 256
PEAK_RATE, WEIGHT_DECAY = 2e-3, 0.05
DEFAULT_OUT = corpus_files.ROOT / "build/inferencekey-tiny-f16.gguf"


def loss(params: llama.Params, shape: llama.Shape, batch: tuple[jax.Array, ...]) -> jax.Array:
    """Mean cross-entropy over the tokens that count, in nats."""
    tokens, segments, counts = batch
    scores = jax.nn.log_softmax(llama.logits(params, shape, tokens[:, :-1], segments[:, :-1]))
    picked = jnp.take_along_axis(scores, tokens[:, 1:, None], -1)[..., 0]
    counts = counts[:, 1:]
    return -jnp.sum(picked * counts) / jnp.sum(counts)


@partial(jax.jit, static_argnums=1, donate_argnums=(0, 2))
def train_step(
    params: llama.Params,
    shape: llama.Shape,
    state: optimizer.State,
    step: int,
    lr: float,
    batch: tuple[jax.Array, ...],
) -> tuple[llama.Params, optimizer.State, jax.Array]:
    """One optimisation step; returns the new weights, optimiser state and the loss before it."""
    value, grads = jax.value_and_grad(loss)(params, shape, batch)
    params, state = optimizer.update(params, grads, state, step, lr, WEIGHT_DECAY)
    return params, state, value


def main() -> None:
    """Read the options, train, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="the file to write")
    parser.add_argument("--steps", type=int, default=2000, help="optimisation steps")
    parser.add_argument("--every", type=int, default=200, help="write the file every so many steps")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)

    corpus = corpus_files.load()
    shape = llama.Shape()
    tokenizer = bpe.train(corpus.texts(), shape.vocab)
    rows = Rows(corpus, tokenizer, SEED, ROWS, LENGTH)
    params = llama.init(shape, SEED)
    state = optimizer.start(params)
    print(f"corpus {corpus.sha256}: {', '.join(corpus.files)}")
    began = time.monotonic()
    for step in range(args.steps):
        made = rows.batch()
        batch = (jnp.asarray(made.tokens), jnp.asarray(made.segments), jnp.asarray(made.counts))
        rate = optimizer.rate(step, args.steps, PEAK_RATE)
        params, state, value = train_step(params, shape, state, step, rate, batch)
        if (step + 1) % args.every == 0 or step + 1 == args.steps:
            gguf_file.write(args.out, params, shape, tokenizer)
            print(
                f"step {step + 1}: loss {value:.3f}, {time.monotonic() - began:.0f} s", flush=True
            )


if __name__ == "__main__":
    main()
