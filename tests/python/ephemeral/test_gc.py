"""What `gc` deletes, what it lets be, and what it says about that."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clients import API_KEY, SPEC, management
from double import HANG, Double, Request, answer

from ephemeral.hosted import FOREIGN, Answer, Hosted, entries
from inferencekey import (
    AuthError,
    ConfigurationError,
    ConnectionFailed,
    Leftover,
    ManagementClient,
    PermissionDenied,
    ServerError,
    Timeout,
)
from inferencekey._ephemeral import journal

MARK = "0123456789abcdef0123456789abcdef"
# More than any process number of Linux and macOS.
NOBODY = 2**22 + 1


def leave(
    state: Path, double: Double, *, mark: str = MARK, more: list[object] | None = None, **facts: Any
) -> Path:
    """An entry as a killed process leaves it."""
    first = {
        "version": 1,
        "base_url": double.url,
        "project_slug": "acme",
        "workload_slug": "bot",
        "mark": mark,
        "host": os.uname().nodename,
        "pid": NOBODY,
        "created": time.time(),
        "max_lifetime": None,
        **facts,
    }
    (state / "ephemeral").mkdir(parents=True, exist_ok=True)
    path = state / "ephemeral" / f"{mark}.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in [first, *(more or [])]))
    return path


def create(hosted: Hosted, slug: str = "bot", mark: str | None = MARK) -> str:
    """A workload on the platform; its id."""
    description = f"mine [ephemeral {mark}]" if mark else "mine"
    workload = {**FOREIGN, "id": f"wl_{slug}", "slug": slug, "description": description}
    hosted.control.workloads.append(workload)
    return str(workload["id"])


def test_what_is_proven_by_its_mark_is_removed(
    hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """The process was gone before it had the answer to its create."""
    create(hosted)
    leave(state, double, created=5.0)
    collected = mgmt.gc()
    assert collected == [Leftover("acme", "bot", None, 5.0)]
    assert collected.kept == []
    assert hosted.left() == []
    assert entries(state) == []


def test_what_is_proven_by_its_id_is_removed(
    hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """Somebody has changed the description since; a torn last line changes nothing."""
    path = leave(state, double, more=[{"id": create(hosted, mark=None)}])
    path.write_text(path.read_text() + '{"id": "wl_ot')
    assert [one.id for one in mgmt.gc()] == ["wl_bot"]
    assert hosted.left() == []


NOT_OURS: list[tuple[str, str | None, dict[str, Any], list[object]]] = [
    ("another workload of that slug", None, {}, [{"id": "wl_older"}]),
    ("another mark", "f" * 32, {}, []),
    ("another platform", MARK, {"base_url": "https://api.inferencekey.com"}, []),
    ("a file of a newer version", MARK, {"version": 2}, []),
    ("a process of another machine", MARK, {"host": "elsewhere"}, []),
    ("kept on purpose", MARK, {"max_lifetime": 3600}, [{"id": "wl_bot"}, {"kept": True}]),
]


@pytest.mark.parametrize(
    ("mark", "facts", "more"), [row[1:] for row in NOT_OURS], ids=[row[0] for row in NOT_OURS]
)
def test_what_is_not_proven_is_let_be(
    mark: str | None,
    facts: dict[str, Any],
    more: list[object],
    hosted: Hosted,
    double: Double,
    mgmt: ManagementClient,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is deleted on the strength of its slug alone."""
    monkeypatch.setattr("inferencekey._ephemeral.collect._WAIT", 0.0)
    create(hosted, mark=mark)
    leave(state, double, more=more, **facts)
    assert mgmt.gc() == []
    assert hosted.left() == ["bot"]


def test_an_entry_of_another_machine_is_named(
    double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """Its locks may not reach this machine, so it is not judged here, unless its time is over."""
    leave(state, double, host="elsewhere")
    (kept,) = mgmt.gc().kept
    assert "`elsewhere`" in str(kept.why)
    assert kept.error is None
    assert double.journal.requests == []


OVER: list[dict[str, Any]] = [
    {"host": "elsewhere"},
    {"pid": 1},
    {"id": "wl_bot", "kept": True},
]


@pytest.mark.parametrize("facts", OVER)
def test_a_lifetime_that_is_over_ends_everything(
    facts: dict[str, Any], hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """Wherever its process is, and even if it lives and holds its lock."""
    create(hosted)
    path = leave(state, double, created=time.time() - 61, max_lifetime=60, **facts)
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [one.workload_slug for one in mgmt.gc()] == ["bot"]
    assert hosted.left() == []
    assert entries(state) == []


def test_a_process_that_lives_keeps_its_workload(
    hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """Also from another process's point of view; its end leaves it to `gc`."""
    create(hosted)
    path = leave(state, double, pid=os.getpid(), max_lifetime=3600)
    # What a killed process was is a number, and that may be somebody else's by now.
    program = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); "
    program += "print('locked', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        assert mgmt.gc() == []
        assert double.journal.requests == []
        owner.kill()
        owner.wait()
        assert [one.workload_slug for one in mgmt.gc()] == ["bot"]
    assert hosted.left() == []


@pytest.mark.parametrize(
    ("pid", "collected"), [(os.getppid(), 0), (1, 0), (NOBODY, 1)], ids=["parent", "init", "nobody"]
)
def test_without_locks_the_process_number_decides(
    pid: int,
    collected: int,
    hosted: Hosted,
    double: Double,
    mgmt: ManagementClient,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some network file systems know none."""

    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    create(hosted)
    leave(state, double, pid=pid)
    assert len(mgmt.gc()) == collected
    with mgmt.ephemeral(dataclasses.replace(SPEC, slug="mine"), api_key=API_KEY, silent=True):
        assert mgmt.gc() == []


def test_only_the_project_that_was_asked_for(
    hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """Every project of the platform otherwise."""
    create(hosted, "one", "1" * 32)
    create(hosted, "two", "2" * 32)
    leave(state, double, mark="1" * 32, project_slug="p1", workload_slug="one")
    leave(state, double, mark="2" * 32, project_slug="p2", workload_slug="two")
    assert [one.workload_slug for one in mgmt.gc(project="p2")] == ["two"]
    assert "/api/projects/p2/workloads" in double.journal.requests[0].target
    assert [one.workload_slug for one in mgmt.gc()] == ["one"]


ODD: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("half an entry", b'{"version": 1, "base_url": "http'),
    ("a list", b"[]\n"),
    ("not UTF-8", b"\xff\xfe\n"),
    ("wrong types", b'{"version": 1, "base_url": 1, "mark": []}\n'),
    ("very deep", b"[" * 100_000),
    ("a huge number", b'{"version": 1, "pid": ' + b"9" * 5000 + b"}\n"),
]


@pytest.mark.parametrize("text", [row[1] for row in ODD], ids=[row[0] for row in ODD])
def test_a_file_that_is_no_entry_is_passed_over(
    text: bytes, hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """The ones beside it are collected, and the file stays for whoever knows what it is."""
    create(hosted)
    odd = leave(state, double).with_name("0.json")
    odd.write_bytes(text)
    (state / "ephemeral" / "folder.json").mkdir()
    (state / "ephemeral" / "gone.json").symlink_to(state / "nowhere")
    assert [one.workload_slug for one in mgmt.gc()] == ["bot"]
    assert odd.read_bytes() == text


def test_without_a_folder_there_is_nothing_to_do(
    double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """And none is made."""
    assert mgmt.gc() == []
    assert not state.exists()
    assert double.journal.requests == []


def test_an_entry_that_was_never_finished_goes_after_a_day(
    mgmt: ManagementClient, double: Double, state: Path
) -> None:
    """Its process was killed while it wrote, before it sent anything."""
    for name, age in (("young", 3600), ("old", 90_000)):
        draft = leave(state, double).with_name(f"{name}.draft")
        draft.write_text("{")
        os.utime(draft, (time.time() - age,) * 2)
    for path in (state / "ephemeral").glob("*.json"):
        path.unlink()
    mgmt.gc()
    assert [path.name for path in (state / "ephemeral").iterdir()] == ["young.draft"]


YOUNG_AND_OLD = [("young", 0, 1), ("clock set back", -100, 1), ("old", 301, 0)]


@pytest.mark.parametrize(
    ("age", "kept"), [row[1:] for row in YOUNG_AND_OLD], ids=[row[0] for row in YOUNG_AND_OLD]
)
def test_a_create_that_may_be_on_its_way_keeps_its_entry(
    age: float,
    kept: int,
    double: Double,
    mgmt: ManagementClient,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For some minutes; then nothing can come of it any more."""
    monkeypatch.setattr("inferencekey._ephemeral.collect._WAIT", 0.3)
    leave(state, double, created=time.time() - age)
    collected = mgmt.gc()
    assert (len(collected), len(collected.kept), len(entries(state))) == (0, kept, kept)
    assert all("on its way" in str(one.why) for one in collected.kept)


def test_a_workload_that_somebody_deleted_is_forgotten(
    double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """Its create was answered, so nothing can appear any more."""
    leave(state, double, more=[{"id": "wl_1"}])
    collected = mgmt.gc()
    assert (collected, collected.kept, entries(state)) == ([], [], [])
    assert len(double.journal.requests) == 1


def refuse(method: str, status: int) -> Callable[[Request], Answer | None]:
    """A platform that answers this method with an error."""
    error = answer({"error": {"code": "c", "message": "words"}}, status)
    return lambda request: error if request.method == method else None


@pytest.mark.parametrize(
    ("method", "status", "kind"),
    [("DELETE", 500, ServerError), ("DELETE", 403, PermissionDenied), ("GET", 500, ServerError)],
)
def test_what_the_platform_refuses_is_kept_and_told(
    method: str, status: int, kind: type[Exception], state: Path
) -> None:
    """The others are collected all the same; the next run may do better."""
    hosted = Hosted(refuse(method, status))
    with Double(hosted) as double, management(double) as mgmt:
        create(hosted)
        create(hosted, "two", "2" * 32)
        leave(state, double)
        leave(state, double, mark="2" * 32, workload_slug="two")
        collected = mgmt.gc()
        assert collected == []
        assert [type(one.error) for one in collected.kept] == [kind, kind]
        assert all("words" in str(one.why) for one in collected.kept)
        hosted._before = lambda request: None
        assert len(mgmt.gc()) == 2
    assert hosted.left() == []


def test_what_was_removed_is_told_though_the_platform_goes_away(state: Path) -> None:
    """The rest is kept, and nobody asks for it in vain."""
    hosted = Hosted()
    refused = answer({"error": {"code": "c", "message": "revoked"}}, 401)
    hosted._before = lambda request: None if len(hosted.left()) == 3 else refused
    with Double(hosted) as double, management(double) as mgmt:
        for digit in "123":
            create(hosted, f"bot-{digit}", digit * 32)
            leave(state, double, mark=digit * 32, workload_slug=f"bot-{digit}")
        collected = mgmt.gc()
        assert (len(collected), [type(one.error) for one in collected.kept]) == (1, [AuthError] * 2)
        assert [request.method for request in double.journal.requests] == ["GET", "DELETE", "GET"]
    assert len(entries(state)) == 2


def test_a_platform_that_cannot_be_asked_is_an_error(state: Path) -> None:
    """At the first entry, and every entry is kept."""
    hosted = Hosted(refuse("GET", 401))
    with Double(hosted) as double, management(double) as mgmt:
        for mark in ("1" * 32, "2" * 32):
            leave(state, double, mark=mark)
        with pytest.raises(AuthError):
            mgmt.gc()
        assert len(double.journal.requests) == 1
    with pytest.raises(ConnectionFailed):
        management(double, retries=0).gc()
    with Double([HANG]) as silent:
        leave(state, silent, mark="3" * 32)
        with pytest.raises(Timeout):
            management(silent, timeout=0.2).gc()
    assert len(entries(state)) == 3


def test_the_folder_is_found_by_the_rules_of_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INFERENCEKEY_STATE_DIR, then XDG_STATE_HOME if it is absolute, then the home."""
    for name in ("INFERENCEKEY_STATE_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".local" / "state" / "inferencekey" / "ephemeral"
    assert journal.folder() == home
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert journal.folder() == home
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert journal.folder() == Path("/xdg/inferencekey/ephemeral")
    monkeypatch.setenv("INFERENCEKEY_STATE_DIR", " ")
    assert journal.folder() == Path("/xdg/inferencekey/ephemeral")
    monkeypatch.setenv("INFERENCEKEY_STATE_DIR", "/own")
    assert journal.folder() == Path("/own/ephemeral")


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an error of the SDK."""
    for name in ("INFERENCEKEY_STATE_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigurationError, match="no home"):
        journal.folder()
