"""Renews the help texts in docs/cli.md: each block that begins with `$ inferencekey … --help`.

python tools/cli_help.py
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from click.testing import CliRunner

from inferencekey.cli.root import root

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
BLOCK = re.compile(
    r"(?P<begin>```console\n\$ inferencekey (?P<arguments>[^\n]*--help)\n).*?```", re.S
)


def renewed(page: str) -> str:
    """The page with the help that the commands give now, 80 columns wide."""
    return BLOCK.sub(lambda block: f"{block['begin']}{help_of(block['arguments'])}```", page)


def help_of(arguments: str) -> str:
    """What `inferencekey ARGUMENTS` prints."""
    done = CliRunner().invoke(
        root, shlex.split(arguments), prog_name="inferencekey", terminal_width=80, color=False
    )
    return done.stdout


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
