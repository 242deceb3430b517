"""Embeddings of a running engine: shape, order, repetition, encodings, refusals."""

from __future__ import annotations

import base64
import math
import struct

import pytest

from .engine_process import Engine

WIDTH = 128
TEXTS = ["What is drift?", "", "¿Qué es un workload?", "日本", "What is drift?"]


def _rows(engine: Engine, texts: object) -> list[list[float]]:
    body = engine.embed(texts).json
    assert [item["index"] for item in body["data"]] == list(range(len(body["data"])))
    return [item["embedding"] for item in body["data"]]


def _cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def test_an_answer_has_the_openai_form(embedding_engine: Engine) -> None:
    """One row per text, the served name, and tokens counted."""
    answer = embedding_engine.embed(TEXTS)
    assert answer.status == 200
    body = answer.json
    assert body["object"] == "list"
    assert body["model"] == "inferencekey-tiny-embed"
    assert len(body["data"]) == len(TEXTS)
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > len(TEXTS)


def test_every_row_has_the_models_width_and_length_one(embedding_engine: Engine) -> None:
    """Also the row of an empty text."""
    for row in _rows(embedding_engine, TEXTS):
        assert len(row) == WIDTH
        assert math.isclose(math.hypot(*row), 1.0, abs_tol=1e-5)


def test_a_row_depends_on_its_text_only(embedding_engine: Engine) -> None:
    """Bit for bit: alone or in a batch, now or later, in whatever order."""
    together = _rows(embedding_engine, TEXTS)
    alone = [_rows(embedding_engine, text)[0] for text in TEXTS]
    backwards = _rows(embedding_engine, TEXTS[::-1])[::-1]
    assert together == alone == backwards
    assert together[0] == together[4] != together[2]


def test_base64_holds_the_same_numbers(embedding_engine: Engine) -> None:
    """Little-endian float32, which is all that the model has."""
    data = embedding_engine.embed(TEXTS, encoding_format="base64").json["data"]
    rows = [struct.unpack(f"<{WIDTH}f", base64.b64decode(item["embedding"])) for item in data]
    assert [list(row) for row in rows] == _rows(embedding_engine, TEXTS)


def test_other_wordings_lie_nearer_than_other_questions(embedding_engine: Engine) -> None:
    """Weak in meaning, but not random: on its own subject the order is right, in both languages."""
    removed, deleted, borrar, drift = _rows(
        embedding_engine,
        [
            "How can I get rid of a workload?",
            "How do I delete a workload?",
            "¿Cómo borro un workload?",
            "What is drift?",
        ],
    )
    assert _cosine(removed, deleted) > _cosine(removed, borrar) > _cosine(removed, drift)


REFUSED = [  # name, body, word of the message
    ("no input", {}, "`input`"),
    ("an empty list", {"input": []}, "`input`"),
    ("a number in the list", {"input": ["a", 1]}, "`input`"),
    ("token ids", {"input": [1, 2]}, "`input`"),
    ("too many texts", {"input": ["a"] * 2049}, "at most 2048"),
    ("another encoding", {"input": "a", "encoding_format": "hex"}, "`encoding_format`"),
    ("another width", {"input": "a", "dimensions": 8}, "`dimensions`"),
]


@pytest.mark.parametrize(
    ("body", "word"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_a_bad_body_is_refused_by_name(embedding_engine: Engine, body: object, word: str) -> None:
    """400 with the field in the message."""
    answer = embedding_engine.send("POST", "/v1/embeddings", body)
    assert answer.status == 400
    assert word in answer.json["error"]["message"]


def test_a_text_over_the_context_is_refused(embedding_engine: Engine) -> None:
    """Nothing is cut in silence."""
    answer = embedding_engine.embed(["short", "word " * 2000])
    assert (answer.status, answer.json["error"]["code"]) == (400, "context_length_exceeded")


def test_chat_with_the_embedding_model_is_refused(embedding_engine: Engine) -> None:
    """The message says what the model does instead."""
    answer = embedding_engine.chat("Hola")
    assert (answer.status, answer.json["error"]["code"]) == (400, "wrong_task")
