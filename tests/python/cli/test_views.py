"""`ls`, `get` and `export`: what is live, for people and for programs."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from cli.conftest import Plane, Run, live
from cli.terminal import Terminal

from inferencekey.cli import shown
from inferencekey.cli.table import cut, fitted

LONG = "a-slug-that-somebody-made-from-the-name-of-a-model"
MODEL = "organisation/a-model-with-a-name-of-its-own-that-goes-on-for-quite-a-while"
POLICY = {"min_workers": 0, "max_workers": 2, "max_hourly_cost_usd": 3.5}


@pytest.fixture
def two(plane: Plane) -> Plane:
    """A plane with two workloads, one of them with everything that is long."""
    now = datetime.now(timezone.utc)
    plane.workloads += [
        live("bot", phase="ready", created_at=(now - timedelta(days=3)).isoformat()),
        live(
            LONG,
            phase="bootstrapping",
            model_name=MODEL,
            execution_policy="autoscaling",
            execution_policy_config=POLICY,
        ),
    ]
    return plane


def test_a_pipe_gets_the_table_whole(two: Plane, run: Run) -> None:
    """Nothing is cut short for `awk`, and no column has a blank in it."""
    done = run("ls")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["slug", "status", "backend", "model", "ceiling", "age"],
        ["bot", "ready", "vllm", "m", "-", "3d"],
        [LONG, "bootstrapping", "vllm", MODEL, "$3.50/h", "-"],
    ]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_gets_the_table_in_its_width(two: Plane, columns: int) -> None:
    """One line per workload; what is short stays whole."""
    with Terminal("ls", columns=columns, NO_COLOR="1") as terminal:
        assert terminal.end() == 0
        lines = terminal.shown.splitlines()
    assert len(lines) == 3
    assert all(len(line) <= columns for line in lines)
    assert lines[1].split()[:3] == ["bot", "ready", "vllm"]
    assert ("…" in lines[2]) == (columns < 200)


def test_ls_as_json_is_an_array(two: Plane, run: Run) -> None:
    """The same keys for each workload, whatever the platform sends besides."""
    workloads = json.loads(run("ls", "--json").stdout)
    assert [workload["slug"] for workload in workloads] == ["bot", LONG]
    assert all(
        list(workload)
        == ["id", "slug", "name", "status", "backend", "model", "task_type",
            "max_hourly_cost_usd", "created_at", "updated_at"]
        for workload in workloads
    )  # fmt: skip
    assert [workload["max_hourly_cost_usd"] for workload in workloads] == [None, 3.5]


def test_no_workloads_is_no_error(plane: Plane, run: Run) -> None:
    """Nothing on stdout, and a word on stderr; in JSON an empty array."""
    done = run("ls")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "no workloads\n")
    assert json.loads(run("ls", "--json").stdout) == []


def test_server_text_cannot_steer_a_terminal(plane: Plane) -> None:
    """Whatever a platform says, no escape sequence of it comes through."""
    plane.workloads.append(live("bot", backend="\x1b]0;x\x07", model_name="m\x1b[2J"))
    for arguments in (["ls"], ["get", "bot"]):
        with Terminal(*arguments, NO_COLOR="1") as terminal:
            assert terminal.end() == 0
            assert "\x1b" not in terminal.shown


def test_get_shows_each_field_under_its_path(two: Plane, run: Run) -> None:
    """For people a line per field; with `--json` the platform's own object."""
    done = run("get", LONG)
    assert (done.returncode, done.stderr) == (0, "")
    shown_fields = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert shown_fields["model_name"] == MODEL
    assert shown_fields["execution_policy_config.max_hourly_cost_usd"] == "3.5"
    assert json.loads(run("get", LONG, "--json").stdout) == two.workloads[1]
    absent = run("get", "absent")
    assert (absent.returncode, absent.stdout) == (1, "")
    assert (
        "hint: check the slug and the project, or create the workload with `inferencekey apply`"
        in (absent.stderr)
    )


def test_export_writes_a_spec_in_each_language(two: Plane, run: Run) -> None:
    """YAML for a file, Python for a program, JSON for a script."""
    assert f"slug: {LONG}\n" in run("export", LONG).stdout
    assert f'slug="{LONG}"' in run("export", LONG, "--format", "python").stdout
    assert json.loads(run("export", LONG, "--json").stdout)["model"] == MODEL
    assert run("export", LONG, "--format", "json").stdout == run("export", LONG, "--json").stdout
    absent = run("export", "absent", "--json")
    assert (absent.returncode, absent.stdout) == (1, "")
    assert json.loads(absent.stderr)["error"]["code"] == "not_found"


def test_ls_asks_for_what_the_list_does_not_tell(plane: Plane, run: Run) -> None:
    """A platform whose list has no phase is asked for each; who has no answer stays unknown."""
    plane.workloads += [live("bot"), live("mute")]
    plane.phases = {"bot": "provisioning"}
    shown_rows = [line.split()[:2] for line in run("ls").stdout.splitlines()[1:]]
    assert shown_rows == [["bot", "provisioning"], ["mute", "-"]]


NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
AGES = [
    ("2026-01-01T23:59:58Z", "2s"),
    ("2026-01-01T23:58:59.5Z", "1min"),
    ("2026-01-01T22:00:00+00:00", "2h"),
    ("2025-12-01T00:00:00Z", "32d"),
    ("2026-01-02T00:00:09Z", "0s"),
    ("2026-01-01T00:00:00", "-"),
    ("yesterday", "-"),
    (None, "-"),
    (7, "-"),
]


@pytest.mark.parametrize(("created_at", "age"), AGES)
def test_ages(created_at: object, age: str) -> None:
    """The largest whole unit; clocks that differ make nothing negative."""
    assert shown.age(created_at, NOW) == age


@pytest.mark.parametrize(
    ("text", "width", "cells"),
    [("abc", 4, "abc "), ("abcdef", 4, "abc…"), ("日本語", 4, "日… "), ("日本", 4, "日本")],
)
def test_cells_count_as_a_terminal_counts(text: str, width: int, cells: str) -> None:
    """Some characters take two."""
    assert cut(text, width) == cells


def test_the_first_column_gives_way_last() -> None:
    """Slugs are what other commands need whole."""
    assert fitted([20, 40, 10], 60) == [20, 30, 10]
    assert fitted([40, 40, 10], 60) == [33, 17, 10]
    assert fitted([40, 40], 2) == [8, 8]
