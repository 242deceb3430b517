"""What holds for every command: where output goes, exit codes, how a failure is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from cli.conftest import Run, cli

TOKEN = "ik_sdk_12345678_" + "0" * 64

WRONG_USAGE = [
    # arguments, what is wrong, whose help
    (["nope"], "No such command 'nope'", "inferencekey"),
    (["ls", "--jso"], "No such option '--jso'. Did you mean '--json'?", "inferencekey ls"),
    (["ls", "x"], "Got unexpected extra argument (x)", "inferencekey ls"),
    (["ls", TOKEN], "Got unexpected extra argument (ik_sdk_12345678…)", "inferencekey ls"),
    (["ls", f"--sdk-token={TOKEN}"], "No such option '--sdk-token'", "inferencekey ls"),
    (["get"], "Missing argument 'SLUG'", "inferencekey get"),
    (["wait"], "Missing argument 'SLUG...'", "inferencekey wait"),
    (["wait", "bot", "--timeout", "long"],
     "Invalid value for '--timeout': 'long' is not a valid float", "inferencekey wait"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message", "path"), WRONG_USAGE, ids=[message for _, message, _ in WRONG_USAGE]
)
def test_wrong_usage_is_an_error_and_no_pending_change(
    run: Run, arguments: list[str], message: str, path: str
) -> None:
    """Exit code 1: 2 and 3 have a meaning of their own. Nothing on stdout, and no token."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {message}\n\nhint: see `{path} --help`\n"


@pytest.mark.parametrize(
    ("arguments", "code", "name"),
    [
        (["ls", "--json"], "missing_token", "ConfigurationError"),
        (["ls", "--json", "--jso"], "usage", "NoSuchOption"),
        (["local", "status", "--json", "--data-dir", "/nowhere"], "local_platform", "LocalError"),
    ],
)
def test_with_json_a_failure_is_one_object_on_stderr(
    run: Run, arguments: list[str], code: str, name: str
) -> None:
    """One line with a fixed set of keys; stdout stays empty."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    error = json.loads(done.stderr)["error"]
    assert (error["code"], error["class"]) == (code, name)
    assert set(error) == {
        "class",
        "code",
        "message",
        "hint",
        "field",
        "status",
        "operation",
        "host",
        "request_id",
        "retryable",
    }


def test_only_the_local_platform_needs_its_extra() -> None:
    """`inferencekey[cli]` brings click and rich, and neither aiohttp nor an engine."""
    program = (
        "import sys\n"
        "for name in ('aiohttp', 'multidict', 'yarl', 'mistralrs'): sys.modules[name] = None\n"
        "from inferencekey.cli import main; sys.exit(main(['ls']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=15, check=False
    )
    assert "no control token" in done.stderr


def test_help_loads_neither_rich_nor_the_core() -> None:
    """Help and completion are there at once."""
    program = (
        "import sys; from inferencekey.cli import main; main(['--help'])\n"
        "print([name for name in ('rich', 'aiohttp', 'inferencekey._native') "
        "if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=15, check=False
    )
    assert done.stderr == "[]\n"


def test_a_reader_that_leaves_early_ends_it_quietly() -> None:
    """`inferencekey … | head` prints no complaint."""
    ours, theirs = os.pipe()
    os.close(ours)
    with open(theirs, "wb") as pipe:
        done = subprocess.run(
            cli("--help"), stdout=pipe, stderr=subprocess.PIPE, timeout=15, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")
