"""Makes Markdown of our docstrings, for the reference of the site.

An extension of griffe, which reads the sources for mkdocstrings. Our docstrings have one line
`name: meaning` for each parameter or field, and continue it indented: these become lists. Lines
that are a call become code, sections of wire.md links.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from griffe import Docstring, Extension, Object
from markdown.extensions.toc import slugify

WIRE = Path(__file__).parents[2] / "docs" / "wire.md"
HEADING = re.compile(r"^#+ (?P<number>\d+(?:\.\d+)?)\.? .*$", re.M)
SECTION = re.compile(r"wire\.md (?P<number>\d+(?:\.\d+)?)")
EXAMPLE = re.compile(r"^[\w.]+\(.*\) *(#.*)?$")
ENTRY = re.compile(r"^(?P<names>\w+(?:, \w+)*): ")

# Section of wire.md -> the identifier of its heading.
ANCHORS = {
    heading["number"]: slugify(heading[0].lstrip("# "), "-")
    for heading in HEADING.finditer(WIRE.read_text(encoding="utf-8"))
}


class Docstrings(Extension):
    """Rewrites every docstring."""

    def on_object(self, *, obj: Object, **kwargs: Any) -> None:
        """Called for each module, class, function and attribute when it has been read."""
        if obj.docstring:
            text = SECTION.sub(linked, listed(obj.docstring.value))
            obj.docstring = Docstring(text, lineno=obj.docstring.lineno, parent=obj)


def listed(docstring: str) -> str:
    """The docstring with its entries as a list."""
    lines: list[str] = []
    in_list = False
    for line in docstring.splitlines():
        entry = ENTRY.match(line)
        was_in_list, in_list = in_list, bool(entry) or (in_list and line.startswith(" "))
        if in_list != was_in_list:
            lines.append("")  # Markdown wants one around a list.
        if entry:
            line = f"- `{entry['names']}`: {line[entry.end() :]}"
        lines.append("    " + line if EXAMPLE.match(line) else line)
    return "\n".join(lines)


def linked(section: re.Match[str]) -> str:
    """A link to the section of wire.md, if there is one of that number."""
    anchor = ANCHORS.get(section["number"])
    return f"[{section[0]}][{anchor}]" if anchor else section[0]
