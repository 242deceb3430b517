"""The runner of pages finds what is not true."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from blocks import blocks, defects
from run_page import Page, compare, conversation

UNTRUE = [
    ("python that raises", "```python\n1 / 0\n```", ZeroDivisionError),
    ("other output", "```python\nprint(1)\n```\n\n```text\n2\n```", SystemExit),
    ("no output", "```python\n```\n\n```text\n2\n```", SystemExit),
    ("a command that fails", "```sh\nfalse\ntrue\n```", SystemExit),
    ("another exit code", "<!-- exits: 2 -->\n```console\n$ exit 3\n```", SystemExit),
    ("a failure that is not said", "```console\n$ false\n$ true\n```", SystemExit),
    ("other output of a command", "```console\n$ echo 1\n2\n```", SystemExit),
    ("broken data", '```json title="a.json"\n{\n```', ValueError),
    ("broken code that is not run", "<!-- not run: x -->\n```sh\nif\n```", SystemExit),
    ("C that does not compile", "```c\nint main(void) { return x; }\n```", SystemExit),
    ("a test that fails", "```python\ndef test_it():\n    assert False\n```", SystemExit),
]

UNMARKED = [
    ("no reason", "<!-- not run: -->\n```sh\nx\n```"),
    ("an unknown language", "```ruby\nx\n```"),
    ("output of nothing", "```text\nx\n```"),
    ("output of what is not run", "<!-- not run: x -->\n```sh\nx\n```\n\n```text\nx\n```"),
    ("a mark that is misspelt", "<!-- notrun: x -->\n```ruby\nx\n```"),
]


@pytest.fixture
def page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """A page in a folder of its own. What it sets in the environment is gone afterwards."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "page.md"
    file.write_text(request.param)
    with mock.patch.dict(os.environ):
        yield file


@pytest.mark.parametrize(
    ("page", "error"),
    [row[1:] for row in UNTRUE],
    ids=[row[0] for row in UNTRUE],
    indirect=["page"],
)
def test_what_is_not_true_is_found(page: Path, error: type[BaseException]) -> None:
    """Each kind of block can fail."""
    with pytest.raises(error):
        Page(page).run()


@pytest.mark.parametrize(
    "page", [row[1] for row in UNMARKED], ids=[row[0] for row in UNMARKED], indirect=True
)
def test_what_is_neither_run_nor_marked_is_found(page: Path) -> None:
    """Nothing slips by."""
    assert list(defects(page))


@pytest.mark.parametrize("page", ["\n\n```python\nx = 1\n```\n"], indirect=True)
def test_a_block_knows_its_line(page: Path) -> None:
    """Tracebacks lead to the page."""
    assert [block.line for block in blocks(page)] == [4]


def test_an_ellipsis_stands_for_what_varies() -> None:
    """Within a line for its rest, alone on a line for any number of them."""
    compare("a 1\nb\nc\nd\n", "a …\n…\nd")
    compare("in 3.2 s at 127.0.0.1:5123", "in 1 s at 127.0.0.1:8400")
    with pytest.raises(SystemExit):
        compare("a\nb", "a…")


def test_a_conversation_is_commands_and_what_they_print() -> None:
    """A command may go over several lines."""
    assert conversation("$ a\nx\ny\n$ b \\\n> c\n$ d") == [
        ("a", "x\ny\n"),
        ("b \\\nc", ""),
        ("d", ""),
    ]
