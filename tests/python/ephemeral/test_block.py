"""What a block promises while it runs, and what it says when something goes wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import stat
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from aio import Blocking
from clients import API_KEY, SDK_TOKEN, SPEC, management
from double import HANG, Double, Request, Until

from ephemeral.blocks import Mine, ephemeral, methods, refusal
from ephemeral.hosted import Answer, Hosted, Later, entries
from inferencekey import (
    Cancelled,
    ConfigurationError,
    ConnectionFailed,
    DriftError,
    Endpoint,
    InferenceKeyError,
    ManagementClient,
    NotFound,
    PermissionDenied,
    ValidationError,
)
from inferencekey._ephemeral import lease


def test_a_block_gets_a_ready_endpoint_and_leaves_nothing(
    hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """Created, waited for, used, deleted; the endpoint is closed."""
    with ephemeral(mgmt) as bot:
        assert isinstance(bot, (Endpoint, Blocking))
        assert bot.workload_slug == "bot"
        assert hosted.left() == ["bot"]
        assert bot.generate_text(prompt="Hi").text == "Hi"
    assert hosted.left() == []
    assert entries(state) == []
    assert methods(double) == ["GET", "POST", "GET", "GET", "DELETE"]
    with pytest.raises(ConfigurationError, match="closed"):
        bot.generate_text(prompt="Hi")


def test_the_intent_is_on_disk_before_the_create_is_sent(state: Path) -> None:
    """Private, without a token, and with all that `gc` needs."""
    seen: list[dict[str, Any]] = []
    modes: list[int] = []
    texts: list[str] = []

    def look(request: Request) -> Answer | None:
        if request.method == "POST":
            seen.extend(entries(state))
            for path in (state, state / "ephemeral", *(state / "ephemeral").iterdir()):
                modes.append(stat.S_IMODE(path.stat().st_mode))
            texts.extend(path.read_text() for path in (state / "ephemeral").iterdir())
        return None

    hosted = Hosted(look)
    with Double(hosted) as double, management(double) as mgmt, ephemeral(mgmt, max_lifetime=60):
        pass
    (entry,) = seen
    assert entry["base_url"] == double.url
    assert (entry["project_slug"], entry["workload_slug"]) == ("acme", "bot")
    assert entry["max_lifetime"] == 60
    assert "id" not in entry
    assert modes == [0o700, 0o700, 0o600]
    assert API_KEY not in texts[0]
    assert SDK_TOKEN not in texts[0]


def test_the_mark_stands_behind_the_description(
    hosted: Hosted, mgmt: ManagementClient, state: Path
) -> None:
    """People who look at a dashboard see whose it is and that it will not stay."""
    with ephemeral(mgmt, dataclasses.replace(SPEC, description="nightly batch")):
        (entry,) = entries(state)
        description = hosted.control.workloads[-1]["description"]
        assert description == f"nightly batch [ephemeral {entry['mark']}]"
        assert entry["id"] == "wl_1"


@pytest.mark.parametrize("live", ["nightly", f"nightly [ephemeral {'0' * 32}]"])
def test_a_workload_that_was_there_before_is_used_and_stays(
    hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path, live: str
) -> None:
    """Another block's too; nothing is written, noted down, or deleted."""
    spec = dataclasses.replace(SPEC, description="nightly")
    mgmt.ensure(dataclasses.replace(spec, description=live))
    before = list(hosted.control.workloads)
    with ephemeral(mgmt, spec) as bot:
        assert entries(state) == []
        assert bot.generate_text(prompt="Hi").text == "Hi"
    assert hosted.control.workloads == before
    assert methods(double)[2:] == ["GET", "GET"]


def test_a_workload_that_differs_is_refused(
    hosted: Hosted, double: Double, mgmt: ManagementClient, state: Path
) -> None:
    """DriftError, with what to do about it; nothing is written."""
    mgmt.ensure(dataclasses.replace(SPEC, model="other"))
    with pytest.raises(DriftError, match="`model`") as caught, ephemeral(mgmt):
        raise AssertionError("the block runs")
    assert "was there before" in str(caught.value.hint)
    assert "on_drift" not in str(getattr(caught.value, "__notes__", ""))
    assert methods(double)[2:] == ["GET"]
    assert hosted.left() == ["bot"]
    assert entries(state) == []


@pytest.mark.parametrize("on_taken", ["suffix", "conflict"])
def test_who_loses_the_race_uses_what_won_it(state: Path, on_taken: str) -> None:
    """And leaves it there, but nothing of its own."""
    winner = {"id": "wl_w", "slug": "bot", "name": "Bot", "backend": "vllm", "model_name": "m"}

    def first(request: Request) -> Answer | None:
        if request.method == "POST" and winner not in hosted.control.workloads:
            hosted.control.workloads.append(winner)
        return None

    hosted = Hosted(first)
    hosted.control._on_taken = on_taken
    with Double(hosted) as double, management(double) as mgmt:
        with ephemeral(mgmt):
            assert entries(state) == []
            assert hosted.left() == ["bot"]
        assert winner in hosted.control.workloads
        assert hosted.left() == ["bot"]


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], type[InferenceKeyError], str]] = [
    ("no data key", {}, {"api_key": None}, ConfigurationError, "missing_api_key"),
    ("a control token", {}, {"api_key": SDK_TOKEN}, PermissionDenied, "wrong_credential_type"),
    ("no project", {}, {"project": ".."}, ConfigurationError, "configuration"),
    ("no slug", {"slug": None}, {}, ValidationError, "invalid_argument"),
    ("an unknown task", {"task_type": "x"}, {}, ValidationError, "invalid_argument"),
    ("an unknown display", {}, {"progress": "liv"}, ValidationError, "invalid_argument"),
    ("no timeout", {}, {"timeout": None}, ValidationError, "invalid_argument"),
    ("no lifetime", {}, {"max_lifetime": 0}, ValidationError, "invalid_argument"),
    ("a negative lifetime", {}, {"max_lifetime": -1}, ValidationError, "invalid_argument"),
    ("NaN as lifetime", {}, {"max_lifetime": float("nan")}, ValidationError, "invalid_argument"),
    ("text as lifetime", {}, {"max_lifetime": "1h"}, ValidationError, "invalid_argument"),
]


@pytest.mark.parametrize(
    ("fields", "options", "kind", "code"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
def test_what_cannot_work_is_refused_before_anything_is_sent(
    fields: dict[str, Any],
    options: dict[str, Any],
    kind: type[InferenceKeyError],
    code: str,
    double: Double,
    mgmt: ManagementClient,
) -> None:
    """By `ephemeral` itself, so that no workload is created for it."""
    with pytest.raises(kind) as caught:
        ephemeral(mgmt, dataclasses.replace(SPEC, **fields), **options)
    assert caught.value.code == code
    assert double.journal.requests == []


def test_no_spec_at_all_is_refused(mgmt: ManagementClient) -> None:
    """With the type that was given."""
    with pytest.raises(ValidationError, match="WorkloadSpec, not str"):
        mgmt.ephemeral("bot", api_key=API_KEY)  # type: ignore[arg-type]


def test_the_data_key_comes_from_the_environment(
    mgmt: ManagementClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for `DataClient.from_env`."""
    monkeypatch.setenv("INFERENCEKEY_API_KEY", API_KEY)
    with mgmt.ephemeral(SPEC, silent=True) as bot:
        assert bot.generate_text(prompt="Hi").text == "Hi"


@pytest.mark.parametrize("project", ["other", " other "])
def test_the_project_is_the_same_on_both_planes(
    double: Double, mgmt: ManagementClient, state: Path, project: str
) -> None:
    """Of the call, before the spec's, before the client's."""
    spec = dataclasses.replace(SPEC, project="another")
    with ephemeral(mgmt, spec, project=project) as bot:
        bot.generate_text(prompt="Hi")
        assert entries(state)[0]["project_slug"] == "other"
    with ephemeral(mgmt, spec, project=" ") as bot:
        bot.generate_text(prompt="Hi")
    targets = [one.target for one in double.journal.requests if "/endpoint/" in one.target]
    assert targets == [
        "/endpoint/other/bot/v1/chat/completions",
        "/endpoint/another/bot/v1/chat/completions",
    ]


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_create(
    hosted: Hosted,
    double: Double,
    mgmt: ManagementClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A workload that nobody could find again is not created."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("INFERENCEKEY_STATE_DIR", str(tmp_path / "file"))
    with pytest.raises(ConfigurationError) as caught, ephemeral(mgmt):
        raise AssertionError("the block runs")
    assert str(tmp_path / "file") in str(caught.value)
    assert "INFERENCEKEY_STATE_DIR" in str(caught.value.hint)
    assert methods(double) == ["GET"]
    assert hosted.left() == []


def test_a_context_is_entered_once(hosted: Hosted, mgmt: ManagementClient) -> None:
    """Its endpoint is closed afterwards, and its mark used up."""
    context = ephemeral(mgmt)
    with context:
        pass
    with pytest.raises(ConfigurationError, match="entered before"), context:
        raise AssertionError("the block runs")
    assert hosted.left() == []


def test_a_lifetime_ends_a_block_that_still_runs(state: Path) -> None:
    """The workload is gone, the error that follows says why, and the end of the block is quiet."""
    deleted = threading.Event()

    def gone(request: Request) -> Answer | None:
        if request.target.startswith("/endpoint/"):
            return refusal(404)
        if request.method == "DELETE":
            deleted.set()
        return None

    hosted = Hosted(gone)
    with Double(hosted) as double, management(double) as mgmt:
        context = ephemeral(mgmt, max_lifetime=0.2)
        bot = context.__enter__()
        assert deleted.wait(10)
        while entries(state):
            threading.Event().wait(0.01)
        assert hosted.left() == []
        with pytest.raises(NotFound) as caught:
            bot.generate_text(prompt="Hi")
        context.__exit__(NotFound, caught.value, None)
        assert methods(double).count("DELETE") == 1
    assert "max_lifetime of the workload, 0.2 s, is over" in caught.value.__notes__[-1]


def test_a_lifetime_that_passes_while_the_workload_is_created_ends_it(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever learns of the create last deletes what it made."""
    monkeypatch.setattr(lease, "_APPEARS_WITHIN", 0.5)
    looked, created = threading.Event(), threading.Event()
    lists: list[Request] = []

    def make(request: Request) -> bytes:
        made = hosted.answer(request)
        # A platform that keeps no description: only the id proves anything.
        hosted.control.workloads[-1]["description"] = ""
        created.set()
        return made

    def slow(request: Request) -> Answer | None:
        if request.method == "POST":
            return [Later(looked, lambda: make(request))]
        if request.method == "GET":
            lists.append(request)
            if len(lists) == 3:
                looked.set()
                return [Until(created), hosted.answer(request)]
        return None

    hosted = Hosted(slow)
    with Double(hosted) as double, management(double) as mgmt:
        # The delete comes before the wait, or after it.
        with contextlib.suppress(Cancelled):
            context = ephemeral(mgmt, max_lifetime=0.05)
            context.__enter__()
        while hosted.left() or entries(state):
            threading.Event().wait(0.01)


def test_a_lifetime_without_end_needs_no_thread(mgmt: ManagementClient) -> None:
    """Neither None nor infinity start one."""
    for lifetime in (None, float("inf")):
        before = threading.active_count()
        with ephemeral(mgmt, max_lifetime=lifetime):
            assert not [one for one in threading.enumerate() if "lifetime" in one.name]
        assert threading.active_count() <= before + 1


def test_blocks_may_overlap(hosted: Hosted, mgmt: ManagementClient, state: Path) -> None:
    """Each deletes its own, in any order."""
    one, two = ephemeral(mgmt), ephemeral(mgmt, dataclasses.replace(SPEC, slug="two"))
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert hosted.left() == ["two"]
    two.__exit__(None, None, None)
    assert hosted.left() == []
    assert entries(state) == []


def test_a_platform_that_cannot_be_reached_says_so(state: Path) -> None:
    """The error of the block's own request; nothing is noted down."""
    with Double() as double:
        pass
    mgmt = management(double, retries=0)
    with pytest.raises(ConnectionFailed), ephemeral(mgmt):
        raise AssertionError("the block runs")
    assert entries(state) == []


@pytest.mark.usefixtures("nothing_left")
def test_a_block_leaves_nothing_in_memory(state: Path) -> None:
    """Neither its own client nor the endpoint's, whether it ended well or not."""
    with Double(Hosted()) as double, management(double) as mgmt:
        with ephemeral(mgmt, max_lifetime=60) as bot:
            bot.generate_text(prompt="Hi")
        with contextlib.suppress(Mine), ephemeral(mgmt, keep_on_error=True):
            raise Mine


def test_nothing_warns(hosted: Hosted, mgmt: ManagementClient) -> None:
    """No descriptor is left open, in development mode too."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ephemeral(mgmt, max_lifetime=60):
            pass
    assert hosted.left() == []


def test_a_stream_of_the_block_ends_with_it(state: Path) -> None:
    """Whoever still reads it is told at once, and does not wait for the platform."""
    hosted = Hosted(lambda request: [HANG] if "/endpoint/" in request.target else None)
    ended: list[BaseException] = []

    def read(bot: Endpoint) -> None:
        try:
            bot.generate_text(prompt="Hi")
        except InferenceKeyError as error:
            ended.append(error)

    with Double(hosted) as double, management(double) as mgmt:
        with ephemeral(mgmt) as bot:
            thread = threading.Thread(target=read, args=(bot,))
            thread.start()
            double.journal.wait_for_requests(4)
        thread.join(10)
    assert [type(error) for error in ended] == [Cancelled]
