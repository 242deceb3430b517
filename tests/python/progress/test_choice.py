"""Which display is chosen: by the call, the environment, or the place."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest

from inferencekey import ValidationError
from inferencekey._progress import choice
from inferencekey._progress.json_lines import JsonLines
from inferencekey._progress.live import Live
from inferencekey._progress.notebook import Notebook
from inferencekey._progress.plain import Plain
from inferencekey._watcher import Silent
from progress.played import PULLING, READY, Log, Terminal


@pytest.fixture(autouse=True)
def ordinary_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment wishes nothing."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "INFERENCEKEY_PROGRESS"):
        monkeypatch.delenv(name, raising=False)


def display(
    progress: Any = None, *, quiet: bool = False, stderr: object = None, **how: Any
) -> Silent:
    """The display that is chosen where stderr is a terminal, or what is given."""
    with contextlib.redirect_stderr(stderr or Terminal()):  # type: ignore[type-var]
        return choice.display("bot", progress, quiet=quiet, **how)


@pytest.mark.parametrize(
    ("wish", "term", "kind"),
    [
        ("", "xterm", Live),
        ("auto", "xterm", Live),
        ("lvie", "xterm", Live),
        ("", "dumb", Plain),
        ("plain", "xterm", Plain),
        ("live", "dumb", Live),
        ("json", "xterm", JsonLines),
        ("log", "xterm", Silent),
        (" OFF ", "xterm", Silent),
    ],
)
def test_the_environment_chooses(
    monkeypatch: pytest.MonkeyPatch, wish: str, term: str, kind: type
) -> None:
    """It wins over what the terminal can do; what is misspelt there fails no program."""
    monkeypatch.setenv("INFERENCEKEY_PROGRESS", wish)
    monkeypatch.setenv("TERM", term)
    assert type(display()) is kind


@pytest.mark.parametrize(
    ("progress", "kind"),
    [
        ("live", Live),
        ("Plain", Plain),
        ("json", JsonLines),
        ("log", Silent),
        ("off", Silent),
        (False, Silent),
        (None, JsonLines),
        (True, JsonLines),
        ("auto", Live),
        ("notebook", Plain),
    ],
)
def test_the_call_wins_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, progress: str | bool | None, kind: type
) -> None:
    """None and True name no display, so the environment's is taken."""
    monkeypatch.setenv("INFERENCEKEY_PROGRESS", "json")
    assert type(display(progress)) is kind


def test_a_log_gets_lines() -> None:
    """Not a terminal, no live line."""
    assert type(display(stderr=Log())) is Plain


@pytest.mark.parametrize(
    ("progress", "words", "hint"),
    [
        ("lvie", "not `lvie`", "did you mean `live`?"),
        ("JSONL", "not `JSONL`", "did you mean `json`?"),
        ("nothing of the kind at all", "not another text", "leave it out"),
        ("ik_sdk_0123abcd_x", "not another text", "leave it out"),
        (1, "not of type int", "leave it out"),
        (print, "not of type builtin_function_or_method", "leave it out"),
    ],
)
def test_a_wrong_name_is_refused(progress: object, words: str, hint: str) -> None:
    """Also beside silent and on_progress: it is a mistake all the same."""
    for quiet in (False, True):
        with pytest.raises(ValidationError, match=words) as caught:
            display(progress, quiet=quiet)
        assert (caught.value.field, caught.value.operation) == ("progress", "wait_until_ready")
        assert caught.value.hint is not None
        assert caught.value.hint.startswith(hint)


def in_a_thread(call: Callable[[], object]) -> object:
    """What a server's worker gets."""
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(call()))
    thread.start()
    thread.join()
    return got[0]


def in_an_event_loop(call: Callable[[], object]) -> object:
    """What a coroutine gets."""

    async def called() -> object:
        return call()

    # A loop that is given no chance to change signal handlers of the tests.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(called())
    finally:
        loop.close()


@pytest.mark.parametrize("place", [in_a_thread, in_an_event_loop])
def test_libraries_and_servers_are_silent(
    monkeypatch: pytest.MonkeyPatch, place: Callable[[Callable[[], object]], object]
) -> None:
    """Unless somebody asks for it: the call, or the user by the environment."""
    assert type(place(lambda: display())) is Silent
    assert type(place(lambda: display(True))) is Live
    assert type(place(lambda: display("plain"))) is Plain
    monkeypatch.setenv("INFERENCEKEY_PROGRESS", "plain")
    assert type(place(lambda: display())) is Plain


def test_a_callback_shows_it_itself() -> None:
    """Quiet, unless the call names a display; the environment is no such call."""
    assert type(display(quiet=True)) is Silent
    assert type(display(True, quiet=True)) is Silent
    assert type(display("json", quiet=True)) is JsonLines


class Handle:
    """As IPython's DisplayHandle: shows an object in the place of the one before."""

    def __init__(self, shown: list[object]) -> None:
        self._shown = shown

    def update(self, obj: object) -> None:
        """Another object in the same place."""
        self._shown[-1] = obj


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A faithful double of IPython in a kernel: what its cell shows."""
    shown: list[object] = []

    def show(obj: object, *, display_id: bool) -> Handle:
        assert display_id is True
        shown.append(obj)
        return Handle(shown)

    shell = types.SimpleNamespace(kernel=object())
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
    machinery = types.SimpleNamespace(display=show)
    monkeypatch.setitem(sys.modules, "IPython.display", machinery)  # type: ignore[arg-type]
    return shown


def test_a_notebook_gets_one_output(kernel: list[object]) -> None:
    """It is written anew as the wait goes on; markup of the server's is text."""
    show = in_an_event_loop(lambda: display())
    assert isinstance(show, Notebook)
    show(PULLING)
    show._shown_at = float("-inf")
    show(type(PULLING)("provisioning", "<script>alert(1)</script>"))
    assert len(kernel) == 1
    markup = kernel[0]._repr_html_()  # type: ignore[attr-defined]
    assert "&lt;script&gt;" in markup
    assert "<script>" not in markup
    assert "✓ scheduling ▸ provisioning · bootstrapping · ready" in repr(kernel[0])
    show(READY)
    show.end(None)
    assert [repr(one) for one in kernel] == ["✓ bot ready in 0:00 · provisioning 0:00"]


def test_a_notebook_without_a_display_is_no_error(
    kernel: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever IPython raises."""

    def refuse(obj: object, *, display_id: bool) -> Handle:
        raise RuntimeError("no comm")

    monkeypatch.setattr(sys.modules["IPython.display"], "display", refuse)
    show = display()
    for event in (PULLING, None, READY):
        show(event)
    show.end(None)
    assert kernel == []


def test_ipython_on_a_terminal_is_a_terminal(kernel: list[object]) -> None:
    """Only a kernel has somewhere else to show it."""
    sys.modules["IPython"].get_ipython().kernel = None
    assert type(display()) is Live
    assert kernel == []


class Broken(Terminal):
    """A stream whose other end is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


class Deaf:
    """Something that a program put in the place of stderr."""

    def write(self, text: str) -> int:
        return len(text)


def closed() -> io.StringIO:
    """A stream that was closed."""
    stream = Terminal()
    stream.close()
    return stream


@pytest.mark.parametrize("kind", [None, "live", "plain", "json"])
@pytest.mark.parametrize(
    "stream", [None, Broken(), closed(), Deaf()], ids=["none", "broken", "closed", "odd"]
)
def test_an_unusable_stderr_is_no_error(
    monkeypatch: pytest.MonkeyPatch, stream: object, kind: str | None
) -> None:
    """Display never fails a call, whatever stderr is (wire.md 2.11)."""
    monkeypatch.setattr(sys, "stderr", stream)
    with choice.display("bot", kind) as show:
        show(PULLING)
        show.make_way()
        show(None)
        show(READY)
