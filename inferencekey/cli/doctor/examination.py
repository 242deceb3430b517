"""The checks in their order: each one needs what those before it found."""

from __future__ import annotations

from collections.abc import Iterator

from inferencekey.cli.options import Connection

from . import machine
from .clock import clock
from .finding import Finding
from .planes import Asked, ask_control, ask_data

UNREACHED = "the platform was not reached"


def examine(connection: Connection) -> Iterator[Finding]:
    """Every finding, as soon as it is there."""
    yield machine.versions()
    yield machine.variables()
    control, data = ask_control(connection.management), ask_data(connection.data)
    yield _setting("base URL", "base_url", control, data)
    yield _setting("project", "project", control, data)
    yield _connection(control, data)
    if control.reached or data.reached:
        base_url = str(control.facts.get("base_url") or data.facts["base_url"])
        yield clock(base_url, connection.ca_bundle)
    plural = "workload" if control.workloads == 1 else "workloads"
    yield _token("control token", control, data, f"lists {control.workloads} {plural}")
    yield _token("data key", data, control, "is accepted")


def _setting(check: str, field: str, *planes: Asked) -> Finding:
    """What a client uses, or why none could be made."""
    for asked in planes:
        if asked.error is not None and asked.error.field == field:
            return Finding.failed(check, asked.error)
    value = next((asked.facts[field] for asked in planes if asked.facts.get(field)), None)
    if value is None:
        return Finding(check, "skipped", "not looked at: no client could be made")
    return Finding(check, "ok", str(value))


def _connection(*planes: Asked) -> Finding:
    """Name lookup, connect, proxy and TLS, as far as they got."""
    sent = next((asked for asked in planes if asked.sent), None)
    if sent is None:
        return Finding("connection", "skipped", "nothing was sent")
    if sent.error is not None and not sent.reached:
        return Finding.failed("connection", sent.error)
    encrypted = str(sent.facts["base_url"]).startswith("https:")
    secured = "TLS, certificate trusted" if encrypted else "plain http"
    return Finding("connection", "ok", f"answered after {sent.milliseconds} ms ({secured})")


def _token(check: str, asked: Asked, other: Asked, good: str) -> Finding:
    """Does the plane take its token? A program that uses the other plane only needs none."""
    error = asked.error
    if error is None:
        return Finding(check, "ok", f"{asked.facts['token']} {good}")
    if error.field in ("base_url", "project"):
        return Finding(check, "skipped", "not looked at: see above")
    if asked.missing and not other.missing:
        return Finding(check, "warning", str(error), error.hint)
    if asked.sent and not asked.reached:
        return Finding(check, "skipped", UNREACHED)
    return Finding.failed(check, error)
