"""From a workload to the engine's command: one row per backend, and nothing that starts anything.

A `command` of the spec runs as written, split like a shell would but without one; address and port
are added. Without it the backend's own way to serve `model` is used. The bundled model is served
under its own name, or, where the platform was asked for it, openly as a stand-in for an engine that
is not installed.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from .errors import INSTALL, LocalError
from .module_argv import module_argv
from .types import BACKENDS, Address, EngineCommand, Workload

BUNDLED_TEXT = "inferencekey-tiny"
BUNDLED_EMBEDDING = "inferencekey-tiny-embed"
BUNDLED = {BUNDLED_TEXT: "tiny", BUNDLED_EMBEDDING: "tiny-embed"}
"""Names of the bundled models, and what the bundled engine calls them."""
_BUNDLED_FOR = {
    "text2text": BUNDLED_TEXT,
    "omni": BUNDLED_TEXT,
    "embedding": BUNDLED_EMBEDDING,
}
"""The bundled model that does a kind of task."""
_BUNDLED_PREFIX = "inferencekey-"

_HOST_FLAGS = {"sd-server": ("--listen-ip", "--listen-port"), "ollama": None}
"""Programs that do not take `--host` and `--port`."""
_PORT_SPELLINGS = {"sd-server": ("--listen-port",)}
_HOST_SPELLINGS = {"sd-server": ("--listen-ip", "-l")}


@dataclass(frozen=True)
class Recipe:
    """How a backend serves a model when the spec has no `command`."""

    program: str
    arguments: Callable[[Workload], list[str]]
    install: str
    """The line that installs it."""


def _llamacpp(workload: Workload) -> list[str]:
    model = workload.model_name
    is_file = model.endswith(".gguf") or Path(model).exists()
    kinds = {
        "embedding": ["--embedding", "--pooling", "last"],
        "reranker": ["--reranking", "--pooling", "rank"],
    }
    return ["--model" if is_file else "--hf-repo", model, *kinds.get(workload.task_type, [])]


def _sglang(workload: Workload) -> list[str]:
    kind = ["--is-embedding"] if workload.task_type == "embedding" else []
    return ["serve", "--model-path", workload.model_name, *kind]


RECIPES = {
    "ollama": Recipe("ollama", lambda _: ["serve"], "see https://ollama.com/download"),
    "vllm": Recipe("vllm", lambda w: ["serve", w.model_name], "pip install vllm"),
    "vllm-omni": Recipe(
        "vllm", lambda w: ["serve", w.model_name, "--omni"], "pip install vllm vllm-omni"
    ),
    "sglang": Recipe("sglang", _sglang, "pip install sglang"),
    "llamacpp": Recipe(
        "llama-server", _llamacpp, "brew install llama.cpp, or see https://llama.app"
    ),
    "stablediffusioncpp": Recipe(
        "sd-server",
        lambda w: ["--model", w.model_name],
        "see https://github.com/leejet/stable-diffusion.cpp/releases",
    ),
}


def resolve(workload: Workload, *, stand_in: bool = False) -> EngineCommand:
    """The command that serves this workload on this machine.

    stand_in: where the engine is not installed, serve the bundled model and say so.
    Raises LocalError, with the line that installs the engine as its hint."""
    command = (workload.config or {}).get("command")
    if isinstance(command, str) and command.strip():
        return _located_or_stand_in(workload, _split(command), stand_in)
    if _means_bundled(workload.model_name):
        return _bundled_model(workload)
    recipe = RECIPES.get(workload.backend)
    if recipe is None:
        raise LocalError(
            f"the backend `{workload.backend}` is not one of {', '.join(BACKENDS)}, "
            "and the spec has no `command`",
            hint="set `command` to the program that serves the model; "
            "`--host` and `--port` are added to it",
        )
    if workload.backend == "llamacpp" and _only_bundled_can(workload, recipe):
        return _bundled_engine(workload.model_name, note="llama-server is not on PATH")
    return _located_or_stand_in(workload, [recipe.program, *recipe.arguments(workload)], stand_in)


def argv_for(command: EngineCommand, address: Address) -> list[str]:
    """The command's arguments with the address added, unless the command has it already."""
    argv = list(command.argv)
    if command.host_flags is None:
        return argv
    host_flag, port_flag = command.host_flags
    if not _flag_value(argv, _HOST_SPELLINGS.get(command.label, ("--host",))):
        argv += [host_flag, address.host]
    if command.fixed_port is None:
        argv += [port_flag, str(address.port)]
    return argv


def env_for(command: EngineCommand, address: Address) -> dict[str, str]:
    """What the engine's environment must hold besides the platform's own."""
    return command.env if command.host_flags else command.env | {"OLLAMA_HOST": str(address)}


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as cause:
        raise LocalError(
            f"`command` cannot be split into words: {str(cause).lower()}", hint="check its quotes"
        ) from cause


def _located_or_stand_in(workload: Workload, argv: list[str], stand_in: bool) -> EngineCommand:
    program = shutil.which(argv[0])
    if program:
        return _located(argv, program)
    if stand_in and workload.task_type in _BUNDLED_FOR:
        return _stand_in(workload, argv[0])
    raise LocalError(f"command not found: `{argv[0]}`", hint=_install_hint(workload, argv[0]))


def _located(argv: list[str], program: str) -> EngineCommand:
    label = os.path.basename(program)
    return EngineCommand(
        argv=tuple(argv),
        program=program,
        host_flags=_HOST_FLAGS.get(label, ("--host", "--port")),
        fixed_port=_fixed_port(argv, label),
        pull=label == "ollama",
    )


def _fixed_port(argv: list[str], label: str) -> int | None:
    """The port that the command names itself, if it does."""
    port = _flag_value(argv, _PORT_SPELLINGS.get(label, ("--port",)))
    if port is None:
        return None
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise LocalError(
            f"`command` names the port {port!r}, which is not one of 1 to 65535",
            hint="leave the port out of `command`: the platform adds a free one",
        )
    return int(port)


def _install_hint(workload: Workload, program: str) -> str:
    recipe = RECIPES.get(workload.backend)
    if recipe and recipe.program == os.path.basename(program):
        install = f"install it: {recipe.install}"
    else:
        install = f"install `{program}` or put its folder on PATH"
    if workload.task_type not in _BUNDLED_FOR:
        return f"{install}; no bundled model can stand in for {workload.task_type}"
    return f"{install}; or start the platform with `--stand-in`: the bundled model serves instead"


def _stand_in(workload: Workload, missing: str) -> EngineCommand:
    bundled = _BUNDLED_FOR[workload.task_type]
    name = f"{bundled} (stand-in for {workload.model_name})"
    command = _bundled_engine(
        BUNDLED[bundled], name=name, note=f"`{missing}` is not installed: answers come from {name}"
    )
    return replace(command, stand_in=name)


def _bundled_model(workload: Workload) -> EngineCommand:
    name = workload.model_name
    _refuse_other_than_bundled(name, workload.task_type)
    file = resources.files(__package__) / "models" / f"{name}.gguf"
    program = shutil.which("llama-server")
    if program and name == BUNDLED_TEXT and isinstance(file, Path) and file.is_file():
        # The model is made for greedy answers, and this server's own default is to sample.
        argv = ["llama-server", "--model", str(file), "--alias", name, "--temp", "0"]
        return _located(argv, program)
    return _bundled_engine(BUNDLED[name], name=name)


def _means_bundled(name: str) -> bool:
    """Whether it is the name of a bundled model, if a mistyped one, and not a file's or another's
    repository."""
    similar = name.startswith(_BUNDLED_PREFIX) and "/" not in name and not Path(name).exists()
    return name in BUNDLED or similar


def _refuse_other_than_bundled(name: str, task_type: str) -> None:
    """Refuse a bundled model's name that is mistyped, and a task that the model does not do."""
    tasks = ", ".join(task for task, model in _BUNDLED_FOR.items() if model == name)
    if not tasks:
        raise LocalError(
            f"no bundled model is called `{name}`",
            hint="there are " + " and ".join(f"`{bundled}`" for bundled in BUNDLED),
        )
    fitting = _BUNDLED_FOR.get(task_type)
    if fitting != name:
        other = f"; for {task_type} there is `{fitting}`" if fitting else ""
        raise LocalError(
            f"the model `{name}` does {tasks}, and the spec's task_type is {task_type}",
            hint=f"change the spec's model or task_type{other}",
        )


def _only_bundled_can(workload: Workload, recipe: Recipe) -> bool:
    """A GGUF file is there and llama-server is not: the bundled engine runs the very same model."""
    is_file = workload.model_name.endswith(".gguf") and Path(workload.model_name).is_file()
    return is_file and workload.task_type == "text2text" and shutil.which(recipe.program) is None


def _bundled_engine(model: str, *, name: str | None = None, note: str = "") -> EngineCommand:
    if (
        importlib.util.find_spec(f"{__package__}.engine") is None
        or importlib.util.find_spec("mistralrs") is None
    ):
        raise LocalError(
            "the bundled engine is not installed",
            hint=f"install it: {INSTALL}",
        )
    served = ["--served-model-name", name] if name else []
    # The engine must find this very package, also where it was put on the path by the running
    # program only.
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return EngineCommand(
        argv=(*module_argv(f"{__package__}.engine"), "--model", model, *served),
        program=sys.executable,
        env={"PYTHONPATH": path},
        bundled=True,
        note=note,
    )


def _flag_value(argv: list[str], spellings: tuple[str, ...]) -> str | None:
    """The value of the last of these flags, in either form: `--port 1` or `--port=1`."""
    value = None
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        flag, equals, rest = word.partition("=")
        if flag in spellings:
            value = rest if equals else following
    return value
