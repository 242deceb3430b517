"""What an answer to the list may lead to (wire.md 2.5, faults.md 3.8)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from child import run
from clients import LIVE, SPEC, management
from double import FIN, LAST_CHUNK, Double, Request, answer, chunk, chunked_head

from inferencekey import ApiError, LimitExceeded, ProtocolError

pytestmark = pytest.mark.usefixtures("nothing_left")

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "lists.json").read_text("utf-8"))


def pages_of(case: dict[str, Any]) -> list[bytes]:
    """The answers to each GET."""
    bodies = case["pages"]
    return [
        answer(bytes.fromhex(body["hex"]) if isinstance(body, dict) else body.encode())
        for body in bodies
    ]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_only_a_whole_list_without_the_slug_leads_to_a_create(case: dict[str, Any]) -> None:
    """Found is not created again; no list is no reason to create (wire.md 2.5)."""
    pages = pages_of(case)

    def platform(request: Request) -> bytes:
        return (
            pages.pop(0) if request.method == "GET" else answer(request.json() | {"id": "w"}, 201)
        )

    spec = type(SPEC)(name="N", slug=case["slug"], model="m", backend="vllm")
    is_absent = case.get("error", {}).get("class") == "NotFound"
    with Double(platform) as double:
        mgmt = management(double)
        if is_absent or "error" not in case:
            ref = mgmt.ensure(spec, on_drift="ignore")
            assert ref.changed is is_absent
        else:
            with pytest.raises(ApiError) as caught:
                mgmt.ensure(spec)
            assert caught.value.hint
        posts = [request for request in double.journal.requests if request.method == "POST"]
        assert len(posts) == int(is_absent)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_only_what_is_in_the_list_is_deleted(case: dict[str, Any]) -> None:
    """No list is an error, never a False; and nothing else is ever touched (wire.md 2.10)."""
    pages = pages_of(case)

    def platform(request: Request) -> bytes:
        if request.method == "DELETE":
            return answer(b"", 204)
        # Delete asks for every page, get only until it found the slug.
        return pages.pop(0) if pages else answer([])

    with Double(platform) as double:
        mgmt = management(double)
        refused = case.get("error", {}).get("class") == "ProtocolError"
        if refused:
            with pytest.raises(ProtocolError):
                mgmt.delete(case["slug"])
        else:
            assert mgmt.delete(case["slug"]) is ("workload" in case)
        deleted = [r.target for r in double.journal.requests if r.method == "DELETE"]
    if "workload" in case:
        assert deleted[0] == f"/api/workloads/{case['workload']['id']}"
    else:
        assert deleted == []


def test_a_slug_on_a_late_page_is_found() -> None:
    """Ensure and delete read on until they know (wire.md 2.5)."""

    def platform(request: Request) -> bytes:
        page = int(request.target.partition("?cursor=")[2] or 0)
        others = [{"id": f"wl_{page}_{i}", "slug": f"other-{page}-{i}"} for i in range(3)]
        found = [LIVE] if page == 40 else []
        return answer({"data": [*others, *found], "next_cursor": str(page + 1)})

    with Double(platform) as double:
        ref = management(double).ensure(SPEC)
        assert not ref.changed
        assert len(double.journal.requests) == 41
        assert {request.method for request in double.journal.requests} == {"GET"}


@pytest.mark.parametrize("operation", ["ensure", "plan", "get", "list", "delete"])
def test_a_list_without_an_end_is_given_up(operation: str) -> None:
    """1000 pages, whatever the operation, and nothing is written (faults.md 1.2)."""
    count = iter(range(2000))
    with Double(lambda _: answer({"items": [], "cursor": f"c{next(count)}"})) as double:
        mgmt = management(double)
        with pytest.raises(LimitExceeded, match="list_pages") as caught:
            getattr(mgmt, operation)(*arguments(operation))
        assert caught.value.limit == "list_pages"
        assert caught.value.attempts == 1000
        assert {request.method for request in double.journal.requests} == {"GET"}


def arguments(operation: str) -> list[Any]:
    """What a call of the operation needs."""
    if operation in ("ensure", "plan"):
        return [SPEC]
    return [] if operation == "list" else ["bot"]


# A list with my workload in it, spoilt in some way.
BROKEN = [
    ("cut in the body", [answer([LIVE])[:-9], FIN]),
    ("cut in its last chunk", [chunked_head("application/json"), chunk(b"[]"), FIN]),
    ("two documents", [answer(b"[] []")]),
    ("NaN", [answer(b'[{"id":"wl_1","slug":"bot","x":NaN}]')]),
    ("a lone surrogate in my workload", [answer(b'[{"id":"wl_1","slug":"bot","x":"\\ud800"}]')]),
    ("invalid UTF-8", [answer(b'[{"id":"wl_1","slug":"bot","x":"\xff"}]')]),
    ("mine without an id", [answer([{**LIVE, "id": None}])]),
    ("mine nested too deep", [answer([{**LIVE, "config": json.loads("[" * 200 + "]" * 200)}])]),
]


@pytest.mark.parametrize("operation", ["ensure", "plan", "get", "delete"])
@pytest.mark.parametrize("script", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_list_is_an_error_and_nothing_is_written(script: Any, operation: str) -> None:
    """Half an answer is not taken for the whole one."""
    with Double(*[script] * 3) as double:
        mgmt = management(double, retries=0)
        with pytest.raises(ApiError) as caught:
            getattr(mgmt, operation)(*arguments(operation))
        assert {request.method for request in double.journal.requests} == {"GET"}
    error = caught.value
    assert (error.operation, error.attempts) == (operation, 1)
    assert error.host


def test_an_empty_list_may_come_in_pieces() -> None:
    """Chunked, byte by byte, with blanks around it: it is an empty list."""
    pieces = [chunk(bytes([byte])) for byte in b' \n{"data": []} ']
    body = [chunked_head("application/json"), *pieces, LAST_CHUNK]
    with Double(body, answer(LIVE, 201)) as double:
        assert management(double).ensure(SPEC).changed


ENSURE_OF_MANY = """
def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
mgmt = ManagementClient(base_url=ARGS[0], sdk_token=SDK_TOKEN, project="acme")
assert not mgmt.ensure(SPEC).changed
before = peak()
assert not mgmt.ensure(SPEC).changed
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_ensure_takes_no_more_memory_in_a_large_project() -> None:
    """A list of 24 MB is read as it arrives; what it holds beside the workload is not kept."""
    other = {"id": "w", "slug": "other", "description": 'é "quoted"\n' * 200}
    many = [*[other | {"id": f"w{index}"} for index in range(6000)], LIVE]
    with Double(answer([LIVE]), answer(many)) as double:
        code, out, err = run(ENSURE_OF_MANY, double.url)
    assert (code, err) == (0, "")
    assert int(out) < 4 << 20
