"""What holds for every test: nothing of the machine that runs it reaches it."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator, Iterator
from typing import Any

import hypothesis
import pytest
from shown import check, shows_a_secret

# Whoever starts the tests in the background may have had SIGINT ignored, which every child would
# inherit: no Ctrl-C in any of them. A handler is not inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is the machine's business; a hang is found by the test's own limit.
# The same examples each time: what is red in CI is red everywhere. `--hypothesis-profile=soak`
# looks for new ones.
hypothesis.settings.register_profile(
    "project",
    deadline=None,
    derandomize=True,
    max_examples=50,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "soak", hypothesis.settings.get_profile("project"), derandomize=False, max_examples=2000
)
hypothesis.settings.load_profile("project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives tests with many examples more time: the first of a fresh clone builds its tables."""
    for item in items:
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.timeout(40 + hypothesis.settings().max_examples))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails a test during which a token of ours was printed or logged, whatever it tested."""
    report = yield
    if shows_a_secret("".join([item.nodeid, *(text for _, text in report.sections)])):
        report.outcome, report.sections = "failed", []
        report.longrepr = "a token stands in what was printed or logged during this test"
    return report


@pytest.fixture(autouse=True)
def bare_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Neither a proxy nor a token comes in from outside, and nothing goes to the user's folders."""
    for name in list(os.environ):
        named = name in ("FORCE_COLOR", "NO_COLOR", "GITHUB_STEP_SUMMARY")
        prefixes = ("INFERENCEKEY_", "SSL_CERT_", "CLICOLOR")
        if named or name.startswith(prefixes) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("INFERENCEKEY_STATE_DIR", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(autouse=True)
def watched_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output that a test reads itself is in no report, so it is looked through here."""
    read = pytest.CaptureFixture.readouterr

    def watched(capture: pytest.CaptureFixture[Any]) -> Any:
        found = read(capture)
        check(str(found.out), str(found.err))
        return found

    monkeypatch.setattr(pytest.CaptureFixture, "readouterr", watched)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Fails a test that leaves an object in the core."""
    from inferencekey._ffi import lib

    gc.collect()
    before = lib.ikey_live_objects()
    yield
    gc.collect()
    assert lib.ikey_live_objects() == before
