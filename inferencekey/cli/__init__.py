"""The command line `inferencekey` (extra `cli`). One file per command; each loads what it needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code (see `exits.py`).

    arguments: without the program's name; None takes those of the process."""
    argv = sys.argv[1:] if arguments is None else list(arguments)
    try:
        from .root import run
    except ModuleNotFoundError as missing:
        if missing.name != "click":
            raise
        # The console script is installed with or without the extra that it needs.
        extra = "local" if argv[:1] == ["local"] else "cli"
        sys.stderr.write(
            "error: the command line needs the package `click`\n\n"
            f'hint: pip install "inferencekey[{extra}]"\n'
        )
        return 1
    return run(argv)
