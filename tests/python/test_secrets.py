"""No token is ever shown (wire.md 1.3, faults.md 3.16)."""

from __future__ import annotations

import base64
import copy
import gc
import logging
import os
import pickle
import re
import subprocess
import sys
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CellType, ModuleType
from typing import Any

import pytest
from clients import API_KEY, LIVE, SDK_TOKEN, SPEC, completion, data, delta, endpoint, management
from double import Double, Request, answer, sse
from shown import shows_a_secret

from inferencekey import (
    AuthError,
    ConfigurationError,
    DataClient,
    InferenceKeyError,
    ManagementClient,
    ValidationError,
    WorkloadSpec,
)
from inferencekey._secret import Secret, token


def test_reprs_show_the_display_form() -> None:
    """A repr names the base URL, the project and the token's id, and nothing secret."""
    with Double() as double:
        mgmt = management(double)
        assert repr(mgmt) == (
            f"<ManagementClient project='acme' base_url='{double.url}' token='ik_sdk_0123abcd…'>"
        )
        assert repr(endpoint(double)) == (
            f"<Endpoint workload_slug='bot' project='acme' base_url='{double.url}' "
            "token='ik_live_4567cdef…'>"
        )
        for thing in (mgmt, data(double), endpoint(double)):
            assert not shows_a_secret(f"{thing!r} {thing} {vars(thing)}")


def test_a_walk_over_all_objects_finds_a_token_in_its_closure_alone() -> None:
    """What a debugger or a memory profiler lists; the one place is the one that hands it on."""
    with Double() as double:
        for thing in (management(double), data(double), endpoint(double)):
            found = set()
            for holder, held in reachable(thing):
                if isinstance(held, (str, bytes, bytearray)) and shows_a_secret(str(held)):
                    found.add(type(holder))
            assert found == {CellType}


def reachable(thing: object) -> Iterator[tuple[object, object]]:
    """All objects that `thing` leads to, each with what holds it, but for classes and modules."""
    seen: dict[int, object] = {}
    waiting = [thing]
    while waiting:
        holder = waiting.pop()
        for held in gc.get_referents(holder):
            # A function leads to its module's globals, and so to this test.
            is_module = isinstance(held, ModuleType) or held is getattr(holder, "__globals__", None)
            if not is_module and not isinstance(held, type) and id(held) not in seen:
                seen[id(held)] = held
                waiting.append(held)
                yield holder, held


def test_a_secret_is_not_pickled() -> None:
    """A token leaves the process in one header, and in no other way."""
    secret = token(SDK_TOKEN)
    with pytest.raises(TypeError, match="a token is not pickled"):
        pickle.dumps(secret)
    assert copy.deepcopy([secret]) == [secret] == [copy.copy(secret)]


def test_a_secret_prints_nothing() -> None:
    """Neither repr, str, format nor a debugger's list of attributes shows it."""
    secret = Secret(SDK_TOKEN.encode())
    shown = f"{secret!r} {secret} {secret.reveal!r} {dir(secret)}"
    assert not shows_a_secret(shown)


def as_any(value: Any) -> Any:
    """A value of the wrong type, which is the point."""
    return value


FAILURES: list[tuple[str, Callable[[str], object]]] = [
    (
        "a bad base URL",
        lambda url: ManagementClient(base_url="ftp://x", sdk_token=SDK_TOKEN),
    ),
    (
        "a token with a control character",
        lambda url: ManagementClient(base_url=url, sdk_token=f"{SDK_TOKEN}\x01"),
    ),
    (
        "a token with a lone surrogate",
        lambda url: ManagementClient(base_url=url, sdk_token=f"{SDK_TOKEN}\ud800"),
    ),
    (
        "a token that is bytes",
        lambda url: ManagementClient(base_url=url, sdk_token=as_any(SDK_TOKEN.encode())),
    ),
    (
        "a data key on the control plane",
        lambda url: ManagementClient(base_url=url, sdk_token=API_KEY),
    ),
    (
        "an option that is no JSON",
        lambda url: ManagementClient(base_url=url, sdk_token=SDK_TOKEN, retries=as_any(1j)),
    ),
    (
        "a token in the base URL",
        lambda url: DataClient(base_url=f"https://{API_KEY}@host", project="p"),
    ),
    (
        "a token in the base URL, from_env",
        lambda url: ManagementClient.from_env(base_url=f"https://h?k={API_KEY}", sdk_token="x"),
    ),
    (
        "a token in a spec",
        lambda url: ManagementClient(base_url=url, sdk_token="x", project="p").ensure(
            WorkloadSpec("Bot", "bot", "m", "vllm", config={"key": API_KEY})
        ),
    ),
    (
        "a token in a spec, beside what is no JSON",
        lambda url: ManagementClient(base_url=url, sdk_token="x", project="p").plan(
            WorkloadSpec("Bot", "bot", "m", "vllm", config={"key": API_KEY, "more": {"a": {1}}})
        ),
    ),
    (
        "a timeout that is none",
        lambda url: DataClient(base_url=url, project="p", api_key=API_KEY, timeout=-1),
    ),
    (
        "from_env without a project",
        lambda url: DataClient.from_env(base_url=url, api_key=API_KEY),
    ),
    (
        "a slug that is none",
        lambda url: DataClient(base_url=url, project="p").endpoint("../x", api_key=API_KEY),
    ),
    (
        "a control token on the data plane",
        lambda url: DataClient(base_url=url, project="p").endpoint("x", api_key=SDK_TOKEN),
    ),
    (
        "a server that echoes the request",
        lambda url: ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="p").list(),
    ),
]


def echoes(text: str) -> list[str]:
    """The text as debug pages show it: raw, URL-encoded, in base64."""
    encoded = base64.b64encode(text.encode()).decode()
    return [text, urllib.parse.quote(text, safe=""), encoded]


@pytest.mark.parametrize("fail", [row[1] for row in FAILURES], ids=[row[0] for row in FAILURES])
def test_no_failure_shows_a_token(fail: Callable[[str], object]) -> None:
    """Message, attributes, pickle, and a traceback with the locals of all our frames."""
    echoed = " ".join([*echoes(f"Bearer {SDK_TOKEN}"), *echoes(SDK_TOKEN)])
    refusal = answer({"error": {"code": "unauthorized", "message": echoed}}, 401)
    with Double(refusal) as double, pytest.raises(InferenceKeyError) as caught:
        fail(double.url)
    error = caught.value
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame.locals for frame in report.stack if "/inferencekey/_" in frame.filename]
    assert ours
    shown = [str(error), repr(error), str(vars(error)), str(pickle.dumps(error)), str(ours)]
    assert [text for text in shown if shows_a_secret(text)] == []


def test_the_servers_words_survive_masking() -> None:
    """The rest of an echoed text stays readable, in the display form."""
    words = f"token {SDK_TOKEN} is revoked"
    refusal = answer({"error": {"code": "unauthorized", "message": words}}, 401)
    with Double(refusal) as double, pytest.raises(AuthError) as caught:
        management(double).list()
    assert "token ik_sdk_0123abcd… is revoked" in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"config": {"env": [{"KEY": f"x {API_KEY}"}]}}, "config.env[0].KEY"),
        ({"command": f"serve --key {SDK_TOKEN}"}, "command"),
    ],
)
def test_a_token_in_a_spec_is_refused(spec: dict[str, Any], field: str) -> None:
    """The platform would store and show it (wire.md 1.4); the error names the path alone."""
    with Double() as double:
        with pytest.raises(ConfigurationError) as caught:
            management(double).ensure(WorkloadSpec("Bot", "bot", "m", "vllm", **spec))
        assert double.journal.requests == []
    assert (caught.value.code, caught.value.field) == ("secret_in_spec", field)
    assert not shows_a_secret(str(caught.value))


def test_requests_never_hold_a_token_but_in_their_header() -> None:
    """The token goes out in one header, and nowhere else."""
    with Double(answer([]), answer(LIVE, 201)) as double:
        management(double).ensure(SPEC)
        for request in double.journal.requests:
            assert request.headers.pop("authorization") == f"Bearer {SDK_TOKEN}"
            assert not shows_a_secret(f"{request.target} {request.headers} {request.body!r}")


@pytest.mark.parametrize(
    "value", [API_KEY.encode(), [API_KEY], 5, False, {}], ids=lambda value: type(value).__name__
)
def test_a_token_is_text(value: object) -> None:
    """The error names the argument and the type, and not the value."""
    kind = type(value).__name__
    for name, make in (
        ("sdk_token", lambda: ManagementClient(base_url="http://h", sdk_token=as_any(value))),
        ("api_key", lambda: DataClient.from_env(project="p", api_key=as_any(value))),
    ):
        with pytest.raises(ValidationError) as caught:
            make()
        assert str(caught.value) == f"`{name}` must be a string, not {kind}"
        assert caught.value.field == name


def test_no_log_record_shows_a_token(caplog: pytest.LogCaptureFixture) -> None:
    """At DEBUG, with a server that says the token back in each of its answers."""
    seen: set[str] = set()

    def echo(request: Request) -> bytes:
        """The first time a refusal, so that each call is tried again."""
        token = request.headers["authorization"].removeprefix("Bearer ")
        headers = {"x-request-id": token, "x-echo": token}
        if request.target not in seen:
            seen.add(request.target)
            words = {"error": {"code": token, "message": " ".join(echoes(token))}}
            return answer(words, 429, {**headers, "retry-after": "0"})
        if "readiness" in request.target:
            return sse({"phase": "ready", "message": token})
        if request.method == "GET":
            return answer([{**LIVE, "description": token}], headers=headers)
        if b'"stream":true' in request.body:
            return sse(delta("Hi", "stop"), "[DONE]")
        return answer(completion("Hi"), headers=headers)

    with caplog.at_level(logging.DEBUG), Double(echo) as double:
        mgmt, bot = management(double), endpoint(double)
        mgmt.list()
        mgmt.ensure(SPEC)
        mgmt.wait_until_ready("bot", silent=True)
        bot.generate_text(prompt="Hi")
        seen.clear()
        list(bot.generate_text_stream(prompt="Hi"))
    assert len(caplog.records) >= 4
    for record in caplog.records:
        assert not shows_a_secret(f"{record.getMessage()} {vars(record)}")


LEAKS = """
import base64, logging, sys
import pytest
from child import run, running
from clients import SDK_TOKEN

def test_prints():
    print(SDK_TOKEN)

def test_writes_a_part_to_stderr():
    sys.stderr.write(SDK_TOKEN[20:40])

def test_logs():
    logging.getLogger("x").warning(SDK_TOKEN)

def test_encodes():
    print(base64.b64encode(b"Bearer " + SDK_TOKEN.encode()))

def test_reads_what_it_printed(capsys):
    print(SDK_TOKEN)
    capsys.readouterr()

def test_has_a_child_that_prints():
    run("print(SDK_TOKEN)")

def test_leaves_a_child_that_prints():
    with running("print(SDK_TOKEN)") as process:
        process.wait()

@pytest.mark.parametrize("token", [SDK_TOKEN])
def test_is_called(token):
    pass

@pytest.fixture
def late():
    yield
    print(SDK_TOKEN)

def test_has_a_fixture_that_prints(late):
    pass
"""


def test_a_token_in_any_output_of_a_test_fails_it(tmp_path: Path) -> None:
    """The watch over all tests of this folder sees every way out."""
    conftest = Path(__file__).with_name("conftest.py")
    (tmp_path / "conftest.py").write_text(conftest.read_text())
    leaks = tmp_path / "test_leaks.py"
    leaks.write_text(LEAKS + "\ndef test_is_good():\n    print(SDK_TOKEN[:15])\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(leaks)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(conftest.parent)},
        capture_output=True,
        text=True,
        timeout=15,
    )
    bad = set(re.findall(r"^(?:FAILED|ERROR) test_leaks\.py::(\w+)", done.stdout, re.MULTILINE))
    assert bad == set(re.findall(r"^def (test_\w+)", LEAKS, re.MULTILINE))
    assert "PASSED test_leaks.py::test_is_good" in done.stdout
