"""docs/cli.md says what the commands say."""

from __future__ import annotations

import runpy
from pathlib import Path

import click
import pytest

from inferencekey.cli.root import root

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "cli.md").read_text()
COMMANDS = root.list_commands(click.Context(root))


def test_the_help_texts_are_those_of_the_commands() -> None:
    """`make cli-help` renews them."""
    assert runpy.run_path(str(ROOT / "tools" / "cli_help.py"))["renewed"](PAGE) == PAGE


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_every_command(name: str) -> None:
    """A heading, its help and an example."""
    assert f"\n## `{name}`" in PAGE
    assert f"\n$ inferencekey {name} --help\n" in PAGE


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_and_a_summary(name: str) -> None:
    """What a person reads first."""
    command = root.get_command(click.Context(root), name)
    assert command is not None
    assert command.help is not None
    assert f"  inferencekey {name}" in command.help
