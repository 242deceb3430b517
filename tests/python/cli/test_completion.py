"""Shell completion: the scripts that click makes, and slugs."""

from __future__ import annotations

import subprocess

import pytest
from cli.conftest import Run, cli
from clients import SDK_TOKEN
from double import Double, answer


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(run: Run, shell: str) -> None:
    """It asks the program by the variable that click listens to."""
    done = run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_INFERENCEKEY_COMPLETE={shell}_complete" in done.stdout


def completed(words: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What bash is offered for the last word."""
    monkeypatch.setenv("_INFERENCEKEY_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", f"inferencekey {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" "))))
    done = subprocess.run(cli(), capture_output=True, text=True, timeout=15, check=False)
    return [line.removeprefix("plain,") for line in done.stdout.split()]


def test_commands_options_and_slugs_are_completed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slugs are those of the project; where it cannot be asked there are none, and no words."""
    assert completed("doc", monkeypatch) == ["doctor"]
    assert completed("chat --sys", monkeypatch) == ["--system"]
    assert completed("chat b", monkeypatch) == []
    workloads = [{"id": f"wl_{slug}", "slug": slug} for slug in ("bot", "bard", "tutor")]
    with Double(*[answer(workloads)] * 2) as double:
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", double.url)
        monkeypatch.setenv("INFERENCEKEY_PROJECT", "acme")
        monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
        assert completed("chat b", monkeypatch) == ["bot", "bard"]
        assert completed("embed ", monkeypatch) == ["bot", "bard", "tutor"]
