"""`plan`: what would change, as text, Markdown and JSON, and as an exit code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cli.conftest import Declare, Plane, Run, cli, live
from cli.terminal import Terminal


def test_the_exit_code_says_whether_anything_is_to_be_done(
    plane: Plane, run: Run, declare: Declare
) -> None:
    """2 while live and file differ, 0 when they do not; nothing is written either way."""
    file = declare("bot")
    absent = run("plan", "-f", file)
    assert (absent.returncode, absent.stderr) == (2, "")
    assert "create" in absent.stdout
    assert plane.workloads == []
    plane.workloads.append(live("bot"))
    same = run("plan", "-f", file)
    assert (same.returncode, same.stderr) == (0, "")
    assert "unchanged" in same.stdout
    plane.workloads[0]["model_name"] = "other"
    assert run("plan", "-f", file).returncode == 2
    plane.workloads[0].update(model_name="m", task_type="embedding")
    conflict = run("plan", "-f", declare("bot", task_type="text2text"))
    assert conflict.returncode == 2


def test_several_workloads_have_a_total(plane: Plane, run: Run, declare: Declare) -> None:
    """Diff after diff; one workload needs no total."""
    plane.workloads.append(live("bot"))
    file = declare("bot", "other", "third")
    assert run("plan", "-f", file).stdout.endswith("\n\n2 to create, 1 unchanged\n")
    assert "2 to create" not in run("plan", "-f", file, "bot").stdout
    shown = json.loads(run("plan", "-f", file, "third", "bot", "--json").stdout)
    assert shown["pending"] is True
    assert shown["counts"] == {"create": 1, "update": 0, "conflict": 0, "unchanged": 1}
    assert [plan["action"] for plan in shown["plans"]] == ["create", "unchanged"]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ([], "{name: Bot, slug: bot, model: m, backend: vllm}"),
        (["--format", "json"], '{"name": "Bot", "slug": "bot", "model": "m", "backend": "vllm"}'),
        (["--format", "toml"], "name = 'Bot'\nslug = 'bot'\nmodel = 'm'\nbackend = 'vllm'\n"),
    ],
)
def test_the_file_may_be_standard_input(plane: Plane, form: list[str], text: str) -> None:
    """YAML, or what `--format` says; errors call it by its name."""

    def plan(text: str, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            cli("plan", "-f", "-", *form, *more),
            input=text,
            capture_output=True,
            text=True,
            timeout=15,
        )

    assert plan(text).stdout.startswith("create acme/bot\n")
    assert plan(text, "bot").returncode == 2
    assert plan(text, "other").returncode == 1
    assert plan("{").stderr.startswith("error: standard input:")


def test_what_export_writes_plans_to_no_change(plane: Plane, run: Run, tmp_path: Path) -> None:
    """Adopt what was made elsewhere, in each language that a file may have."""
    config = {"command": "vllm serve m --port 1", "deep": {"é": [1, "yes", None, "a: b"]}}
    plane.workloads.append(live("bot", description="two\nlines", config=config))
    for form in ("yaml", "json"):
        file = tmp_path / f"bot.{form}"
        file.write_text(run("export", "bot", "--format", form).stdout)
        done = run("plan", "-f", str(file))
        assert (done.returncode, done.stderr) == (0, "")


def test_a_plan_has_colours_on_a_terminal(plane: Plane, declare: Declare) -> None:
    """Readable without them all the same."""
    for env, coloured in (({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)):
        with Terminal("plan", "-f", declare("bot"), **env) as terminal:
            assert terminal.end() == 2
            assert ("\x1b[32m" in terminal.shown) is coloured
            assert "+ model: " in terminal.shown


def test_the_step_summary_is_appended_to(
    plane: Plane, run: Run, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markdown goes to the file that GitHub Actions names; all else stays as it is."""
    page = tmp_path / "summary.md"
    page.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    file = declare("bot", "other")
    done = run("plan", "-f", file, "--github-summary")
    assert (done.returncode, done.stdout) == (2, run("plan", "-f", file).stdout)
    markdown = run("plan", "-f", file, "--markdown").stdout
    assert page.read_text() == f"# Before\n{markdown}"
    assert "**2 to create" in markdown


def test_without_a_step_summary_the_wish_for_one_is_refused(
    plane: Plane, run: Run, declare: Declare
) -> None:
    """Nobody believes that a summary was written."""
    done = run("plan", "-f", declare("bot"), "--github-summary")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: there is no step summary to write to: GITHUB_STEP_SUMMARY is not set\n\n"
        "hint: GitHub Actions sets it; elsewhere leave `--github-summary` out\n"
    )


WRONG = [
    # arguments, the error's code
    (["plan"], "usage"),
    (["plan", "-f", "no-such-file.yaml"], "invalid_argument"),
    (["plan", "-f", "{file}", "no-such-slug"], "invalid_argument"),
    (["plan", "-f", "{file}", "--markdown"], "usage"),
    (["plan", "-f", "{file}", "--on-drift", "fail"], "usage"),
    (["plan", "-f", "{file}", "--base-url", "http://127.0.0.1:1"], "connection_failed"),
    (["plan", "-f", "{file}", "--base-url", "ftp://x"], "invalid_base_url"),
    (["apply", "-f", "{file}", "--on-drift", "dry_run"], "usage"),
]


@pytest.mark.parametrize(("arguments", "code"), WRONG, ids=[" ".join(c[0]) for c in WRONG])
def test_no_error_looks_like_pending_changes(
    plane: Plane, run: Run, declare: Declare, arguments: list[str], code: str
) -> None:
    """Whatever goes wrong, it is 1."""
    file = declare("bot")
    done = run(*(argument.format(file=file) for argument in arguments), "--json")
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["error"]["code"] == code
