"""Aligned columns: text that a person and `awk` can read, whatever the terminal's width."""

from __future__ import annotations

from collections.abc import Sequence

import click


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a head, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
