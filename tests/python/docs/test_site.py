"""The site of the documentation has what it promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import inferencekey

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def test_the_reference_has_every_public_name_once() -> None:
    """What can be imported is explained, and only that."""
    pages = (page.read_text() for page in sorted((ROOT / "docs" / "reference").glob("*.md")))
    entries = [
        name for page in pages for name in re.findall(r"^::: inferencekey\.(\w+)$", page, re.M)
    ]
    assert sorted(entries) == [name for name in inferencekey.__all__ if name != "__version__"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_headings_and_tables_stand_apart(page: Path) -> None:
    """Where GitHub would do without a blank line, the site makes one table or paragraph of both."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    heading = re.search(r"^[^\n]+\n#+ .*|^#+ .*\n[^\n]+", text, re.M)
    table = re.search(r"^(?!\|)[^\n]+\n\|.*|^\|.*\n(?!\|)[^\n]+", text, re.M)
    for joined in (heading, table):
        assert joined is None, joined
