"""Runs a page of the documentation as a reader would: top to bottom, on a platform of its own.

    python run_page.py PAGE     in an empty folder; fails at the first block that is not true

Python blocks share one namespace, shell blocks one environment and folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from blocks import GIVEN, Block, blocks

import inferencekey
from inferencekey import Backend, ManagementClient, TaskType, WorkloadSpec
from inferencekey.local import Platform

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
LIMIT_SECONDS = 120

# What differs from run to run, and what stands for it on both sides of a comparison. An ellipsis
# in the documentation stands for the rest of a line; alone on a line, for any number of lines.
VARIES = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:8400"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|tokens/s)\b"), r"0 \2"),
    (re.compile(r"\bwl_[0-9a-f]+"), "wl_0"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "2026-01-01T00:00:00Z"),
    (re.compile(r"[ \t]+$", re.M), ""),
)

# A reader's port 8400 is free; that of the machine that runs the tests may not be.
ELSEWHERE = (re.compile(r"\binferencekey local up\b"), "inferencekey local up --port 0")


class Page:
    """A page while it runs."""

    def __init__(self, page: Path) -> None:
        self.page = page
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""

    def run(self) -> None:
        """Run every block; the first that is not as the page says ends the process."""
        for block in blocks(self.page):
            try:
                self._treat(block)
            except SystemExit as refused:
                sys.exit(f"{self.page.name}:{block.line}: {refused}")

    def _treat(self, block: Block) -> None:
        if block.title:
            file = Path(block.title)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
        if block.mark == "notation":
            return
        if block.expected:
            compare(self.printed, block.code)
        elif block.mark == "not run":
            PARSERS.get(block.language, str)(block.code)
        elif run := RUNNERS.get(block.language):
            self.printed = run(self, block)
        else:
            PARSERS.get(block.language, str)(block.code)

    def given(self, block: Block) -> str:
        """Make the workloads ready that the page speaks of."""
        with ManagementClient.from_env() as mgmt:
            for slug in block.code.split():
                mgmt.ensure(spec_of(slug))
                mgmt.wait_until_ready(slug, silent=True)
        return ""

    def python(self, block: Block) -> str:
        """Run it here; tests are given to pytest instead."""
        if re.search(r"^def test_", block.code, re.M):
            return self.tests(block)
        # Tracebacks name the page and its line.
        code = compile("\n" * (block.line - 1) + block.code, str(self.page), "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, self.namespace)
        return printed.getvalue()

    def tests(self, block: Block) -> str:
        """Run tests as a reader would, with the fixtures that the package brings."""
        file = Path(block.title or "test_page.py")
        imports = "" if block.title else "from inferencekey import *\n"
        file.write_text(imports + block.code, encoding="utf-8")
        # Without the other plugins that happen to be installed, which take seconds to load.
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        ours = ["-p", "inferencekey.local.pytest_plugin", "-p", "no:cacheprovider"]
        return checked([sys.executable, "-m", "pytest", "-q", *ours, str(file)])

    def shell(self, block: Block) -> str:
        """Run it as one script."""
        return shell(block.code, code=int(block.value or 0))

    def console(self, block: Block) -> str:
        """Run each line behind a `$`, and compare what follows it."""
        for number, (command, output) in enumerate(conversation(block.code)):
            if command.endswith(" --help"):
                continue  # tests/python/cli/test_docs.py holds these texts.
            last = number == len(conversation(block.code)) - 1
            compare(shell(command, code=int(block.value or 0) if last else 0), output)
        return ""

    def c(self, block: Block) -> str:
        """Compile it against the library of the package, and run it."""
        library = next(Path(inferencekey.__file__).parent.glob("libinferencekey.*"))
        program = Path(block.title or "program.c").with_suffix("")
        Path("program.c").write_text(block.code, encoding="utf-8")
        flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT / 'include'}"]
        link = [str(library), f"-Wl,-rpath,{library.parent}", "-o", str(program)]
        checked([os.environ.get("CC", "cc"), *flags, "program.c", *link])
        return checked([f"./{program}"])


RUNNERS: dict[str, Callable[[Page, Block], str]] = {
    "python": Page.python,
    "sh": Page.shell,
    "console": Page.console,
    "c": Page.c,
    GIVEN: Page.given,
}

PARSERS: dict[str, Callable[[str], object]] = {
    "python": lambda code: compile(code, "block", "exec"),
    "sh": lambda code: checked(["bash", "-n", "-c", code]),
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}


def spec_of(slug: str) -> WorkloadSpec:
    """A workload of a bundled model: one that embeds, if it is called an embedder."""
    if "embed" not in slug:
        return WorkloadSpec(slug, slug, "inferencekey-tiny", Backend.LLAMACPP)
    return WorkloadSpec(
        slug, slug, "inferencekey-tiny-embed", Backend.LLAMACPP, task_type=TaskType.EMBEDDING
    )


def conversation(text: str) -> list[tuple[str, str]]:
    """Each command behind a `$`, and the lines up to the next one."""
    found = re.findall(r"^\$ (.*(?:\n> .*)*)\n?((?:(?!\$ ).*\n?)*)", text, re.M)
    return [(command.replace("\n> ", "\n"), output) for command, output in found]


def shell(script: str, *, code: int = 0) -> str:
    """Run a script that ends with `code`. What it exports and where it goes, the next one finds."""
    script = ELSEWHERE[0].sub(ELSEWHERE[1], script)
    with tempfile.TemporaryDirectory() as folder:
        left = Path(folder) / "environment"
        keep = f"trap 'env -0 > {left}' EXIT\n"
        printed = checked(["bash", "-eu", "-o", "pipefail", "-c", keep + script], code=code)
        entries = left.read_text().rstrip("\0").split("\0")
    os.environ.update(entry.split("=", 1) for entry in entries)
    os.chdir(os.environ["PWD"])
    return printed


def checked(command: Iterable[str], *, code: int = 0) -> str:
    """What the command printed, on both streams; it has to end with `code`."""
    # To a file, not a pipe: what the command leaves running would hold a pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_SECONDS,
        )
        output.seek(0)
        printed = output.read()
    if done.returncode != code:
        sys.exit(f"ended with {done.returncode} instead of {code}\n{printed}")
    return printed


def compare(printed: str, expected: str) -> None:
    """Both are the same, but for what varies."""
    for pattern, stand_in in VARIES:
        printed, expected = pattern.sub(stand_in, printed), pattern.sub(stand_in, expected)
    lines = re.escape(expected.strip("\n")).replace("\\\n", "\n")
    lines = re.sub(r"^…$", "(?s:.*)", lines, flags=re.M).replace("…", "[^\n]*")
    if not re.fullmatch(lines, printed.strip("\n")):
        sys.exit(f"the page says\n{expected}\nand the program\n{printed}")


def main(page: Path) -> None:
    """Run the page, with a platform if anything in it runs."""
    if not any(block.runs for block in blocks(page)):
        Page(page).run()
        return
    with Platform(stand_in=True) as platform:
        os.environ.update(platform.env())
        Page(page).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
