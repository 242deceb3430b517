"""Aligned columns: whole for a pipe and `awk`, fitted to the width of a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from . import output


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a head. On a terminal that is too narrow long cells end in `…`, those of
    the first column last: it is what other commands need whole."""
    if not output.is_terminal(sys.stdout):
        _write_whole(head, rows)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for index, title in enumerate(head):
        table.add_column(title, no_wrap=True, overflow="ellipsis" if index else "fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(file=sys.stdout, no_color=not output.coloured(sys.stdout), highlight=False).print(table)


def _write_whole(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        output.data("  ".join(cells).rstrip())
