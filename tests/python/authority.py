"""Certificates for TLS doubles, made by openssl when a test starts."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from double import Certificate

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

CONFIG = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
"""


@dataclass(frozen=True)
class Authority:
    """A certificate authority that no system trusts; its files are in the folder."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """What a client has to trust."""
        return self.folder / "ca.pem"

    def sign(self, *names: str, start: int = -1, end: int = 1) -> Certificate:
        """A certificate for `names` (`IP:…`, `DNS:…`); `start` and `end` are days from now."""
        stem = "-".join((*names, str(start), str(end))).replace(":", "_")
        extensions = f"subjectAltName={','.join(names)}"
        return _issue(self.folder, stem, extensions, (start, end), "-cert", self.certificate,
                      "-keyfile", self.folder / "ca.key")  # fmt: skip


def make_authority(folder: Path) -> Authority:
    """A new one."""
    openssl("req", "-x509", *EC, "-days", "2", "-subj", "/CN=test authority",
            "-keyout", folder / "ca.key", "-out", folder / "ca.pem")  # fmt: skip
    return Authority(folder)


def self_signed(folder: Path, name: str, start: int = -1, end: int = 1) -> Certificate:
    """A certificate that nobody else vouches for; a CA's, as openssl makes it by default."""
    extensions = f"subjectAltName={name}\nbasicConstraints=critical,CA:TRUE"
    return _issue(folder, "self", extensions, (start, end), "-selfsign",
                  "-keyfile", folder / "self.key")  # fmt: skip


def openssl(*arguments: str | Path) -> str:
    """Run openssl and return what it prints; its complaints are shown where it fails."""
    run = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def _issue(
    folder: Path, stem: str, extensions: str, days: tuple[int, int], *issuer: str | Path
) -> Certificate:
    key, request, signed, wanted = (
        folder / f"{stem}.{kind}" for kind in ("key", "csr", "crt", "ext")
    )
    config = folder / "openssl.cnf"
    config.write_text(CONFIG.format(folder=folder))
    (folder / "index.txt").touch()
    wanted.write_text(extensions)
    openssl("req", *EC, "-subj", "/CN=double", "-keyout", key, "-out", request)
    start, end = map(_day, days)
    openssl("ca", "-batch", "-notext", "-config", config, "-in", request, "-out", signed,
            "-startdate", start, "-enddate", end, "-extfile", wanted, *issuer)  # fmt: skip
    return Certificate(signed, key)


def _day(days: int) -> str:
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
