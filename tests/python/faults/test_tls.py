"""TLS against a real server whose certificates are made for the test."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from inferencekey import ConfigurationError, ManagementClient, TlsError

CONTROL_TOKEN = "ik_sdk_0123abcd_" + "0" * 64
ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{"workloads":[]}'


@dataclass
class Authority:
    """A certificate authority and what it signed."""

    certificate: Path
    folder: Path

    def sign(self, name: str) -> tuple[Path, Path]:
        """Make a certificate for the address `name`, and its key."""
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        signed, extra = self.folder / f"{name}.pem", self.folder / f"{name}.ext"
        extra.write_text(f"subjectAltName=IP:{name}")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key,
                "-out", request)  # fmt: skip
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey",
                self.folder / "ca.key", "-CAcreateserial", "-days", "2", "-extfile", extra,
                "-out", signed)  # fmt: skip
        return signed, key


def openssl(*arguments: str | Path) -> None:
    """Run openssl; its chatter is shown only where it fails."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that no system trusts."""
    folder = tmp_path_factory.mktemp("ca")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
            "-keyout", folder / "ca.key", "-out", folder / "ca.pem")  # fmt: skip
    return Authority(folder / "ca.pem", folder)


class Server:
    """Answers one list on each TLS connection, and keeps what it decrypted."""

    def __init__(self, certificate: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.context = context
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.socket.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.protocols: list[str | None] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            with plain:
                self._answer(plain)

    def _answer(self, plain: socket.socket) -> None:
        plain.settimeout(5)
        try:
            with self.context.wrap_socket(plain, server_side=True) as secure:
                self.protocols.append(secure.selected_alpn_protocol())
                while request := secure.recv(65536):
                    self.requests.append(request)
                    secure.sendall(ANSWER)
        except OSError:
            # The client refused the certificate, or went away.
            return

    def close(self) -> None:
        """End the accepting thread."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    """A server with a certificate for its address."""
    started = Server(*authority.sign("127.0.0.1"))
    yield started
    started.close()


def client(server: Server, ca_bundle: Path | None = None) -> ManagementClient:
    """Make a client of `server`."""
    bundle = str(ca_bundle) if ca_bundle else None
    return ManagementClient(
        base_url=server.url, sdk_token=CONTROL_TOKEN, project="p", ca_bundle=bundle
    )


def test_a_private_authority_is_trusted_by_ca_bundle(server: Server, authority: Authority) -> None:
    """Several calls go over one connection; only HTTP/1.1 is offered."""
    with client(server, authority.certificate) as mgmt:
        assert [list(mgmt.list()) for _ in range(3)] == [[], [], []]
    assert len(server.requests) == 3
    assert server.protocols == ["http/1.1"]


def test_a_private_authority_is_trusted_by_ssl_cert_file(
    server: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is read when the client is made (wire.md 1.1)."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    mgmt = client(server)
    monkeypatch.delenv("SSL_CERT_FILE")
    with mgmt:
        assert list(mgmt.list()) == []


def test_an_unknown_authority_is_refused_before_any_request(server: Server) -> None:
    """The error names the cause; no HTTP byte was sent, and nothing was tried again."""
    with client(server) as mgmt, pytest.raises(TlsError, match="unknown authority") as caught:
        mgmt.list()
    assert caught.value.attempts == 1
    assert server.requests == []


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    """A trusted authority is not enough."""
    server = Server(*authority.sign("127.0.0.2"))
    with (
        client(server, authority.certificate) as mgmt,
        pytest.raises(TlsError, match="another name"),
    ):
        mgmt.list()
    assert server.requests == []
    server.close()


def test_plain_http_on_a_tls_port_is_said() -> None:
    """`https://` to a server that speaks plain HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with (
            ManagementClient(base_url=url, sdk_token=CONTROL_TOKEN, project="p") as mgmt,
            pytest.raises(TlsError, match="plain HTTP"),
        ):
            mgmt.list()
        thread.join(5)


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_bundle_that_cannot_be_used_is_an_error_of_the_constructor(
    content: bytes | None, tmp_path: Path
) -> None:
    """Missing, empty, or not PEM."""
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(ConfigurationError, match="ca_bundle") as caught:
        ManagementClient(
            base_url="https://127.0.0.1", sdk_token=CONTROL_TOKEN, ca_bundle=str(bundle)
        )
    assert caught.value.field == "ca_bundle"
