"""TLS against real servers whose certificates are made for the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from authority import Authority, openssl, self_signed
from child import run
from clients import SDK_TOKEN, completion, endpoint, management
from double import CLOSE_NOTIFY, FIN, RST, Certificate, Double, Step, answer

from inferencekey import (
    ApiError,
    ConfigurationError,
    ConnectionFailed,
    ManagementClient,
    ProtocolError,
    Timeout,
    Timeouts,
    TlsError,
)

EMPTY = answer({"workloads": []})


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Certificate:
    """For servers on 127.0.0.1."""
    return authority.sign("IP:127.0.0.1")


@pytest.fixture
def server(certificate: Certificate) -> Iterator[Double]:
    """A good server."""
    with Double(lambda request: EMPTY, tls=certificate) as started:
        yield started


def refused(server: Double, **options: object) -> TlsError:
    """The error of a list; a refusal is final, and not one HTTP byte was sent."""
    with management(server, **options) as mgmt, pytest.raises(TlsError) as caught:
        mgmt.list()
    assert caught.value.attempts == 1
    assert not caught.value.retryable
    assert len(server.journal.connections) == 1
    assert server.journal.requests == []
    return caught.value


def test_a_private_authority_is_trusted_by_ca_bundle(server: Double, authority: Authority) -> None:
    """Several calls go over one connection; the server prefers HTTP/2, and is offered none."""
    with management(server, ca_bundle=authority.certificate) as mgmt:
        assert [list(mgmt.list()) for _ in range(3)] == [[], [], []]
    (connection,) = server.journal.connections
    assert len(connection.requests) == 3
    assert connection.protocol == "http/1.1"


def test_ca_bundle_replaces_all_other_roots(
    server: Double, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It wins over the variables too (wire.md 1.1)."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    stranger = self_signed(tmp_path, "IP:127.0.0.1")
    assert "unknown authority" in str(refused(server, ca_bundle=stranger.chain))


def test_a_private_authority_is_trusted_by_ssl_cert_file(
    server: Double, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is read when the client is made, by any constructor, and never later."""
    stranger = management(server)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    friend = management(server)
    monkeypatch.delenv("SSL_CERT_FILE")
    with friend:
        assert list(friend.list()) == []
    with stranger, pytest.raises(TlsError, match="unknown authority"):
        stranger.list()


@pytest.mark.parametrize("hashed", [True, False], ids=["rehashed", "plain names"])
def test_a_private_authority_is_trusted_by_ssl_cert_dir(
    hashed: bool,
    server: Double,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last of several folders has it, under the name that `openssl rehash` gives."""
    name = openssl("x509", "-hash", "-noout", "-in", authority.certificate) + ".0"
    (tmp_path / (name if hashed else "ca.pem")).symlink_to(authority.certificate)
    monkeypatch.setenv("SSL_CERT_DIR", f"/does/not/exist::{tmp_path}")
    with management(server) as mgmt:
        assert list(mgmt.list()) == []


def test_the_variables_add_to_the_roots_of_the_system(
    server: Double, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one of them names does not take the other's place either."""
    stranger = self_signed(tmp_path, "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.chain))
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "ca.pem").symlink_to(authority.certificate)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "more"))
    with management(server) as mgmt:
        assert list(mgmt.list()) == []


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), (b"", "no certificate in it")]
)
def test_roots_that_cannot_be_read_are_said_where_they_are_missed(
    variable: str,
    content: bytes | None,
    words: str,
    server: Double,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Set for another program, a stale path harms nobody; here it explains the refusal."""
    path = tmp_path / "roots"
    if content is not None:
        path.mkdir()
        path = path if variable == "SSL_CERT_DIR" else path / "empty.pem"
        (tmp_path / "roots" / "empty.pem").write_bytes(content)
    monkeypatch.setenv(variable, str(path))
    message = str(refused(server))
    assert f"`{variable}` {path}: {words}" in message


def test_an_unknown_authority_is_refused_before_any_request(server: Double) -> None:
    """The error names the cause, and nothing was tried again."""
    error = refused(server)
    assert "signed by an unknown authority" in str(error)
    assert "`ca_bundle`" in (error.hint or "")


REFUSED = [
    ("expired", {"start": -3, "end": -1}, "IP:127.0.0.1", "certificate has expired"),
    ("not yet valid", {"start": 1, "end": 3}, "IP:127.0.0.1", "not valid yet"),
    ("another address", {}, "IP:127.0.0.2", "for another name"),
    ("a name, not the address", {}, "DNS:localhost", "for another name"),
]


@pytest.mark.parametrize(
    ("name", "dates", "subject", "words"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_a_certificate_of_a_trusted_authority_may_be_refused_too(
    name: str, dates: dict[str, int], subject: str, words: str, authority: Authority
) -> None:
    """Dates and names are looked at."""
    with Double(EMPTY, tls=authority.sign(subject, **dates)) as server:
        assert words in str(refused(server, ca_bundle=authority.certificate))


def test_a_self_signed_certificate_is_refused(tmp_path: Path) -> None:
    """As openssl makes it by default; nobody vouches for it."""
    with Double(EMPTY, tls=self_signed(tmp_path, "IP:127.0.0.1")) as server:
        assert "certificate is self-signed" in str(refused(server))


@pytest.mark.parametrize("by", ["ca_bundle", "SSL_CERT_FILE"])
def test_a_self_signed_certificate_may_be_trusted_itself(
    by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives exactly this certificate means exactly this server."""
    own = self_signed(tmp_path, "IP:127.0.0.1")
    bundle = own.chain if by == "ca_bundle" else None
    monkeypatch.setenv("SSL_CERT_FILE", str(own.chain))
    with Double(EMPTY, tls=own) as server, management(server, ca_bundle=bundle) as mgmt:
        assert list(mgmt.list()) == []


OWN = [
    ("expired", "IP:127.0.0.1", (-3, -1), "certificate has expired"),
    ("not yet valid", "IP:127.0.0.1", (1, 3), "not valid yet"),
    ("another address", "IP:127.0.0.2", (-1, 1), "for another name"),
]


@pytest.mark.parametrize(("name", "subject", "days", "words"), OWN, ids=[row[0] for row in OWN])
def test_a_self_signed_certificate_that_is_trusted_has_to_be_in_order(
    name: str, subject: str, days: tuple[int, int], words: str, tmp_path: Path
) -> None:
    """Its dates and its name are looked at all the same."""
    own = self_signed(tmp_path, subject, *days)
    with Double(EMPTY, tls=own) as server:
        assert words in str(refused(server, ca_bundle=own.chain))


def test_another_self_signed_certificate_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """What counts is the certificate, not what stands in it."""
    for folder in ("theirs", "ours"):
        (tmp_path / folder).mkdir()
    theirs, ours = (self_signed(tmp_path / f, "IP:127.0.0.1") for f in ("theirs", "ours"))
    with Double(EMPTY, tls=theirs) as server:
        assert "certificate" in str(refused(server, ca_bundle=ours.chain))


def test_the_name_in_the_certificate_is_the_one_in_the_base_url(authority: Authority) -> None:
    """Whatever address the name has."""
    with (
        Double(EMPTY, tls=authority.sign("DNS:localhost")) as server,
        management(
            server,
            base_url=f"https://localhost:{server.port}",
            ca_bundle=authority.certificate,
        ) as mgmt,
    ):
        assert list(mgmt.list()) == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate", b"-----BEGIN CERTIFICATE-----"])
def test_a_bundle_that_cannot_be_used_is_an_error_of_the_constructor(
    content: bytes | None, tmp_path: Path
) -> None:
    """Missing, empty, not PEM, or torn."""
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(ConfigurationError, match="ca_bundle") as caught:
        ManagementClient(base_url="https://127.0.0.1", sdk_token=SDK_TOKEN, ca_bundle=str(bundle))
    assert caught.value.field == "ca_bundle"


def test_plain_http_on_a_tls_port_is_said() -> None:
    """`https://` to a server that speaks plain HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="p") as mgmt,
            pytest.raises(TlsError, match=r"does not speak TLS .* plain HTTP") as caught,
        ):
            mgmt.list()
        thread.join(5)
    assert "`http://`" in (caught.value.hint or "")


ALERTS = [
    ("handshake failure", b"\x15\x03\x03\x00\x02\x02\x28"),
    ("protocol version, TLS 1.0", b"\x15\x03\x01\x00\x02\x02\x46"),
    ("unexpected message, more follows", b"\x15\x03\x03\x00\x02\x02\x0a" * 3),
]


@pytest.mark.parametrize(("name", "alert"), ALERTS, ids=[row[0] for row in ALERTS])
def test_tls_on_a_plain_port_is_said(name: str, alert: bytes) -> None:
    """`http://` to a server that speaks TLS; sent once, since nothing there will understand it."""
    with (
        Double(lambda request: [alert, FIN]) as server,
        management(server) as mgmt,
        pytest.raises(ProtocolError, match="the server speaks TLS on this port") as caught,
    ):
        mgmt.list()
    assert caught.value.attempts == 1
    assert "`https://`" in (caught.value.hint or "")


def test_a_tls_server_that_hangs_up_on_plain_http_is_thought_of(server: Double) -> None:
    """OpenSSL closes the connection without an alert: the hint has to do."""
    with (
        management(server, base_url=f"http://{server.host}", retries=0) as mgmt,
        pytest.raises(ApiError) as caught,
    ):
        mgmt.list()
    assert "speaks TLS on this port" in f"{caught.value} {caught.value.hint}"
    assert server.journal.requests == []


UNBOUNDED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
WHOLE = [UNBOUNDED, b'{"workloads": []}']


@pytest.mark.parametrize("end", [FIN, RST], ids=["TCP closed", "TCP reset"])
def test_a_close_without_close_notify_is_a_cut(
    end: Step, certificate: Certificate, authority: Authority
) -> None:
    """Anybody on the way can close TCP: what ends so may not be whole."""
    with (
        Double([*WHOLE, end], tls=certificate) as server,
        management(server, ca_bundle=authority.certificate, retries=0) as mgmt,
        pytest.raises(ConnectionFailed, match="the answer was cut") as caught,
    ):
        mgmt.list()
    assert caught.value.code == "connection_lost"


def test_a_chat_without_close_notify_is_not_sent_again(
    certificate: Certificate, authority: Authority
) -> None:
    """And nothing partial is given out as whole."""
    body = answer(completion("so far, so good")).partition(b"\r\n\r\n")[2]
    with Double(lambda request: [UNBOUNDED, body, FIN], tls=certificate) as server:
        bot = endpoint(server, ca_bundle=authority.certificate)
        with pytest.raises(ConnectionFailed, match="the answer was cut"):
            bot.generate_text(prompt="x")
        assert len(server.journal.requests) == 1


def test_close_notify_ends_a_body_without_a_length(
    certificate: Certificate, authority: Authority
) -> None:
    """The server itself said that this was all."""
    with (
        Double([*WHOLE, CLOSE_NOTIFY], tls=certificate) as server,
        management(server, ca_bundle=authority.certificate) as mgmt,
    ):
        assert list(mgmt.list()) == []


def test_an_answer_with_a_length_needs_no_close_notify(
    certificate: Certificate, authority: Authority
) -> None:
    """It is whole by its length; the connection is not used again."""
    with (
        Double(lambda request: [EMPTY, FIN], tls=certificate) as server,
        management(server, ca_bundle=authority.certificate) as mgmt,
    ):
        assert [list(mgmt.list()) for _ in range(3)] == [[], [], []]
        assert len(server.journal.requests) == 3


def test_silence_in_the_handshake_ends_with_the_connect_clock() -> None:
    """The kernel accepts the connection, but nobody answers the hello."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        clocks = Timeouts(connect=0.2)
        with (
            ManagementClient(base_url=url, sdk_token=SDK_TOKEN, timeout=clocks) as mgmt,
            pytest.raises(Timeout) as caught,
        ):
            mgmt.list(project="p")
    assert (caught.value.kind, caught.value.code) == ("connect", "timeout_connect")


def test_roots_that_could_not_be_read_for_want_of_a_descriptor_are_read_later(
    server: Double, authority: Authority
) -> None:
    """The one that is left takes the connection: half a store must not be kept for good."""
    program = """
import resource
url, ca = ARGS
os.environ["SSL_CERT_FILE"] = ca
mgmt = ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="p", retries=0)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    os.close(taken.pop())
try:
    mgmt.list()
except ConnectionFailed as error:
    assert "too many open files" in str(error) and error.retryable, error
else:
    raise AssertionError("descriptors were left")
for descriptor in taken:
    os.close(descriptor)
assert list(mgmt.list()) == []
"""
    assert run(program, server.url, str(authority.certificate)) == (0, "", "")
