"""Rules without I/O: slugs, command lines, bodies, logs, the order of phases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inferencekey.local import LocalError, Platform
from inferencekey.local.engine_log import FILE_BYTES, EngineLog
from inferencekey.local.engines import argv_for, env_for, resolve
from inferencekey.local.json_edit import replace_value
from inferencekey.local.phases import NEXT_PHASES, TERMINAL, Timings, may_follow
from inferencekey.local.slug import canonical, free_slug
from inferencekey.local.types import Address, Workload

SLUGS = [  # wire.md 2.4
    ("support-bot", "support-bot"),
    ("  My Slug__X ", "my-slug-x"),
    ("a__b..c", "a-b-c"),
    ("Ünï Çode 日本 x", "n-ode-x"),
    ("İstanbul", "stanbul"),
    ("Gemma 4 26B (llama.cpp / GGUF) on R9700", "gemma-4-26b-llama-cpp-gguf-on-r9700"),
    ("a" * 300, "a" * 300),
]
REFUSED_SLUGS = [
    "---",
    "",
    "日本",
    "../x",
    "a/./b",
    "..\\x",
    "..%2fx",
    "a?b",
    "a#b",
    "a\r\nb",
    "a\0b",
]


@pytest.mark.parametrize(("text", "slug"), SLUGS)
def test_slugs_are_canonical(text: str, slug: str) -> None:
    """The table of wire.md 2.4, and canonical slugs stay as they are."""
    assert canonical(text) == slug
    assert canonical(slug) == slug


@pytest.mark.parametrize("text", REFUSED_SLUGS)
def test_slugs_are_refused(text: str) -> None:
    """What could leave its path segment, and what leaves nothing."""
    with pytest.raises(ValueError, match=r"may not contain|needs at least"):
        canonical(text)


def test_a_free_slug_is_the_first_that_is_free() -> None:
    """Gaps are filled; the wanted one comes first."""
    assert free_slug("a", {"b"}.__contains__) == "a"
    assert free_slug("a", {"a", "a-1", "a-3"}.__contains__) == "a-2"


ADDRESS = Address("127.0.0.1", 5000)
ADDED = ["--host", "127.0.0.1", "--port", "5000"]
COMMANDS = [
    # name, backend, task type, model, command, argv
    ("command as written", "vllm", "text2text", "m", "echo 'a b' $X *",
     ["echo", "a b", "$X", "*", *ADDED]),
    ("port given", "vllm", "text2text", "m", "echo --port 1",
     ["echo", "--port", "1", "--host", "127.0.0.1"]),
    ("both given", "vllm", "text2text", "m", "echo --port=1 --host=h",
     ["echo", "--port=1", "--host=h"]),
    ("vllm", "vllm", "text2text", "m", None, ["vllm", "serve", "m", *ADDED]),
    ("vllm-omni", "vllm-omni", "omni", "m", None, ["vllm", "serve", "m", "--omni", *ADDED]),
    ("sglang", "sglang", "text2text", "m", None, ["sglang", "serve", "--model-path", "m", *ADDED]),
    ("sglang embedding", "sglang", "embedding", "m", None,
     ["sglang", "serve", "--model-path", "m", "--is-embedding", *ADDED]),
    ("llama.cpp repository", "llamacpp", "text2text", "org/m:Q4", None,
     ["llama-server", "--hf-repo", "org/m:Q4", *ADDED]),
    ("llama.cpp file", "llamacpp", "embedding", "m.gguf", None,
     ["llama-server", "--model", "m.gguf", "--embedding", "--pooling", "last", *ADDED]),
    ("llama.cpp reranker", "llamacpp", "reranker", "m.gguf", None,
     ["llama-server", "--model", "m.gguf", "--reranking", "--pooling", "rank", *ADDED]),
    ("stable-diffusion.cpp", "stablediffusioncpp", "text2image", "m", None,
     ["sd-server", "--model", "m", "--listen-ip", "127.0.0.1", "--listen-port", "5000"]),
    ("ollama", "ollama", "text2text", "m", None, ["ollama", "serve"]),
    ("own backend with a command", "mine", "text2text", "m", "echo x", ["echo", "x", *ADDED]),
]  # fmt: skip


@pytest.fixture
def engines_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every engine's program is there, none of them is run."""
    for name in ("vllm", "sglang", "llama-server", "sd-server", "ollama", "echo"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("engines_on_path")
@pytest.mark.parametrize(
    ("backend", "task_type", "model", "command", "argv"),
    [case[1:] for case in COMMANDS],
    ids=[case[0] for case in COMMANDS],
)
def test_command_lines(
    backend: str, task_type: str, model: str, command: str | None, argv: list[str]
) -> None:
    """What is run for a spec: its command with host and port, or the backend's own way."""
    engine = resolve(workload(backend, task_type, model, command))
    assert argv_for(engine, ADDRESS) == argv
    assert (env_for(engine, ADDRESS).get("OLLAMA_HOST") == "127.0.0.1:5000") == (
        backend == "ollama"
    )


STAND_INS = [
    # name, task type, model, bundled model, name in the answer
    ("text", "text2text", "google/gemma", "tiny", "inferencekey-tiny (stand-in for google/gemma)"),
    ("embedding", "embedding", "bge", "tiny-embed", "inferencekey-tiny-embed (stand-in for bge)"),
]


@pytest.mark.parametrize(
    ("task_type", "model", "bundled", "name"),
    [case[1:] for case in STAND_INS],
    ids=[case[0] for case in STAND_INS],
)
@pytest.mark.parametrize("command", [None, "vllm serve x"])
def test_stand_ins(
    monkeypatch: pytest.MonkeyPatch,
    task_type: str,
    model: str,
    bundled: str,
    name: str,
    command: str | None,
) -> None:
    """A missing engine is replaced if that was asked for, under a name that says so."""
    monkeypatch.setenv("PATH", "/nowhere")
    spec = workload("vllm", task_type, model, command)
    engine = resolve(spec, stand_in=True)
    assert engine.stand_in == name
    assert engine.argv[-4:] == ("--model", bundled, "--served-model-name", name)
    with pytest.raises(LocalError, match=r"pip install vllm.*--stand-in"):
        resolve(spec)


@pytest.mark.parametrize("stand_in", [True, False])
@pytest.mark.parametrize(
    ("model", "bundled"), [("inferencekey-tiny", "tiny"), ("inferencekey-tiny-embed", "tiny-embed")]
)
def test_the_bundled_model_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch, model: str, bundled: str, stand_in: bool
) -> None:
    """Asked for by name it is nobody's stand-in."""
    monkeypatch.setenv("PATH", "/nowhere")
    task_type = "embedding" if model.endswith("embed") else "text2text"
    engine = resolve(workload("llamacpp", task_type, model, None), stand_in=stand_in)
    assert engine.stand_in is None
    assert engine.argv[-4:] == ("--model", bundled, "--served-model-name", model)


MISFITS = [
    # model, task type, the whole refusal
    ("inferencekey-tiny", "embedding",
     "the model `inferencekey-tiny` does text2text, omni, and the spec's task_type is embedding "
     "(change the spec's model or task_type; for embedding there is `inferencekey-tiny-embed`)"),
    ("inferencekey-tiny", "text2image",
     "the model `inferencekey-tiny` does text2text, omni, and the spec's task_type is text2image "
     "(change the spec's model or task_type)"),
    ("inferencekey-tiny-embed", "text2text",
     "the model `inferencekey-tiny-embed` does embedding, and the spec's task_type is text2text "
     "(change the spec's model or task_type; for text2text there is `inferencekey-tiny`)"),
    ("inferencekey-tinny", "text2text",
     "no bundled model is called `inferencekey-tinny` "
     "(there are `inferencekey-tiny` and `inferencekey-tiny-embed`)"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "task_type", "words"), MISFITS)
@pytest.mark.parametrize("stand_in", [True, False])
def test_bundled_models_are_not_asked_for_what_they_cannot_do(
    model: str, task_type: str, words: str, stand_in: bool
) -> None:
    """A task that the model does not do, or a mistyped name, is refused before anything starts."""
    with pytest.raises(LocalError) as refused:
        resolve(workload("llamacpp", task_type, model, None), stand_in=stand_in)
    assert str(refused.value) == words


@pytest.mark.parametrize("stand_in", [True, False])
def test_a_file_is_served_whatever_its_name(tmp_path: Path, stand_in: bool) -> None:
    """A file is not a bundled model, whatever its name begins with."""
    file = tmp_path / "inferencekey-own.gguf"
    file.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        named = resolve(workload("llamacpp", "text2text", file.name, None), stand_in=stand_in)
    assert file.name in named.argv


@pytest.mark.parametrize("stand_in", [True, False])
def test_nothing_stands_in_for_images(monkeypatch: pytest.MonkeyPatch, stand_in: bool) -> None:
    """A text model in place of an image model would be ready and refuse every call."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(LocalError, match="no bundled model can stand in for text2image") as refused:
        resolve(workload("stablediffusioncpp", "text2image", "m", None), stand_in=stand_in)
    assert "--stand-in" not in str(refused.value)


def workload(backend: str, task_type: str, model: str, command: str | None) -> Workload:
    """A stored workload."""
    unset = dict.fromkeys(("description", "worker_id", "gpu_resource_id"))
    return Workload(
        id="wl_1", project_id="proj_1", project_slug="acme", slug="bot", name="Bot",
        task_type=task_type, backend=backend, model_name=model,
        config={"command": command} if command else None,
        execution_policy=None, execution_policy_config=None, created_at="", updated_at="", **unset,
    )  # fmt: skip


EDITS = [
    ('{"model":"a"}', '{"model":"X"}'),
    ('{ "b" : {"model":1}, "model" :\n null , "c":[1.0]}',
     '{ "b" : {"model":1}, "model" :\n "X" , "c":[1.0]}'),
    ('{"model":{"a":1},"model":2}', '{"model":"X","model":"X"}'),
    ("{}", '{"model":"X"}'),
    (' { "a":1}', ' {"model":"X", "a":1}'),
    ('{"mod\\u0065l":"a"}', '{"mod\\u0065l":"X"}'),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), EDITS)
def test_only_the_value_is_replaced(before: str, after: str) -> None:
    """Every other character stays."""
    assert replace_value(before, "model", "X") == after


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text() | st.just("model"), JSON_VALUES),
    st.text(),
    st.sampled_from([None, 2]),
)
def test_any_object_keeps_its_other_values(
    body: dict[str, Any], value: str, indent: int | None
) -> None:
    """The edited text is the object with that one value set."""
    edited = json.loads(replace_value(json.dumps(body, indent=indent), "model", value))
    assert edited == body | {"model": value}


def test_last_words(tmp_path: Path) -> None:
    """Lines survive any split of the output; progress bars count as their last state."""
    log = EngineLog(tmp_path / "x" / "bot.log")
    log.open()
    log.note("start")
    for piece in (b"on", b"e\r\n\n  two \n", b"10%\r20%\r30%\n", b"caf\xc3", b"\xa9\nlast"):
        log.feed(piece)
    assert log.tail() == ("one", "  two", "30%", "café", "last")
    assert log.tail(2) == ("café", "last")
    log.feed(b"x" * 100_000)
    assert all(len(line) <= 4096 + len("last") for line in log.tail(50))
    log.begin()
    assert log.tail() == ()
    log.close()
    log.feed(b"after the end\n")
    assert log.tail() == ("after the end",)
    assert log.path.read_bytes().startswith(b"--- start\none\r\n")


def test_a_log_does_not_fill_the_disk(tmp_path: Path) -> None:
    """At its limit the file is put aside and a new one begun."""
    log = EngineLog(tmp_path / "bot.log")
    log.open()
    line = b"x" * 1023 + b"\n"
    for _ in range(3 * FILE_BYTES // len(line)):
        log.feed(line)
    log.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bot.log", "bot.log.1"]
    assert all(path.stat().st_size <= FILE_BYTES for path in tmp_path.iterdir())


def test_phases_come_in_order() -> None:
    """Forward only, but for a dead engine; nothing but a new life leaves `error`."""
    assert may_follow("bootstrapping", "bootstrapping")
    assert may_follow("ready", "bootstrapping")
    assert not may_follow("scheduling", "ready")
    assert NEXT_PHASES["error"] == frozenset()
    assert {"ready", "error"} == TERMINAL


def test_pauses_grow_and_end() -> None:
    """A crash at the start is tried three times, one after serving six times."""
    timings = Timings()
    assert [timings.next_pause(n, was_ready=False) for n in (1, 2, 3)] == [0.5, 1.0, None]
    after = [timings.next_pause(n, was_ready=True) for n in range(1, 7)]
    assert after == [0.5, 1.0, 2.0, 4.0, 8.0, None]


def test_a_platform_shows_where_it_is() -> None:
    """Its repr, before, in and after its time; no token is part of it."""
    platform = Platform()
    assert repr(platform) == "<inferencekey.local.Platform not running, project acme>"
    with platform:
        url = platform.base_url
        assert repr(platform) == f"<inferencekey.local.Platform {url}, project acme>"
    assert repr(platform) == "<inferencekey.local.Platform not running, project acme>"


@pytest.mark.parametrize("missing", ["aiohttp", "multidict"])
def test_a_missing_package_is_named_with_its_extra(missing: str) -> None:
    """The import says what to install, and is still the error that imports raise."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None; from inferencekey.local import Platform"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=15, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        f"ModuleNotFoundError: the embedded platform needs the package `{missing}`: "
        'pip install "inferencekey[local]"'
    )
