"""Clients and endpoints as configuration: copied in their process, pickled into another one."""

from __future__ import annotations

import base64
import copy
import math
import pickle
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from child import run
from clients import API_KEY, LIVE, SDK_TOKEN, completion, data, management
from double import Double, Request, answer

from inferencekey import (
    ConfigurationError,
    DataClient,
    Endpoint,
    ManagementClient,
    NotFound,
    PermissionDenied,
    ServerError,
    Timeouts,
)

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
OTHER_KEY = "ik_live_89ab0123_" + "a5" * 32


def respond(request: Request) -> bytes:
    """The model says which key it was asked with; the platform has one workload."""
    if request.method == "GET":
        return answer([LIVE])
    return answer(completion(request.headers["authorization"]))


def key_used(endpoint: Endpoint) -> str:
    """The data key that reaches the platform."""
    return endpoint.generate_text(prompt="Hi").text.removeprefix("Bearer ")


def made(double: Double) -> list[Any]:
    """One of each: with explicit values, from the environment, with an endpoint's own key."""
    keyed = data(double)
    return [
        management(double),
        keyed,
        data(double, api_key=None),
        keyed.endpoint("My Bot"),
        keyed.endpoint("bot", api_key=OTHER_KEY),
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_pickle_holds_a_token(protocol: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw, hexadecimal, URL-encoded, in base64 at each offset, or a recognisable part of it."""
    monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
    monkeypatch.setenv("INFERENCEKEY_API_KEY", API_KEY)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:9")
    with Double() as double:
        from_env = [
            ManagementClient.from_env(base_url=double.url),
            DataClient.from_env(base_url=double.url, project="acme"),
            DataClient.from_env(base_url=double.url, project="acme").endpoint("bot"),
        ]
        for thing in made(double) + from_env:
            pickled = pickle.dumps(thing, protocol)
            for secret in (SDK_TOKEN, API_KEY, OTHER_KEY, "hunter2"):
                for form in forms(secret):
                    assert form not in pickled, (thing, form)


def forms(secret: str) -> list[bytes]:
    """What a scanner would look for."""
    raw = secret.encode()
    half = raw[: len(raw) // 2]
    # Inside a longer text base64 has one of three phases; the ends depend on the neighbours.
    shifted = [base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3) if len(raw) > 12]
    quoted = urllib.parse.quote(secret, safe="").encode()
    return [raw, half, raw[-12:], raw.hex().encode(), half.hex().encode(), quoted, *shifted]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_works_with_the_tokens_of_its_process(
    protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Base URL, project, slug and options come along; the token is the one found there."""
    with Double(respond) as double:
        pickles = [pickle.dumps(thing, protocol) for thing in made(double)]
        monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", f" {SDK_TOKEN}\n")
        monkeypatch.setenv("INFERENCEKEY_API_KEY", OTHER_KEY)
        # What the pickle brings along is not asked of the environment again.
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", "http://127.0.0.1:1")
        monkeypatch.setenv("INFERENCEKEY_PROJECT", "other")
        mgmt, *clients, bot, own = [pickle.loads(pickled) for pickled in pickles]
        assert [workload["slug"] for workload in mgmt.list()] == ["bot"]
        assert [key_used(client.endpoint("x")) for client in clients] == [OTHER_KEY] * 2
        assert [key_used(endpoint) for endpoint in (bot, own)] == [OTHER_KEY] * 2
        assert bot.workload_slug == "my-bot"
        targets = {request.target for request in double.journal.requests}
        assert targets == {
            "/api/projects/acme/workloads",
            "/endpoint/acme/x/v1/chat/completions",
            "/endpoint/acme/my-bot/v1/chat/completions",
            "/endpoint/acme/bot/v1/chat/completions",
        }


def test_what_came_out_of_the_environment_is_pickled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of `from_env` keeps its base URL and project, or that it has no project."""
    monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
    with Double(respond) as double:
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", f"{double.url}/prefix/")
        none = pickle.dumps(ManagementClient.from_env())
        monkeypatch.setenv("INFERENCEKEY_PROJECT", "acme")
        acme = pickle.dumps(ManagementClient.from_env())
        monkeypatch.setenv("INFERENCEKEY_BASE_URL", "https://elsewhere.invalid")
        monkeypatch.setenv("INFERENCEKEY_PROJECT", "elsewhere")
        pickle.loads(acme).list()
        assert double.journal.requests[0].target == "/prefix/api/projects/acme/workloads"
        with pytest.raises(ConfigurationError) as caught:
            pickle.loads(none).list()
        assert caught.value.code == "missing_project"


OPTIONS: list[tuple[str, dict[str, Any], bytes]] = [
    ("retries", {"retries": 0}, answer(b"", 503)),
    ("allow_http", {"base_url": "http://10.255.255.1:9", "allow_http": True}, b""),
    ("timeout", {"timeout": 12.5, "retries": 0}, answer(b"", 503)),
    ("timeouts", {"timeout": Timeouts(total=math.inf, connect=1), "retries": 0}, answer(b"", 503)),
]


@pytest.mark.parametrize(("options", "refusal"), [row[1:] for row in OPTIONS])
@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))]
)
def test_options_come_along(
    options: dict[str, Any],
    refusal: bytes,
    clone: Callable[[Any], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clone of a clone has what the first one was made with."""
    monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
    with Double(lambda request: refusal) as double:
        mgmt = management(double, **options)
        twin = clone(clone(mgmt))
        assert repr(twin) == repr(mgmt)
        assert pickle.dumps(twin) == pickle.dumps(mgmt)
        if "retries" in options:
            with pytest.raises(ServerError):
                twin.list()
            assert len(double.journal.requests) == 1


@pytest.mark.parametrize(
    ("thing", "code", "variable"),
    [
        (management, "missing_token", "INFERENCEKEY_SDK_TOKEN"),
        (lambda double: data(double).endpoint("bot"), "missing_api_key", "INFERENCEKEY_API_KEY"),
        (
            lambda double: data(double, api_key=None).endpoint("bot", api_key=API_KEY),
            "missing_api_key",
            "INFERENCEKEY_API_KEY",
        ),
    ],
)
def test_without_a_token_the_error_says_where_it_has_to_come_from(
    thing: Callable[[Double], Any], code: str, variable: str
) -> None:
    """The pickle is good, and this process has no token for it."""
    with Double() as double:
        pickled = pickle.dumps(thing(double))
    with pytest.raises(ConfigurationError) as caught:
        pickle.loads(pickled)
    assert caught.value.code == code
    assert caught.value.hint == (
        f"a pickle carries no token: set {variable} in the process that loads it"
    )


def test_a_data_client_needs_no_key_of_its_own() -> None:
    """Its endpoints may bring theirs."""
    with Double(respond) as double:
        client = pickle.loads(pickle.dumps(data(double)))
        assert key_used(client.endpoint("bot", api_key=OTHER_KEY)) == OTHER_KEY
        with pytest.raises(ConfigurationError, match="no data key"):
            client.endpoint("bot")


def test_a_token_of_the_other_plane_is_refused_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local checks of a client hold for a pickled one."""
    with Double() as double:
        pickled = pickle.dumps(management(double))
    monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", API_KEY)
    with pytest.raises(PermissionDenied, match="wrong_credential_type"):
        pickle.loads(pickled)


@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy])
def test_a_copy_has_the_token_and_connections_of_its_own(clone: Callable[[Any], Any]) -> None:
    """Closing the one leaves the other; the environment is not asked."""
    with Double(respond) as double:
        for thing, key in [
            (data(double).endpoint("bot"), API_KEY),
            (data(double).endpoint("bot", api_key=OTHER_KEY), OTHER_KEY),
        ]:
            double.journal.connections.clear()
            twin = clone(thing)
            assert type(twin) is Endpoint
            assert [key_used(thing), key_used(twin)] == [key] * 2
            assert len(double.journal.connections) == 2
            thing._client.close()
            assert key_used(twin) == key
        mgmt = management(double)
        with clone(mgmt) as twin:
            assert [workload["slug"] for workload in twin.list()] == ["bot"]
        assert [workload["slug"] for workload in mgmt.list()] == ["bot"]


def test_an_endpoint_and_its_client_stay_together_in_a_copy() -> None:
    """`deepcopy` of what holds both gives one new client, not two."""
    with Double(respond) as double:
        client = data(double)
        twin, bot = copy.deepcopy((client, client.endpoint("bot")))
        twin.close()
        with pytest.raises(ConfigurationError, match="client is closed"):
            key_used(bot)
        assert key_used(client.endpoint("bot")) == API_KEY


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))]
)
def test_a_closed_client_stays_closed(
    clone: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a copy nor a pickle opens it, nor its endpoints."""
    monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
    monkeypatch.setenv("INFERENCEKEY_API_KEY", API_KEY)
    with Double(respond) as double:
        mgmt, client = management(double), data(double)
        bot = client.endpoint("bot")
        mgmt.close()
        client.close()
        for call in (
            clone(mgmt).list,
            lambda: clone(client).endpoint("x"),
            lambda: key_used(clone(bot)),
        ):
            with pytest.raises(ConfigurationError) as caught:
                call()
            assert caught.value.code == "client_closed"
        assert double.journal.requests == []


def test_a_class_of_the_users_own_comes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its further attributes too."""
    monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
    with Double(respond) as double:
        mine = Mine(base_url=double.url, sdk_token=SDK_TOKEN, project="acme")
        mine.team = "search"
        for twin in (copy.copy(mine), copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
            assert (type(twin), twin.team) == (Mine, "search")
            with pytest.raises(NotFound):
                twin.get("absent")


class Mine(ManagementClient):
    """A client with a note."""

    team = ""


def test_a_relative_ca_bundle_is_found_from_another_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon goes to `/` after its fork."""
    monkeypatch.setenv("INFERENCEKEY_SDK_TOKEN", SDK_TOKEN)
    monkeypatch.chdir(tmp_path)
    Path("ca.pem").write_text(CERTIFICATE)
    mgmt = ManagementClient(base_url="https://127.0.0.1:9", sdk_token=SDK_TOKEN, ca_bundle="ca.pem")
    monkeypatch.chdir("/")
    twins = [copy.copy(mgmt), pickle.loads(pickle.dumps(mgmt))]
    assert [repr(twin) for twin in twins] == [repr(mgmt)] * 2


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_multiprocessing_takes_clients_as_arguments(method: str, tmp_path: Path) -> None:
    """Each way of starting a process; the token is in its environment, not in the pickle."""
    program = tmp_path / "program.py"
    program.write_text(WORKERS)
    with Double(respond) as double:
        assert run(STARTED, str(program), method, double.url) == (0, "4 good keys\n", "")


WORKERS = """
import multiprocessing, os, sys
from inferencekey import DataClient

def ask(bot):
    return bot.generate_text(prompt="Hi").text.removeprefix("Bearer ")

def work(bot, client, answers):
    answers.put([ask(bot), ask(client.endpoint("bot"))])

if __name__ == "__main__":
    method, url, key = sys.argv[1:]
    # The key stays out of the arguments of the children.
    os.environ["INFERENCEKEY_API_KEY"] = key
    context = multiprocessing.get_context(method)
    client = DataClient.from_env(base_url=url, project="acme")
    bot = client.endpoint("bot")
    answers = context.Queue()
    process = context.Process(target=work, args=(bot, client, answers))
    process.start()
    first = answers.get()
    process.join()
    with context.Pool(1) as pool:
        keys = [*first, *pool.map(ask, [bot, bot])]
    print(keys.count(key), "good keys")
"""
STARTED = """
program, method, url = ARGS
os.execv(sys.executable, [sys.executable, program, method, url, API_KEY])
"""

# Of a certificate authority made for this test; its key was thrown away.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBdjCCARugAwIBAgIUdYqF6MK2qGOs8tTBbkxObdzJ38EwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjUyMjAyNTdaGA8yMTI2MTEwMTIyMDI1
N1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABERW
Hwl/X8HEecH6wsFRoaEHbwwkeaT8Tp34Jz5XYtImHlzXnfe+xgmFldwgIHYtuTGA
mcYOifrQZLS5dGXQVa6jUzBRMB0GA1UdDgQWBBTsCWP8+FNUfwxMtR3ZbSKk7WmW
VDAfBgNVHSMEGDAWgBTsCWP8+FNUfwxMtR3ZbSKk7WmWVDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0kAMEYCIQCnvuaklum/efKV/yxosq8zFUAfcb9AXGaE
LNHJ5AXY/QIhAImTEFqzNFcpIjiXPUwOB8jYpOWPPJ9ypdg/bogpX7Ou
-----END CERTIFICATE-----
"""
