"""Count the wordings whose taught sentence comes: `python tools/tiny_model/score.py`.

Needs the extra `local`: the bundled engine answers, at temperature 0. Prints what came otherwise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import corpus as corpus_files

from inferencekey.local.engine import bodies, runner
from inferencekey.local.models import TEXT


def answer(model: runner.Model, question: str) -> str:
    """The whole text that the model gives."""
    body = {"messages": [{"role": "user", "content": question}], "temperature": 0}
    pieces = model.generate(bodies.chat(body))
    return "".join(piece.text for piece in iter(pieces.next, None))


def main() -> None:
    """Ask every wording, print the count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=TEXT.path, help="the GGUF file to ask")
    model = runner.load(parser.parse_args().model, temperature=0.0)
    taught = [(question, e.answer) for e in corpus_files.load().entries for question in e.questions]
    right = 0
    for question, sentence in taught:
        said = answer(model, question)
        right += said == sentence
        if said != sentence:
            print(f"{question}\n    taught: {sentence}\n    said:   {said}")
    print(f"{right} of {len(taught)} wordings")


if __name__ == "__main__":
    main()
