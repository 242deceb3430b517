"""The code blocks of a page, and how each of them is to be treated.

A block runs, is compared with what the block before it printed, or carries a mark that says why
not. A mark is a comment directly above the block, which readers of the page do not see:

    <!-- not run: REASON -->    parsed only
    <!-- notation: REASON -->   neither run nor parsed: signatures, other languages
    <!-- exits: 2 -->           the exit code of its last command
    <!-- output -->             what the block before it printed, in a language other than `text`
    <!-- before: python         code for the next block that would bore readers
    bot = … -->

A comment between the paragraphs says what a reader of the page already has:

    <!-- given: support-bot embedder -->    ready workloads of the bundled models

A block with a `title="NAME"` is a file of that name: it is written where the page's programs run,
and what is no program is at least parsed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

RUN = ("python", "sh", "console", "c")
PARSED = ("yaml", "toml", "json")
ELSEWHERE = ("ts",)
"""bindings/typescript/test/docs.test.mjs runs them."""
OUTPUT = "text"
GIVEN = "given"

_MARK = re.compile(
    r"<!-- (?P<kind>not run|notation|exits|output|before|given)(?:: (?P<value>.*?))?\s*-->\s*", re.S
)
_TAB, _INDENT = re.compile(r'=== "[^"]+"'), "    "
_TITLE = re.compile(r'\btitle="(?P<title>[^"]+)"')


@dataclass(frozen=True)
class Block:
    """One block. line: that of its first line in the page, from 1. mark, value: see above."""

    language: str
    code: str
    line: int
    title: str | None = None
    mark: str | None = None
    value: str = ""

    @property
    def runs(self) -> bool:
        """Is it a program that is to be run?"""
        return self.language in RUN and self.mark in (None, "exits")

    @property
    def expected(self) -> bool:
        """Is it the output of the block before it?"""
        return self.mark == "output" or (self.language == OUTPUT and self.mark is None)


def blocks(page: Path) -> Iterator[Block]:
    """All blocks in order; hidden code comes as a block of its own."""
    mark, value = None, ""
    for token in MarkdownIt("commonmark").parse(_untabbed(page.read_text(encoding="utf-8"))):
        first = token.map[0] + 1 if token.map else 0
        if token.type == "fence":
            language, _, rest = token.info.strip().partition(" ")
            title = _TITLE.search(rest)
            yield Block(language, token.content, first + 1, title and title["title"], mark, value)
        found = _MARK.fullmatch(token.content) if token.type == "html_block" else None
        mark, value = (found["kind"], found["value"] or "") if found else (None, "")
        if mark in ("before", "given"):
            language, _, code = value.partition("\n") if mark == "before" else (GIVEN, "", value)
            yield Block(language, code, first + 1)
            mark, value = None, ""


def _untabbed(text: str) -> str:
    """The content of `=== "Python"` and the like, which the site shows as tabs, without its indent.
    Every line stays where it is."""
    lines, in_tab = [], False
    for line in text.split("\n"):
        if _TAB.fullmatch(line):
            in_tab = True
            lines.append("")
            continue
        in_tab = in_tab and (line.startswith(_INDENT) or not line.strip())
        lines.append(line.removeprefix(_INDENT) if in_tab else line)
    return "\n".join(lines)


def defects(page: Path) -> Iterator[str]:
    """What keeps the page from being held to its word, one sentence for each block."""
    runs = False
    for block in blocks(page):
        if block.mark in ("not run", "notation") and not block.value:
            yield f"{page.name}:{block.line}: the mark gives no reason"
        if block.expected and not runs:
            yield f"{page.name}:{block.line}: output, but the block before it is not run"
        known = block.language in (*RUN, *PARSED, *ELSEWHERE, OUTPUT, GIVEN, "")
        if not known and block.mark != "notation":
            yield f"{page.name}:{block.line}: `{block.language}` is neither run nor marked"
        if block.language != GIVEN:
            runs = block.runs
