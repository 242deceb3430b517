"""`inferencekey embed`: texts to rows of numbers."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from . import options, output
from .slug import argument

SHOWN = 4
"""Numbers of an embedding that a person gets to see."""
SHOWN_CHARACTERS = 60


@click.command("embed", cls=options.Command)
@argument
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@options.as_json
@options.connection
def command(
    slug: str, texts: tuple[str, ...], as_json: bool, connection: options.Connection
) -> None:
    """Embed each TEXT with the model of workload SLUG; without any, each line of standard input.

    The data key is that of INFERENCEKEY_API_KEY. `--json` prints all numbers:
    {"model", "embeddings", "usage", "request_id"}.

    \b
    Examples:
      inferencekey embed embedder "a cat" "a dog"
      inferencekey embed embedder --json < lines.txt
    """
    if not texts and output.interactive():
        raise click.UsageError("give at least one TEXT, or lines on standard input")
    inputs = list(texts) or sys.stdin.read().splitlines()
    with connection.data() as client:
        result = client.endpoint(slug).embed(input=inputs)
    if as_json:
        output.data_json(
            {
                "model": result.model,
                "embeddings": result.embeddings,
                "usage": asdict(result.usage) if result.usage else None,
                "request_id": result.request_id,
            }
        )
        return
    for text, numbers in zip(inputs, result.embeddings, strict=True):
        start = ", ".join(f"{number:+.3f}" for number in numbers[:SHOWN])
        more = ", …" if len(numbers) > SHOWN else ""
        output.data(f"[{start}{more}]  {len(numbers)} numbers  {_line(text)}")


def _line(text: str) -> str:
    """The beginning of a text, on one line."""
    words = " ".join(text.split())
    return words if len(words) <= SHOWN_CHARACTERS else f"{words[: SHOWN_CHARACTERS - 1]}…"
