"""`docs/reliability.md` names a test for each promise, and each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"

ROW = re.compile(r"^\| (?P<promise>[^|]+) \| (?P<held_by>[^|]+) \|$", re.MULTILINE)
TEST = re.compile(r"`(?P<file>[\w/.]+)::(?P<name>[^`]+)`")
HEADING = "Promise"

PROMISES = [
    (row["promise"], row["held_by"])
    for row in ROW.finditer(PAGE.read_text())
    if row["promise"] != HEADING
]


def defines(file: Path, name: str) -> bool:
    """Does the file have a function of that name (Python, Rust, C), or a test of that title?"""
    if file.suffix == ".mjs":
        return f'test("{name}", ' in file.read_text()
    return re.search(rf"^\s*(?:[\w*]+ )+\**{name}\(", file.read_text(), re.MULTILINE) is not None


@pytest.mark.parametrize(("promise", "held_by"), PROMISES, ids=[row[0] for row in PROMISES])
def test_each_promise_names_tests_that_exist(promise: str, held_by: str) -> None:
    """A test that was renamed or taken out takes its promise with it."""
    tests = TEST.findall(held_by)
    assert tests, f"no test is named for: {promise}"
    for file, name in tests:
        assert defines(ROOT / file, name), f"{file} has no {name}"


def test_the_page_is_read() -> None:
    """A changed form of the table would leave no row to check."""
    assert len(PROMISES) >= 7
