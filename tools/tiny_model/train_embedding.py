"""Train the bundled embedding model: `python tools/tiny_model/train_embedding.py`.

Contrastive: in a batch of pairs, each text must lie nearer to its partner than to all other texts.
Takes a few minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import bpe
import corpus as corpus_files
import embedding_files
import jax
import jax.numpy as jnp
import numpy as np
import optimizer
import qwen3
from pairs import Pairs
from tokenizers import Tokenizer, processors

SEED = 20_261
PAIRS, LENGTH = 64, 48
PEAK_RATE, WEIGHT_DECAY, TEMPERATURE = 2e-3, 0.05, 0.07
DEFAULT_OUT = corpus_files.ROOT / "inferencekey/local/models/inferencekey-tiny-embed"

Texts = tuple[jax.Array, jax.Array]


def loss(params: qwen3.Params, shape: qwen3.Shape, left: Texts, right: Texts) -> jax.Array:
    """Cross-entropy of finding each text's partner among the other side's texts, both ways."""
    scores = qwen3.embed(params, shape, *left) @ qwen3.embed(params, shape, *right).T / TEMPERATURE
    there = jnp.diagonal(jax.nn.log_softmax(scores, 1))
    back = jnp.diagonal(jax.nn.log_softmax(scores, 0))
    return -jnp.mean(there + back) / 2


@partial(jax.jit, static_argnums=1)
def train_step(
    params: qwen3.Params,
    shape: qwen3.Shape,
    state: optimizer.State,
    step: int,
    lr: float,
    left: Texts,
    right: Texts,
) -> tuple[qwen3.Params, optimizer.State, jax.Array]:
    """One optimisation step; returns the new weights, optimiser state and the loss before it."""
    value, grads = jax.value_and_grad(loss)(params, shape, left, right)
    params, state = optimizer.update(params, grads, state, step, lr, WEIGHT_DECAY)
    return params, state, value


def with_end(tokenizer: Tokenizer) -> Tokenizer:
    """End every text with one more token, as Qwen3-Embedding does: an empty text has a row too."""
    end = tokenizer.token_to_id(bpe.END_OF_TEXT)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {bpe.END_OF_TEXT}", special_tokens=[(bpe.END_OF_TEXT, end)]
    )
    return tokenizer


def tokens_of(tokenizer: Tokenizer, texts: list[str]) -> Texts:
    """Token ids, cut and padded to LENGTH, and where they are present."""
    ids = np.zeros((len(texts), LENGTH), np.int32)
    present = np.zeros((len(texts), LENGTH), np.float32)
    for row, text in enumerate(texts):
        found = tokenizer.encode(text).ids[:LENGTH]
        ids[row, : len(found)] = found
        present[row, : len(found)] = 1.0
    return jnp.asarray(ids), jnp.asarray(present)


def main() -> None:
    """Read the options, train, write the model folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of the model")
    parser.add_argument("--steps", type=int, default=1000, help="optimisation steps")
    args = parser.parse_args()

    corpus = corpus_files.load()
    shape = qwen3.Shape()
    tokenizer = with_end(bpe.train(corpus.texts(), shape.vocab))
    pairs = Pairs(corpus, SEED, PAIRS)
    params = qwen3.init(shape, SEED)
    state = optimizer.start(params)
    print(f"corpus {corpus.sha256}: {', '.join(corpus.files)}")
    began = time.monotonic()
    for step in range(args.steps):
        left, right = (tokens_of(tokenizer, side) for side in pairs.batch())
        rate = optimizer.rate(step, args.steps, PEAK_RATE)
        params, state, value = train_step(params, shape, state, step, rate, left, right)
        if (step + 1) % 100 == 0:
            print(
                f"step {step + 1}: loss {value:.3f}, {time.monotonic() - began:.0f} s", flush=True
            )
    embedding_files.write(args.out, params, shape, tokenizer)


if __name__ == "__main__":
    main()
