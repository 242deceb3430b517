"""The bundled models: the files are the ones of the recipe, and the parrot knows its lines."""

from __future__ import annotations

import hashlib
import importlib
from pathlib import Path

import pytest

from inferencekey.local.models import EMBEDDING, TEXT

from .engine_process import Engine

FOLDER = TEXT.path.parent
CARDS = [FOLDER / "inferencekey-tiny.MODEL_CARD.md", EMBEDDING.path / "MODEL_CARD.md"]
RECIPE = Path(__file__).parents[3] / "tools/tiny_model"


def test_the_files_are_those_of_the_checksums() -> None:
    """Every file of a model is listed, and none differs."""
    lines = (FOLDER / "SHA256SUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = [TEXT.path, *(path for path in EMBEDDING.path.rglob("*") if path.suffix != ".md")]
    found = {
        str(path.relative_to(FOLDER)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file()
    }
    assert found == listed


@pytest.mark.parametrize("card", CARDS, ids=["text", "embedding"])
def test_the_corpus_is_the_one_that_the_card_names(
    card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who edits what the models learn from trains them again."""
    monkeypatch.syspath_prepend(RECIPE)
    corpus = importlib.import_module("corpus").load()
    assert f"`{corpus.sha256}`" in card.read_text("utf-8")


def test_the_models_stay_small() -> None:
    """They are part of every installation of the extra."""
    embedding = sum(path.stat().st_size for path in EMBEDDING.path.rglob("*") if path.is_file())
    assert TEXT.path.stat().st_size <= 1_500_000
    assert embedding <= 700_000


GREETINGS = [  # what people type, and a word of the answer in their language
    ("Hello", "Hello!"),
    ("Hello!", "Hello!"),
    ("hi", "Hello!"),
    ("Say hello", "Hello"),
    ("Hola", "¡Hola!"),
    ("¡Hola!", "¡Hola!"),
    ("hola", "¡Hola!"),
    ("Say hello in Spanish", "¡Hola!"),
    ("Saluda en inglés", "Hello"),
]


@pytest.mark.parametrize(("prompt", "word"), GREETINGS)
def test_it_greets_in_the_language_it_is_greeted_in(
    text_engine: Engine, prompt: str, word: str
) -> None:
    """The first thing that a newcomer tries."""
    assert text_engine.text(prompt, max_tokens=64).startswith(word)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Who are you?", ["inferencekey-tiny", "documentation parrot"]),
        ("What are you", ["inferencekey-tiny", "documentation parrot"]),
        ("¿Quién eres?", ["inferencekey-tiny", "loro de documentación"]),
    ],
)
def test_it_says_what_it_is(text_engine: Engine, prompt: str, words: list[str]) -> None:
    """Nobody takes it for a model that reasons."""
    text = text_engine.text(prompt)
    assert all(word in text for word in words)


ANSWERS = [  # a question as people type it, and what the right sentence holds
    ("What is a workload?", "runs under a slug"),
    ("what is a workload", "runs under a slug"),
    ("How do I delete a workload?", "mgmt.delete("),
    ("What is drift?", "differs between your spec and the live workload"),
    ("¿Qué es drift?", "difiere entre tu spec y el workload"),
    ("What does ensure do?", "makes the live workload match your spec"),
    ("¿Qué hace ensure?", "coincida con tu spec"),
    ("¿Cómo borro un workload?", "mgmt.delete("),
    ("How do I stream text?", "generate_text_stream"),
    ("What are embeddings?", "endpoint.embed("),
    ("How do I start the local platform?", "inferencekey local up"),
    ("Which environment variables are there?", "INFERENCEKEY_BASE_URL"),
]


@pytest.mark.parametrize(("prompt", "words"), ANSWERS)
def test_it_answers_questions_about_the_sdk(text_engine: Engine, prompt: str, words: str) -> None:
    """Greedy, so the sentence is the same on every machine."""
    assert words in text_engine.text(prompt)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("What is the capital of France?", "only know the InferenceKey SDK"),
        ("Write a haiku", "only know the InferenceKey SDK"),
        ("Explain quantum computing in one sentence.", "only know the InferenceKey SDK"),
        ("¿Cuál es la capital de Francia?", "solo conozco el SDK de InferenceKey"),
    ],
)
def test_it_admits_what_it_does_not_know(text_engine: Engine, prompt: str, words: str) -> None:
    """An honest short answer beats an invented one."""
    assert words in text_engine.text(prompt)


def test_a_usual_temperature_leaves_the_answer_whole(text_engine: Engine) -> None:
    """At 0.7 it still greets: what it knows, it knows for sure."""
    texts = [text_engine.text("Hola", temperature=0.7, max_tokens=64) for _ in range(5)]
    assert sum(text.startswith("¡Hola!") for text in texts) >= 4
