"""Other ways to type a question, so that the model knows it by its words and not by its letters.

Only the question changes: the answer stays. Everything is drawn from one seeded generator.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

TURNS = [
    (
        r"What is (?P<x>(a|an|the) .+)\?",
        ["What's {x}?", "Explain what {x} is.", "Define {x}", "Describe {x}."],
    ),
    (
        r"What (is|are) (?P<x>[\w ]+)(?<! for)\?",
        ["Explain {x}", "Tell me about {x}.", "What does {x} mean?", "{x}?"],
    ),
    (
        r"What does (?P<x>.+) do\?",
        ["Explain {x}", "What is {x} for?", "Tell me about {x}", "How does {x} work?"],
    ),
    (
        r"How do I (?P<x>.+)\?",
        [
            "How can I {x}?",
            "How to {x}?",
            "I want to {x}.",
            "Show me how to {x}",
            "How would I {x}?",
        ],
    ),
    (
        r"¿Qué (es|son) (?P<x>.+)\?",
        ["Explica {x}", "Define {x}.", "¿Qué significa {x}?", "Dime qué es {x}"],
    ),
    (r"¿Qué hace (?P<x>.+)\?", ["¿Para qué sirve {x}?", "Explica {x}", "¿Cómo funciona {x}?"]),
    (r"¿Cómo (?P<x>.+)\?", ["Dime cómo {x}", "Explica cómo {x}.", "Quiero saber cómo {x}"]),
]
"""A question's form, and forms that ask the same."""

BEFORE = {
    "en": [
        "Please: ",
        "Hi, ",
        "Hello! ",
        "Hey, ",
        "Question: ",
        "Can you tell me: ",
        "Hello, ",
        "In one sentence: ",
    ],
    "es": ["Hola, ", "Por favor: ", "Una pregunta: ", "¡Hola! ", "En una frase: "],
}
AFTER = {
    "en": [
        " Answer in one sentence.",
        " Be brief.",
        " Thanks!",
        " Please.",
        " Explain briefly.",
        " In one sentence.",
    ],
    "es": [" Responde en una frase.", " Gracias.", " Por favor.", " Sé breve."],
}


def reword(question: str, language: str, rng: np.random.Generator) -> str:
    """The question, or one that asks the same. language: "en" or "es"."""
    draw = rng.random(5)
    if draw[0] < 0.35:
        question = _turned(question, rng)
    if draw[1] < 0.07:
        lower = question[0].lower() + question[1:]
        question = _one(BEFORE[language], rng) + (lower if rng.random() < 0.7 else question)
    elif draw[1] < 0.12:
        stop = "" if question[-1] in "?.!" else "."
        question += stop + _one(AFTER[language], rng)
    if draw[2] < 0.18:
        question = question.rstrip("?.!")
    elif draw[2] < 0.28 and question[-1].isalpha():
        question += _one("?.!", rng)
    if draw[3] < 0.15:
        question = question.lower()
    if draw[4] < 0.15:
        question = _without_accents(question)
    return question


def _turned(question: str, rng: np.random.Generator) -> str:
    for form, others in TURNS:
        match = re.fullmatch(form, question)
        if match:
            turned = _one(others, rng).replace("{x}", match["x"])
            return turned[0].upper() + turned[1:]
    return question


def _without_accents(question: str) -> str:
    plain = unicodedata.normalize("NFD", question.lstrip("¿¡"))
    return "".join(c for c in plain if not unicodedata.combining(c))


def _one(items: Sequence[str], rng: np.random.Generator) -> str:
    return items[int(rng.integers(len(items)))]
