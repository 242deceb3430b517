"""Aligned columns: whole for a pipe and `awk`, fitted to the width of a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence

import click
from rich.cells import cell_len, set_cell_size

from . import output

_GAP = "  "
_NARROWEST = 8


def write_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    colours: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Print rows under a head. On a terminal that is too narrow the longest cells end in `…`.

    colours: of cells, by the head of their column and their text.
    """
    widths = [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)]
    if output.is_terminal(sys.stdout):
        columns = shutil.get_terminal_size().columns
        widths = fitted(widths, columns - len(_GAP) * (len(widths) - 1))
    for row in (head, *rows):
        cells = [cut(cell, width) for cell, width in zip(row, widths, strict=True)]
        last = len(cells) - 1
        cells[last] = cells[last].rstrip()
        if row is head:
            cells = [click.style(cell, bold=True) for cell in cells]
        elif colours:
            tints = (
                colours.get(title, {}).get(cell) for title, cell in zip(head, row, strict=True)
            )
            cells = [click.style(cell, fg=tint) for cell, tint in zip(cells, tints, strict=True)]
        output.data(_GAP.join(cells))


def fitted(widths: Sequence[int], room: int) -> list[int]:
    """The widths, where the widest give way until all fit.

    The first column gives way half as soon: other commands take what stands there.
    """
    widths = list(widths)
    while sum(widths) > room and max(widths) > _NARROWEST:
        widest = max(range(len(widths)), key=lambda at: widths[at] / (1 if at else 2))
        if widths[widest] <= _NARROWEST:
            widest = widths.index(max(widths))
        widths[widest] -= 1
    return widths


def cut(text: str, width: int) -> str:
    """The text in exactly that many cells of a terminal; some characters take two."""
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip() + "…"
    return set_cell_size(text, width)
