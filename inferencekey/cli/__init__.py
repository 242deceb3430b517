"""The command line `inferencekey` (extra `cli`). One file per command; each loads what it needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code: 0 done, 1 refused or failed, 2 wrong usage, 130 Ctrl-C.

    arguments: without the program's name; None takes those of the process."""
    try:
        from .root import run
    except ModuleNotFoundError as missing:
        if missing.name != "click":
            raise
        # The console script is installed with or without the extra that it needs.
        sys.stderr.write(
            "error: the command line needs the package `click`\n\n"
            'hint: pip install "inferencekey[local]"\n'
        )
        return 1
    return run(arguments)
