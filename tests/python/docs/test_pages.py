"""Everything that the README and the documentation show is true: each page runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from blocks import blocks, defects
from shown import check

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

pytestmark = pytest.mark.timeout(200)


def name(page: Path) -> str:
    """The page as a person would call it."""
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    """A new block cannot slip by."""
    assert list(defects(page)) == []


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page))], ids=name)
def test_the_page_is_true(page: Path, tmp_path: Path) -> None:
    """Its blocks run in order, in a process, a folder and on a platform of their own."""
    for name, place in (("examples", ROOT / "examples"), (".venv", Path(sys.prefix))):
        (tmp_path / name).symlink_to(place)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(Path(__file__).with_name("run_page.py")), str(page)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "INFERENCEKEY_STATE_DIR": str(tmp_path / "state"),
            "NO_COLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    check(done.stdout, done.stderr)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
