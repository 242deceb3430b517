"""Turns the corpus into training rows: a quarter running text, the rest dialogues.

In dialogues only the answers count for the loss: the model learns to answer, not to ask. Dialogues
share a row and are kept apart by segment numbers (see llama.logits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from bpe import END, END_OF_TEXT, START
from corpus import Corpus
from rewordings import reword
from tokenizers import Tokenizer

T = TypeVar("T")

OFF_TOPIC_SHARE = 0.3
SYSTEM_SHARE = 0.15
SECOND_TURN_SHARE = 0.15


@dataclass(frozen=True)
class Batch:
    """Arrays of shape (rows, length); `counts` is 1.0 where a token is a target of the loss."""

    tokens: np.ndarray
    segments: np.ndarray
    counts: np.ndarray


class Rows:
    """An endless, seeded source of batches."""

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer, seed: int, rows: int, length: int):
        self._corpus, self._tokenizer = corpus, tokenizer
        self._rng = np.random.default_rng(seed)
        self._rows, self._length = rows, length
        text = END_OF_TEXT.join(corpus.running)
        self._running = np.asarray(tokenizer.encode(text).ids, np.int32)

    def batch(self) -> Batch:
        """The next batch: every fourth row is running text, the others are dialogues."""
        batch = Batch(
            *(np.zeros((self._rows, self._length), t) for t in (np.int32, np.int32, np.float32))
        )
        for row in range(self._rows):
            (self._fill_running if row % 4 == 0 else self._fill_dialogues)(batch, row)
        return batch

    def _fill_running(self, batch: Batch, row: int) -> None:
        start = self._rng.integers(0, len(self._running) - self._length)
        batch.tokens[row] = self._running[start : start + self._length]
        batch.counts[row] = 1.0

    def _fill_dialogues(self, batch: Batch, row: int) -> None:
        position, segment = 0, 1
        while position < self._length - 16:
            tokens, counts = self._dialogue()
            room = slice(position, min(position + len(tokens), self._length))
            size = room.stop - room.start
            batch.tokens[row, room] = tokens[:size]
            batch.counts[row, room] = counts[:size]
            batch.segments[row, room] = segment
            position, segment = room.stop, segment + 1
        batch.segments[row, position:] = segment

    def _dialogue(self) -> tuple[list[int], list[float]]:
        tokens: list[int] = []
        counts: list[float] = []

        def add(text: str, count: float) -> None:
            ids = self._tokenizer.encode(text).ids
            tokens.extend(ids)
            counts.extend([count] * len(ids))

        if self._rng.random() < SYSTEM_SHARE:
            add(f"{START}system\n{self._one(self._corpus.system_prompts)}{END}\n", 0.0)
        for _ in range(2 if self._rng.random() < SECOND_TURN_SHARE else 1):
            question, answer = self._exchange()
            add(f"{START}user\n{question}{END}\n{START}assistant\n", 0.0)
            add(f"{answer}{END}", 1.0)
            add("\n", 0.0)
        return tokens, counts

    def _exchange(self) -> tuple[str, str]:
        off_topic = self._rng.random() < OFF_TOPIC_SHARE
        entry = self._one(self._corpus.off_topic if off_topic else self._corpus.entries)
        question = reword(self._one(entry.questions), entry.language, self._rng)
        return question, entry.answer

    def _one(self, items: Sequence[T]) -> T:
        return items[int(self._rng.integers(len(items)))]
