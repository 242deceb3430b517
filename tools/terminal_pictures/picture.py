"""A terminal's screen as SVG, which loads nothing from elsewhere."""

from __future__ import annotations

import io
import re

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

# Without the font of another host: whatever monospace font the reader has.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}|<!--.*?-->", "", CONSOLE_SVG_FORMAT, flags=re.S).replace(
    "font-family: Fira Code, monospace", "font-family: ui-monospace, Menlo, Consolas, monospace"
)
THEME = TerminalTheme(
    (24, 27, 31),
    (215, 218, 224),
    [
        (90, 96, 105),
        (240, 113, 120),
        (137, 202, 120),
        (229, 192, 110),
        (97, 175, 239),
        (213, 130, 222),
        (86, 194, 202),
        (215, 218, 224),
    ],
    [
        (125, 132, 142),
        (255, 140, 146),
        (165, 224, 150),
        (242, 213, 145),
        (140, 200, 250),
        (230, 160, 238),
        (120, 215, 222),
        (255, 255, 255),
    ],
)

# pyte's names for the eight colours -> rich's.
COLORS = {"brown": "yellow", "brightbrown": "bright_yellow"}


def svg(screen: pyte.Screen, name: str) -> str:
    """The part of the screen that is written on."""
    lines = [line(screen, row) for row in range(screen.lines)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    console = Console(
        record=True,
        width=screen.columns,
        file=io.StringIO(),
        force_terminal=True,
        legacy_windows=False,
    )
    for text in lines:
        console.print(text, no_wrap=True, crop=True, highlight=False)
    return console.export_svg(title="", theme=THEME, code_format=FORMAT, unique_id=name)


def line(screen: pyte.Screen, row: int) -> Text:
    """One row of the screen with its colours."""
    text = Text()
    for column in range(screen.columns):
        cell = screen.buffer[row][column]
        text.append(
            cell.data,
            Style(
                color=color(cell.fg),
                bgcolor=color(cell.bg),
                bold=cell.bold,
                italic=cell.italics,
                underline=cell.underscore,
                reverse=cell.reverse,
            ),
        )
    text.rstrip()
    return text


def color(name: str) -> str | None:
    """The name that rich has for a colour of pyte."""
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    name = COLORS.get(name, name)
    return (
        name.replace("bright", "bright_") if name.startswith("bright") and "_" not in name else name
    )
