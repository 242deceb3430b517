"""A program in a process of its own, under a hard limit: for signals, forks and exits."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shown import check

HERE = Path(__file__).parent

# Flags of a Python that says what is left open.
DEVELOPMENT = ("-X", "dev", "-W", "error")

# For programs with asyncio: in that mode it also tells of steps that take 0.1 s, which they do on a
# machine that is busy.
SAY_NO_SLOWNESS = """
import logging
logging.getLogger("asyncio").setLevel(logging.ERROR)
"""

PREAMBLE = """
import math, os, signal, sys, threading, time
from clients import *
from double import *
from inferencekey import *
"""


class Child(subprocess.Popen[str]):
    """A process that must not print a token."""

    def communicate(self, *arguments: Any, **options: Any) -> tuple[str, str]:
        """Waits for the end; stdout and stderr."""
        out, err = super().communicate(*arguments, **options)
        check(out, err)
        return out, err


@contextlib.contextmanager
def running(program: str, flags: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
    """The program, started; killed with all its children on the way out. `flags` are Python's."""
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    process = Child(
        [sys.executable, "-X", "faulthandler", *flags, "-c", PREAMBLE + program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(
    program: str, *arguments: str, seconds: float = 15.0, flags: Sequence[str] = ()
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the program; `arguments` stand in `ARGS`."""
    with running(f"ARGS = {arguments!r}\n{program}", flags) as process:
        out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err
