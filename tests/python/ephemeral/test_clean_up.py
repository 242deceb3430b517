"""The end of a block: what is deleted, what stays, and which error is told."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
from clients import management
from double import RST, Double, Request, answer

from ephemeral.blocks import Mine, ephemeral, methods, refusal
from ephemeral.hosted import Answer, Hosted, entries
from inferencekey import (
    ManagementClient,
    PermissionDenied,
    ServerError,
    WorkloadFailed,
)


def test_a_block_that_is_not_ready_is_deleted(state: Path) -> None:
    """The platform's own words come out, and nothing is left."""
    failed = answer(
        b'data: {"phase":"error","message":"no GPU"}\n\n',
        headers={"content-type": "text/event-stream"},
    )
    hosted = Hosted(lambda request: failed if "readiness" in request.target else None)
    with (
        Double(hosted) as double,
        management(double) as mgmt,
        pytest.raises(WorkloadFailed, match="no GPU") as caught,
        ephemeral(mgmt, keep_on_error=True),
    ):
        raise AssertionError("the block runs")
    assert caught.value.hint == "the workload is deleted again: correct the spec"
    assert hosted.left() == []
    assert entries(state) == []


def test_nothing_of_a_create_that_was_refused_is_looked_for(state: Path) -> None:
    """The platform said no: there is nothing that might still appear."""
    hosted = Hosted(lambda request: refusal(403) if request.method == "POST" else None)
    with (
        Double(hosted) as double,
        management(double) as mgmt,
        pytest.raises(PermissionDenied),
        ephemeral(mgmt),
    ):
        raise AssertionError("the block runs")
    assert methods(double) == ["GET", "POST"]
    assert entries(state) == []


class Frozen(Exception):
    """One that allows no attributes, as frozen attrs and dataclasses do."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


def stuck(request: Request) -> Answer | None:
    """A platform that deletes nothing."""
    return refusal(500) if request.method == "DELETE" else None


@pytest.mark.parametrize("kind", [Mine, Frozen, SystemExit, KeyboardInterrupt])
def test_a_failed_clean_up_does_not_hide_the_error_of_the_block(
    state: Path, capfd: pytest.CaptureFixture[str], kind: type[BaseException]
) -> None:
    """It is a note on it, a line on stderr, and `gc` may do better later."""
    hosted = Hosted(stuck)
    error = kind("mine")
    with Double(hosted) as double, management(double) as mgmt:
        with pytest.raises(kind) as caught, ephemeral(mgmt, silent=False):
            raise error
        assert caught.value is error
        said = capfd.readouterr().err.splitlines()[-1]
        assert "the workload `bot` (wl_1) of project `acme` may be left" in said
        assert "gc" in said
        if kind is not Frozen:
            assert said.endswith(error.__notes__[0])  # type: ignore[attr-defined]  # New in 3.11.
        hosted._before = lambda request: None
        assert [one.id for one in mgmt.gc()] == ["wl_1"]
    assert hosted.left() == []


def test_a_journal_that_cannot_be_changed_hides_no_error(
    mgmt: ManagementClient, hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workload is deleted all the same; an entry too many does no harm."""

    def read_only(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system", str(path))

    error = Mine("mine")

    def block() -> None:
        monkeypatch.setattr(Path, "unlink", read_only)
        raise error

    with pytest.raises(Mine) as caught, ephemeral(mgmt):
        block()
    assert caught.value is error
    assert hosted.left() == []


def test_a_failed_clean_up_is_raised_where_it_hides_nothing(state: Path) -> None:
    """With what is left, and what deletes it; the same process may."""
    hosted = Hosted(stuck)
    with Double(hosted) as double, management(double) as mgmt:
        with pytest.raises(ServerError) as caught, ephemeral(mgmt):
            pass
        assert caught.value.operation == "delete"
        assert "`bot` (wl_1)" in str(caught.value.hint)
        assert "gc" in str(caught.value.hint)
        hosted._before = lambda request: None
        assert [one.id for one in mgmt.gc()] == ["wl_1"]
    assert hosted.left() == []


def test_an_answer_that_is_lost_in_the_clean_up_is_no_failure(state: Path) -> None:
    """The delete is safe to repeat."""
    seen: list[str] = []

    def lose(request: Request) -> Answer | None:
        if request.method != "DELETE" or seen:
            return None
        seen.append("lost")
        hosted.answer(request)
        return [RST]

    hosted = Hosted(lose)
    with Double(hosted) as double, management(double) as mgmt, ephemeral(mgmt):
        pass
    assert hosted.left() == []
    assert entries(state) == []


def test_a_hook_of_the_program_does_not_break_off_the_clean_up(state: Path) -> None:
    """Whatever `on_retry` raises ends the program's own calls, and not this one."""

    def raises(retry: object) -> None:
        raise Mine

    failing = iter([answer(b"", 503)])
    hosted = Hosted(lambda request: next(failing, None) if request.method == "DELETE" else None)
    with (
        Double(hosted) as double,
        management(double, on_retry=raises) as mgmt,
        ephemeral(mgmt),
    ):
        pass
    assert hosted.left() == []


def test_an_error_keeps_the_workload_if_that_was_asked_for(
    hosted: Hosted,
    mgmt: ManagementClient,
    state: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """To look into it; it is said how to delete it."""
    with (
        pytest.raises(Mine) as caught,
        ephemeral(mgmt, keep_on_error=True, silent=False, progress="plain"),
    ):
        raise Mine
    note = caught.value.__notes__[0]  # type: ignore[attr-defined]  # New in 3.11.
    assert "`bot` (wl_1) of project `acme` is kept" in note
    assert "inferencekey delete bot --project acme" in note
    assert capfd.readouterr().err.endswith(f"inferencekey: {note}\n")
    assert mgmt.gc() == []
    assert hosted.left() == ["bot"]
    assert entries(state) == []


def test_ctrl_c_says_that_the_workload_is_deleted(
    mgmt: ManagementClient, state: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever breaks off wants to know."""
    with pytest.raises(KeyboardInterrupt), ephemeral(mgmt, silent=False, progress="plain"):
        raise KeyboardInterrupt
    said = capfd.readouterr().err.splitlines()[-1]
    assert said == "inferencekey: the workload `bot` (wl_1) of project `acme` is deleted"


@pytest.mark.parametrize("options", [{"silent": True}, {"progress": "off"}, {"progress": "log"}])
def test_what_stays_is_not_printed_where_the_wait_is_not_shown(
    mgmt: ManagementClient,
    state: Path,
    capfd: pytest.CaptureFixture[str],
    options: dict[str, Any],
) -> None:
    """Libraries and servers have a log; the note on the error is there too."""
    with (
        pytest.raises(Mine) as caught,
        ephemeral(mgmt, keep_on_error=True, **{"silent": False, **options}),
    ):
        raise Mine
    assert "is kept" in caught.value.__notes__[0]  # type: ignore[attr-defined]  # New in 3.11.
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_only_an_error_keeps_it(
    hosted: Hosted, mgmt: ManagementClient, error: type[BaseException] | None
) -> None:
    """Ctrl-C, an exit and the normal end delete."""
    context = ephemeral(mgmt, keep_on_error=True)
    context.__enter__()
    context.__exit__(error, error and error(), None)
    assert hosted.left() == []
