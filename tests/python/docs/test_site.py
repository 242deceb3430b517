"""The site of the documentation has what it promises."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import inferencekey

ROOT = Path(__file__).parents[3]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.svg"))


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
    text = re.sub(r"^(```+).*?^\1$", "", page.read_text(), flags=re.M | re.S)
    heading = re.search(r"^[^\n]+\n#+ .*|^#+ .*\n[^\n]+", text, re.M)
    table = re.search(r"^(?!\|)[^\n]+\n\|.*|^\|.*\n(?!\|)[^\n]+", text, re.M)
    for joined in (heading, table):
        assert joined is None, joined


def test_each_picture_is_of_a_scene_and_shown() -> None:
    """`make pictures` takes them all; none is made by hand, left over or forgotten."""
    scenes = runpy.run_path(str(ROOT / "tools" / "terminal_pictures" / "scenes.py"))["SCENES"]
    taken = {picture.stem for picture in (ROOT / "docs" / "pictures").glob("*.svg")}
    shown = {
        name
        for page in PAGES
        for name in re.findall(r"!\[[^\]]+\]\((?:\.\./)*pictures/(\w+)\.svg\)", page.read_text())
    }
    assert taken == shown == {scene.name for scene in scenes}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_loads_nothing_and_tells_no_secret(picture: Path) -> None:
    """Neither fonts of another host, nor a whole token, nor a folder of the machine."""
    text = picture.read_text()
    assert set(re.findall(r"https?://[^\s\"'&<]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"ik_(sdk|live)_\w{8}_|/tmp/|/root/|/home/", text)
