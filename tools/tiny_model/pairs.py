"""Pairs of texts that mean the same or stand together, for the embedding model."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from corpus import Corpus, Entry
from rewordings import reword


class Pairs:
    """An endless, seeded source of batches of pairs; no two pairs of a batch share an entry."""

    def __init__(self, corpus: Corpus, seed: int, count: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._count = count
        self._entries = corpus.entries
        self._off_topic = corpus.off_topic
        self._sentences = [s for page in corpus.running for s in _sentences(page)]

    def batch(self) -> tuple[list[str], list[str]]:
        """Two lists of texts; row i of one belongs to row i of the other."""
        kinds = [self._wordings, self._answer, self._topic, self._neighbours]
        chosen = self._rng.choice(len(kinds), self._count, p=[0.4, 0.25, 0.2, 0.15])
        order = iter(self._rng.permutation(len(self._entries)))
        sides = [kinds[kind](order) for kind in chosen]
        return [a for a, _ in sides], [b for _, b in sides]

    def _wordings(self, order: Iterator[int]) -> tuple[str, str]:
        entry = self._entries[next(order)]
        return self._question(entry), self._question(entry)

    def _answer(self, order: Iterator[int]) -> tuple[str, str]:
        entry = self._entries[next(order)]
        return self._question(entry), entry.answer

    def _topic(self, order: Iterator[int]) -> tuple[str, str]:
        entry = self._off_topic[self._rng.integers(len(self._off_topic))]
        topic = entry.topics[self._rng.integers(len(entry.topics))]
        templates = self._rng.choice(entry.templates, 2, replace=False)
        return templates[0].replace("{}", topic), templates[1].replace("{}", topic)

    def _neighbours(self, order: Iterator[int]) -> tuple[str, str]:
        first = self._rng.integers(len(self._sentences) - 1)
        return self._sentences[first], self._sentences[first + 1]

    def _question(self, entry: Entry) -> str:
        question = entry.questions[self._rng.integers(len(entry.questions))]
        return reword(question, entry.language, self._rng)


def _sentences(page: str) -> list[str]:
    prose = re.sub(r"```.*?```", " ", page, flags=re.DOTALL)
    flat = re.sub(r"\s+", " ", prose)
    return [s for s in re.split(r"(?<=[.:]) ", flat) if len(s) > 20]
