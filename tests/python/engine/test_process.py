"""The engine as a process: how it starts, ends, and what it says when it cannot serve."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inferencekey.local.models import TEXT

from .engine_process import running, start

EXIT_LIMIT = 15.0


def test_a_served_name_is_in_every_answer() -> None:
    """The platform names a stand-in openly; the engine repeats the name as it was given."""
    name = "inferencekey-tiny (stand-in for gemma)"
    with running("--model", str(TEXT.path), "--served-model-name", name) as engine:
        assert engine.chat("Hola").json["model"] == name
        assert all(c["model"] == name for c in engine.chat("Hola", stream=True).chunks)
        assert engine.send("GET", "/v1/models").json["data"][0]["id"] == name


def test_a_gguf_is_served_under_its_file_name(tmp_path: Path) -> None:
    """Any path will do, with spaces too."""
    copy = shutil.copy(TEXT.path, tmp_path / "my model.gguf")
    with running("--model", str(copy)) as engine:
        assert engine.chat("Hola").json["model"] == "my model"


@pytest.mark.parametrize(
    ("bundled", "given", "threads"),
    [(True, None, "1"), (True, "3", "3"), (False, None, None)],
    ids=["a bundled model", "somebody chose", "a model of the user"],
)
def test_a_bundled_model_computes_on_one_thread(
    tmp_path: Path, bundled: bool, given: str | None, threads: str | None
) -> None:
    """More only wait for each other, and on a busy machine an answer takes seconds."""
    path = TEXT.path if bundled else shutil.copy(TEXT.path, tmp_path)
    program = (
        "import os, sys; from pathlib import Path; from inferencekey.local.engine import runner; "
        "runner.load(Path(sys.argv[1]), temperature=0.0); print(os.getenv('RAYON_NUM_THREADS'))"
    )
    environment = {k: v for k, v in os.environ.items() if k != "RAYON_NUM_THREADS"}
    if given:
        environment["RAYON_NUM_THREADS"] = given
    command = [sys.executable, "-c", program, str(path)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=EXIT_LIMIT
    )
    assert done.stdout.strip() == str(threads)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_engine_at_once(number: signal.Signals) -> None:
    """Also while a connection is open and a stream is unread."""
    with running("--model", "tiny") as engine:
        connection = engine.connect()
        body = b'{"messages": [{"role": "user", "content": "Hola"}], "stream": true}'
        connection.request("POST", "/v1/chat/completions", body)
        began = time.monotonic()
        engine.process.send_signal(number)
        assert engine.process.wait(EXIT_LIMIT) == -number
        assert time.monotonic() - began < 2.0
        connection.close()


def _last_words(*arguments: str) -> tuple[int, str]:
    with start(*arguments) as process:
        _, errors = process.communicate(timeout=EXIT_LIMIT)
        return process.returncode, errors.splitlines()[-1]


def test_a_missing_model_ends_with_its_path(tmp_path: Path) -> None:
    """One line, no stack trace, exit code 1."""
    code, words = _last_words("--model", str(tmp_path / "none.gguf"))
    assert code == 1
    assert f"error: there is no model at {tmp_path / 'none.gguf'}" in words


def test_a_file_that_is_no_model_ends_with_the_cause(tmp_path: Path) -> None:
    """The library's own words, first line only."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    code, words = _last_words("--model", str(broken))
    assert code == 1
    assert f"error: mistralrs cannot load {broken}: " in words


def test_a_taken_port_ends_with_the_address() -> None:
    """Known before the model is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, words = _last_words("--model", "tiny", "--port", str(port))
    assert code == 1
    assert f"error: cannot listen on 127.0.0.1:{port}: " in words
