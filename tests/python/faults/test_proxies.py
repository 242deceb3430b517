"""Proxies: used, kept out of what is not theirs, and named when they are at fault."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from authority import Authority
from clients import API_KEY, SDK_TOKEN, completion, data, delta, endpoint, management
from double import (
    FIN,
    HANG,
    RST,
    Certificate,
    Double,
    Request,
    Script,
    Step,
    Tunnel,
    answer,
    sse,
)

from inferencekey import (
    ConfigurationError,
    DataClient,
    InferenceKeyError,
    ManagementClient,
    ProxyError,
    Timeout,
    Timeouts,
)

EMPTY = answer({"workloads": []})
CREDENTIALS = "Basic " + base64.b64encode(b"user:hunter2@x").decode()


def relay(request: Request) -> Script:
    """What a good proxy does: opens tunnels, and answers for http targets itself."""
    return [Tunnel(request.target)] if request.method == "CONNECT" else EMPTY


def places(error: BaseException) -> str:
    """Everything that an error shows."""
    return f"{error} {error!r} {vars(error)} {error.__cause__!r}"


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    """For servers on 127.0.0.1."""
    return authority.sign("IP:127.0.0.1")


@pytest.fixture
def proxy() -> Iterator[Double]:
    """A good proxy."""
    with Double(relay) as started:
        yield started


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_requests_to_an_http_platform_go_to_the_proxy_whole(
    variable: str, proxy: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the whole URL as their target; token and host go along, on one connection."""
    monkeypatch.setenv(variable, proxy.url)
    with management(proxy, base_url="http://platform.test/ik", allow_http=True) as mgmt:
        assert [list(mgmt.list()) for _ in range(3)] == [[], [], []]
    assert len(proxy.journal.connections) == 1
    for request in proxy.journal.requests:
        assert request.target == "http://platform.test/ik/api/projects/acme/workloads"
        assert request.headers["host"] == "platform.test"
        assert request.headers["authorization"] == f"Bearer {SDK_TOKEN}"
        assert "proxy-authorization" not in request.headers


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_an_https_platform_is_reached_through_a_tunnel(
    variable: str,
    proxy: Double,
    authority: Authority,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The proxy sees where to, and nothing else: no token, no path. The tunnel is kept."""
    monkeypatch.setenv(variable, proxy.url)
    with (
        Double(lambda request: EMPTY, tls=certificate) as platform,
        management(platform, ca_bundle=str(authority.certificate)) as mgmt,
    ):
        assert [list(mgmt.list()) for _ in range(3)] == [[], [], []]
        assert [request.target for request in platform.journal.requests] == [
            "/api/projects/acme/workloads"
        ] * 3
    (connect,) = proxy.journal.requests
    assert (connect.method, connect.target) == ("CONNECT", platform.host)
    assert connect.headers == {"host": platform.host}


@pytest.mark.parametrize("tls", [False, True], ids=["http platform", "https platform"])
def test_user_info_of_the_proxy_goes_to_the_proxy_alone(
    tls: bool,
    proxy: Double,
    authority: Authority,
    certificate: Certificate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As basic credentials, its escapes undone."""
    monkeypatch.setenv("ALL_PROXY", f"http://user:hunter2%40x@127.0.0.1:{proxy.port}")
    with (
        Double(EMPTY, tls=certificate if tls else None) as platform,
        management(platform, ca_bundle=str(authority.certificate)) as mgmt,
    ):
        assert list(mgmt.list()) == []
        assert "hunter2" not in repr(mgmt)
        (request,) = proxy.journal.requests
        assert request.headers["proxy-authorization"] == CREDENTIALS
        for request in platform.journal.requests:
            assert "proxy-authorization" not in request.headers


@pytest.mark.parametrize("tls", [False, True], ids=["http platform", "https platform"])
def test_a_proxy_may_itself_speak_tls(
    tls: bool, authority: Authority, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS in TLS for an https platform; large bodies go both ways."""
    text = "ñ" * 300_000
    stream = sse(*[delta(text[:1000])] * 200, delta(finish_reason="stop"), "[DONE]")

    def serve(request: Request) -> Script:
        return stream if request.json()["stream"] else answer(completion(text))

    def through(request: Request) -> Script:
        return [Tunnel(request.target)] if request.method == "CONNECT" else serve(request)

    with (
        Double(serve, tls=certificate if tls else None) as platform,
        Double(through, tls=certificate) as proxy,
    ):
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        bot = endpoint(platform, ca_bundle=str(authority.certificate))
        assert bot.generate_text(prompt=text).text == text
        assert "".join(c.text for c in bot.generate_text_stream(prompt="x")) == text[:1000] * 200
        assert len(platform.journal.requests) == (2 if tls else 0)
        assert len(proxy.journal.requests) == (1 if tls else 2)


def test_a_proxy_whose_certificate_is_not_trusted_is_at_fault(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not asked a second time, and nothing is said to it."""
    with Double(relay, tls=certificate) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with (
            ManagementClient(
                base_url="https://platform.test", sdk_token=SDK_TOKEN, project="acme"
            ) as mgmt,
            pytest.raises(ProxyError, match="unknown authority") as caught,
        ):
            mgmt.list()
        assert caught.value.attempts == 1
        assert not caught.value.retryable
        assert proxy.journal.requests == []


def test_the_variables_are_read_when_the_client_is_made(
    proxy: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By any constructor, and never later."""
    with Double(EMPTY, EMPTY) as platform:
        direct = management(platform)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        through = management(platform)
        monkeypatch.delenv("HTTP_PROXY")
        with direct, through:
            assert list(direct.list()) == list(through.list()) == []
        assert len(platform.journal.requests) == len(proxy.journal.requests) == 1


def test_a_cgi_program_takes_no_proxy_from_its_caller(
    proxy: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, HTTP_PROXY is the `proxy` header of whoever sent the request."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    with Double(EMPTY) as platform, management(platform) as mgmt:
        assert list(mgmt.list()) == []
    assert proxy.journal.requests == []


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_wins(variable: str, proxy: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    """One live run; the rule itself is in tests/vectors/no_proxy.json."""
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    with Double(EMPTY) as platform:
        monkeypatch.setenv(variable, f"example.com, 127.0.0.0/8, localhost:{platform.port}")
        with management(platform) as mgmt:
            assert list(mgmt.list()) == []
        assert len(platform.journal.requests) == 1
    assert proxy.journal.requests == []


@pytest.mark.parametrize("user_info", ["", "user:hunter2%40x@"], ids=["no user", "wrong password"])
@pytest.mark.parametrize("tls", [False, True], ids=["http platform", "https platform"])
def test_a_proxy_that_wants_credentials_is_asked_once(
    tls: bool, user_info: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what to do, names the proxy and the status, and shows no user info."""
    refusal = answer({"error": CREDENTIALS}, 407, {"proxy-authenticate": "Basic realm=x"})
    with Double(lambda request: refusal) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://{user_info}{proxy.host}")
        url = "https://platform.test" if tls else "http://platform.test"
        with (
            management(proxy, base_url=url, allow_http=True) as mgmt,
            pytest.raises(ProxyError, match=f"the proxy {proxy.host} .*407") as caught,
        ):
            mgmt.list()
        assert len(proxy.journal.requests) == 1
    error = caught.value
    assert (error.code, error.status, error.attempts) == ("proxy_failed", 407, 1)
    assert not error.retryable
    assert "ALL_PROXY" in (error.hint or "")
    assert "hunter2" not in places(error)
    assert CREDENTIALS.split()[1] not in places(error)


FAULTS: list[tuple[str, list[Step], str]] = [
    ("garbage", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], "not valid HTTP/1.1"),
    ("reset", [RST], "connection reset"),
    ("closed", [FIN], "connection closed"),
    ("half an answer", [b"HTTP/1.1 200 Conn", FIN], "connection closed"),
]


@pytest.mark.parametrize("tls", [False, True], ids=["http platform", "https platform"])
@pytest.mark.parametrize(("name", "script", "words"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_proxy_that_breaks_off_is_named(
    name: str, script: list[Step], words: str, tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its host, and without its user info; a list is sent again."""
    with Double(lambda request: script) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://user:hunter2@{proxy.host}")
        url = "https://platform.test" if tls else "http://platform.test"
        with (
            management(proxy, base_url=url, allow_http=True, retries=1) as mgmt,
            pytest.raises(ProxyError, match=words) as caught,
        ):
            mgmt.list()
        assert len(proxy.journal.requests) == 2
    assert f"the proxy {proxy.host}: " in str(caught.value)
    assert caught.value.attempts == 2
    assert caught.value.retryable
    assert "hunter2" not in places(caught.value)


@pytest.mark.parametrize("tls", [False, True], ids=["http platform", "https platform"])
def test_a_chat_is_sent_again_only_if_the_platform_cannot_have_seen_it(
    tls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost tunnel carried nothing; a request that a proxy lost may have been billed."""
    with Double(lambda request: [FIN]) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        url = "https://platform.test" if tls else "http://platform.test"
        bot = endpoint(proxy, base_url=url, allow_http=True, retries=1)
        with pytest.raises(ProxyError):
            bot.generate_text(prompt="x")
        assert len(proxy.journal.requests) == (2 if tls else 1)


@pytest.mark.parametrize(("status", "sends"), [(403, 1), (404, 1), (500, 2), (502, 2), (503, 2)])
def test_a_refused_tunnel_says_the_status(
    status: int, sends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the platform's, so `status` stays empty: a 404 here is no absent workload."""
    with Double(lambda request: answer(b"no", status)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with (
            management(proxy, base_url="https://platform.test", retries=1) as mgmt,
            pytest.raises(ProxyError, match=rf"platform.test:443: HTTP {status}") as caught,
        ):
            mgmt.delete("bot")
        assert len(proxy.journal.requests) == sends
    assert caught.value.status is None
    assert caught.value.retryable == (sends > 1)


def test_a_proxy_that_talks_without_end_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits of answers hold for it too (faults.md 1.2)."""
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000
    with Double(lambda request: [hints, HANG]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with (
            management(proxy, base_url="https://platform.test", retries=0) as mgmt,
            pytest.raises(ProxyError, match="more than 16 interim"),
        ):
            mgmt.list()


def test_bytes_before_the_tunnel_is_used_condemn_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that speaks where only the platform may could speak in its name."""
    early = b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    with Double(lambda request: [early, HANG]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with (
            management(proxy, base_url="https://platform.test", retries=0) as mgmt,
            pytest.raises(ProxyError, match="bytes of its own"),
        ):
            mgmt.list()


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not mistaken for the platform, whose hint would be another."""
    with Double(listens=False) as closed:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:hunter2@{closed.host}")
        mgmt = ManagementClient(base_url="http://127.0.0.1:1", sdk_token=SDK_TOKEN, project="acme")
        with pytest.raises(ProxyError, match=f"{closed.host}: .*connection refused") as caught:
            mgmt.list()
    assert caught.value.attempts == 3
    assert "NO_PROXY" in (caught.value.hint or "")
    assert "hunter2" not in places(caught.value)


def test_the_name_of_a_proxy_has_to_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    """An over-long label fails without a query."""
    monkeypatch.setenv("HTTP_PROXY", f"http://{'x' * 64}.test:3128")
    with (
        ManagementClient(
            base_url="http://127.0.0.1:1", sdk_token=SDK_TOKEN, project="acme", retries=0
        ) as mgmt,
        pytest.raises(ProxyError, match="does not resolve"),
    ):
        mgmt.list()


def test_a_silent_proxy_uses_up_the_connect_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening the tunnel is part of connecting."""
    with Double(lambda request: [HANG]) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        clocks = Timeouts(connect=0.2)
        with (
            management(proxy, base_url="https://platform.test", timeout=clocks) as mgmt,
            pytest.raises(Timeout, match=f"through the proxy {proxy.host}") as caught,
        ):
            mgmt.list()
    assert caught.value.kind == "connect"


UNUSABLE = [
    ("socks5://user:hunter2@127.0.0.1:1080", r"`socks5://`.* not supported"),
    ("socks5h://127.0.0.1:1080", r"`socks5h://`.* not supported"),
    ("socks4://127.0.0.1:1080", r"`socks4://`.* not supported"),
    ("unix:///run/proxy.sock", r"unix-socket.* not supported"),
    ("http://user:hunter2@127.0.0.1:99999", "port outside"),
    ("http://user:hunter2@", "no host"),
]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(("url", "words"), UNUSABLE, ids=[row[0] for row in UNUSABLE])
def test_a_proxy_that_cannot_be_used_is_an_error_of_the_constructor(
    variable: str, url: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the variable. Going around the proxy unnoticed would be worse."""
    monkeypatch.setenv(variable, url)
    with pytest.raises(ConfigurationError, match=words) as caught:
        DataClient(base_url="http://127.0.0.1:1", project="acme", api_key=API_KEY)
    assert caught.value.field == variable
    assert f"`{variable}`" in str(caught.value)
    assert "hunter2" not in places(caught.value)


def test_a_proxy_for_others_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy for https, or for hosts that are not ours, is no reason to refuse."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://127.0.0.1:1080")
    with Double(EMPTY) as platform, management(platform) as mgmt:
        assert list(mgmt.list()) == []
        monkeypatch.setenv("HTTP_PROXY", "socks5://127.0.0.1:1080")
        with pytest.raises(ConfigurationError):
            management(platform)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        management(platform).close()


def test_what_a_proxy_echoes_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Error pages like to show the request."""

    def echo(request: Request) -> Script:
        shown = "\n".join(f"{name}: {value}" for name, value in request.headers.items())
        return answer(f"user:hunter2@x {shown}".encode(), 500)

    with Double(echo) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:hunter2%40x@{proxy.host}")
        with (
            data(proxy) as client,
            pytest.raises(InferenceKeyError) as caught,
        ):
            client.endpoint("bot").embed(input="x")
    for secret in (API_KEY, "hunter2", CREDENTIALS.split()[1].rstrip("=")):
        assert secret not in places(caught.value)
