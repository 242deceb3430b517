"""`chat` and `embed`: answers as they are written, and how fast they came."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest
from cli.conftest import Run, cli
from clients import API_KEY, delta
from double import Double, Repeat, Script, Until, answer, chunk, chunked_head, frames, sse

from inferencekey import TextChunk
from inferencekey.cli.meter import Meter

USAGE = {"id": "c1", "choices": [], "usage": {"completion_tokens": 7}}
WHOLE = sse(delta("Hel"), delta("lo"), delta(None, "stop"), USAGE, "[DONE]")

Start = Callable[..., Double]


@pytest.fixture
def platform(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a double with a script, and name it in the environment."""
    started: list[Double] = []

    def start(*scripts: Script) -> Double:
        double = Double(*scripts).__enter__()
        started.append(double)
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", double.url)
        monkeypatch.setenv("INFERENCEKEY_PROJECT", "acme")
        monkeypatch.setenv("INFERENCEKEY_API_KEY", API_KEY)
        return double

    yield start
    for double in started:
        double.__exit__()


def test_chat_prints_the_answer_and_how_fast_it_came(platform: Start, run: Run) -> None:
    """The answer alone goes to stdout; the platform's own count of tokens is told on stderr."""
    double = platform(WHOLE)
    done = run("chat", "bot", "Hi", "--system", "Be brief.", "--max-tokens", "9")
    assert (done.returncode, done.stdout) == (0, "Hello\n")
    assert done.stderr.startswith("7 tokens · ")
    assert "first token after" in done.stderr
    (request,) = double.journal.requests
    assert json.loads(request.body) == {
        "model": "bot",
        "stream": True,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "max_tokens": 9,
    }


def test_chat_streams_as_it_arrives(platform: Start) -> None:
    """The first piece is on stdout before the platform has written the second."""
    seen = threading.Event()
    platform([chunked_head(), chunk(frames(delta("Hel"))), Until(seen),
              chunk(frames(delta("lo"), delta(None, "stop"), "[DONE]")), b"0\r\n\r\n"])  # fmt: skip
    with subprocess.Popen(cli("chat", "bot", "Hi"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert os.read(process.stdout.fileno(), 100) == b"Hel"
        seen.set()
        assert process.stdout.read() == b"lo\n"
    assert process.returncode == 0


def test_chat_reads_the_question_from_a_pipe(platform: Start) -> None:
    """Without a prompt standard input is the question."""
    double = platform(WHOLE)
    done = subprocess.run(
        cli("chat", "bot"), input="one\ntwo\n", capture_output=True, text=True, timeout=15
    )
    assert done.stdout == "Hello\n"
    (request,) = double.journal.requests
    assert json.loads(request.body)["messages"] == [{"role": "user", "content": "one\ntwo\n"}]


def test_chat_as_json_is_one_object(platform: Start, run: Run) -> None:
    """Text, model and speed, for programs."""
    platform(WHOLE)
    done = run("chat", "bot", "Hi", "--json")
    shown = json.loads(done.stdout)
    assert (shown["text"], shown["model"], shown["tokens"]) == ("Hello", "m-1", 7)
    assert set(shown) == {"text", "model", "finish_reason", "usage", "tokens", "seconds",
                          "first_token_seconds", "tokens_per_second"}  # fmt: skip
    assert done.stderr == ""


def test_a_cut_answer_is_an_error_and_its_text_stays(platform: Start, run: Run) -> None:
    """What came is printed, on a line of its own; the exit code says that it is not all."""
    platform(sse(delta("Hel")))
    done = run("chat", "bot", "Hi")
    assert (done.returncode, done.stdout) == (1, "Hel\n")
    assert "[stream_truncated]" in done.stderr


def test_a_conversation_remembers_and_survives_an_error(platform: Start) -> None:
    """On a terminal questions follow each other; one that fails is taken back."""
    double = platform(WHOLE, answer({"error": "out of order"}, 500), WHOLE)
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb+", buffering=0) as terminal:
        process = subprocess.Popen(
            cli("chat", "bot", "--timeout", "10"), stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        shown = b""
        for line, expected in ((b"a", b"tokens"), (b"b", b"error:"), (b"c", b"tokens")):
            while not shown.endswith(b"> "):
                shown += terminal.read(1000)
            terminal.write(line + b"\n")
            shown = b""
            while expected not in shown:
                shown += terminal.read(1000)
        while not shown.endswith(b"> "):
            shown += terminal.read(1000)
        terminal.write(b"\x04")
        assert process.wait(10) == 0
    said = [json.loads(request.body)["messages"] for request in double.journal.requests]
    assert [message["content"] for message in said[-1]] == ["a", "Hello", "c"]


def test_a_terminal_gets_no_control_sequences_of_the_model(platform: Start) -> None:
    """What a model writes moves no cursor and sets no title; a pipe gets it as it is."""
    platform(*[sse(delta("a\x1b]0;x\x07b\n"), delta(None, "stop"), "[DONE]")] * 2)
    piped = subprocess.run(cli("chat", "bot", "Hi"), capture_output=True, timeout=15, check=True)
    assert piped.stdout == b"a\x1b]0;x\x07b\n"
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        subprocess.run(
            cli("chat", "bot", "Hi"),
            stdout=theirs,
            stderr=subprocess.DEVNULL,
            timeout=15,
            check=True,
        )
        os.close(theirs)
        assert terminal.read(1000) == b"a ]0;x b\r\n"


def test_embed_shows_the_beginning_of_each_embedding(platform: Start, run: Run) -> None:
    """A line per text; with `--json` all numbers."""
    body = {
        "model": "e-1",
        "data": [
            {"index": 0, "embedding": [0.5, -1, 0.25, 0, 2]},
            {"index": 1, "embedding": [1, 1, 1, 1, 1]},
        ],
    }
    platform(answer(body), answer(body))
    done = run("embed", "embedder", "a cat", "a\ndog")
    assert done.stdout == (
        "[+0.500, -1.000, +0.250, +0.000, …]  5 numbers  a cat\n"
        "[+1.000, +1.000, +1.000, +1.000, …]  5 numbers  a dog\n"
    )
    shown = json.loads(run("embed", "embedder", "a cat", "a dog", "--json").stdout)
    assert shown["model"] == "e-1"
    assert shown["embeddings"][0] == [0.5, -1, 0.25, 0, 2]


METER = [
    # times of the request and of each chunk, chunks, what is said
    ("pieces are counted where nobody counts tokens", [0, 0.5, 1, 1.5],
     [TextChunk("a"), TextChunk("b"), TextChunk("c", "stop")],
     "about 3 tokens · 2.0 tokens/s · first token after 0.50 s"),
    ("usage counts where it is told", [0, 1, 2, 2],
     [TextChunk("a"), TextChunk("b"), TextChunk("", "stop", {"usage": {"completion_tokens": 21}})],
     "21 tokens · 20.0 tokens/s · first token after 1.00 s"),
    ("one piece has no speed", [0, 1], [TextChunk("a", "stop")],
     "about 1 token · first token after 1.00 s"),
    ("another end than the model's own is named", [0, 1, 2],
     [TextChunk("a"), TextChunk("b", "length")],
     "about 2 tokens · 1.0 tokens/s · first token after 1.00 s · ended by length"),
    ("nothing came", [0], [], "about 0 tokens"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("times", "chunks", "said"), [c[1:] for c in METER], ids=[c[0] for c in METER]
)
def test_how_fast_an_answer_came(times: list[float], chunks: list[TextChunk], said: str) -> None:
    """Tokens per second are those of writing; the wait for the first one is told apart."""
    clock = iter(times)
    meter = Meter(lambda: next(clock))
    for piece in chunks:
        meter.take(piece)
    assert str(meter) == said


def test_the_timeout_is_that_of_the_whole_call(platform: Start, run: Run) -> None:
    """Also of an answer that never stops."""
    platform([chunked_head(), Repeat(chunk(frames(delta("a"))), pause=0.05)])
    done = run("chat", "bot", "Hi", "--timeout", "1")
    assert (done.returncode, "[timeout_total]" in done.stderr) == (1, True), done.stderr
    assert done.stdout.startswith("aa")
