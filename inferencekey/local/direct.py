"""Keeps a machine's proxy away from a platform on that machine."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

# The platform speaks plain HTTP. Lower case wins, there and in NO_PROXY.
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_NO_PROXY = ("no_proxy", "NO_PROXY")


def directly(env: dict[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """`env`; where `environ` has a proxy, also NO_PROXY with the platform's host added to it.

    Clients reach loopback through a proxy too, unless they are told otherwise; only `*` says so
    without naming the host.
    """
    if not any(environ.get(name, "").strip() for name in _PROXIES):
        return env
    lists = (environ.get(name, "").strip() for name in _NO_PROXY)
    hosts = next(filter(None, lists), "").replace(",", " ").split()
    host = urlsplit(env["INFERENCEKEY_BASE_URL"]).hostname
    if host is None or "*" in hosts or host in hosts:
        return env
    return env | dict.fromkeys(_NO_PROXY, ",".join([*hosts, host]))
