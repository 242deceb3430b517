"""The lines as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from rows import CLIENTS, Line

# Each with the SDK's client of its kind.
RATIOS = {
    "http_client": "sdk_sync",
    "httpx_sync": "sdk_sync",
    "openai_sync": "sdk_sync",
    "aiohttp_async": "sdk_async",
    "openai_async": "sdk_async",
    "openai_node": "sdk_node",
}
WORDS = {True: "yes", False: "**no**", None: ""}


def figures(lines: list[Line], clients: Iterable[str]) -> str:
    """What was measured, the targets, and whether they are met."""
    shown = [client for client in CLIENTS if client in set(clients)]
    head = ["What", "Unit", *(CLIENTS[client] for client in shown), "Target", "Met"]
    return _table(
        head,
        [
            [
                line.figure.title,
                line.figure.unit,
                *(_number(line.values.get(client)) for client in shown),
                " / ".join(_bound(line, client) for client in line.figure.targets),
                " / ".join(WORDS[line.met(client)] or "-" for client in line.figure.targets),
            ]
            for line in lines
        ],
    )


def ratios(lines: list[Line], clients: Iterable[str]) -> str:
    """How many times better the SDK is than each other client, and how far from LIMIT."""
    others = [client for client in RATIOS if client in set(clients)]
    near = ["LIMIT / SDK", "LIMIT / its target"]
    head = ["What", *near, *(f"SDK / {CLIENTS[client]}" for client in others)]
    return _table(
        head,
        [
            [
                line.figure.title,
                _ratio(line, "limit", "sdk_sync"),
                _wanted(line),
                *(_ratio(line, RATIOS[client], client) for client in others),
            ]
            for line in lines
        ],
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    marks = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, marks, *rows])


def _bound(line: Line, client: str) -> str:
    bound = line.bound(client)
    sign = "≥" if line.figure.more_is_better else "≤"
    return "-" if bound is None else f"{sign} {_number(bound)}"


def _wanted(line: Line) -> str:
    """The ratio to LIMIT that the target asks for."""
    ratio = line.figure.wanted_ratio("sdk_sync")
    if ratio is None:
        return "-"
    return f"{_number(1 / ratio if line.figure.more_is_better else ratio)} x"


def _ratio(line: Line, better: str, worse: str) -> str:
    """How many times better the one is than the other."""
    one, other = line.values.get(better), line.values.get(worse)
    if one is None or other is None or min(one, other) <= 0:
        return "-"
    return f"{_number(one / other if line.figure.more_is_better else other / one)} x"


def _number(value: float | None) -> str:
    """Three digits that matter, or all before the point."""
    if value is None:
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 4
    return f"{value:,.{digits}f}"
