"""How many columns of a terminal a text takes, and cutting it to a number of them."""

from __future__ import annotations

import unicodedata

Part = tuple[str, str]
"""A piece of a line, and its style: the number of an SGR sequence, or ""."""

_EMOJI_STYLE = "\N{VARIATION SELECTOR-16}"


def width(line: list[Part]) -> int:
    """Columns of all its pieces."""
    return sum(_of(character) for text, _ in line for character in text)


def fitted(line: list[Part], columns: int, cut: str) -> list[Part]:
    """The line cut to that many columns; `cut` is what stands where something is missing."""
    line = [(text, style) for text, style in line if text]
    if width(line) <= columns:
        return line
    room = columns - width([(cut, "")])
    kept: list[Part] = []
    for text, style in line:
        piece = _start(text, room)
        room -= width([(piece, "")])
        kept.append((piece, style))
        if piece != text:
            break
    return [*kept, (cut, "")] if columns > 0 else []


def _start(text: str, room: int) -> str:
    for index, character in enumerate(text):
        room -= _of(character)
        if room < 0:
            return text[:index]
    return text


def _of(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        # It makes the character before it as wide as an emoji.
        return 1 if character == _EMOJI_STYLE else 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
