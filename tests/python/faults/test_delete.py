"""delete says whether this call removed the workload (wire.md 2.10, faults.md 3.10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from clients import LIVE, SPEC, management
from double import FIN, RST, BadLine, ControlPlane, Double, Fault, Step, answer

from inferencekey import (
    ApiError,
    AuthError,
    InferenceKeyError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    ServerError,
)

pytestmark = pytest.mark.usefixtures("nothing_left", "either_kind")

GONE = answer({"error": {"code": "not_found", "message": "gone"}}, 404)

# The answers to each DELETE, and what delete says.
OUTCOMES: list[tuple[str, list[Sequence[Step] | bytes], bool]] = [
    ("204", [answer(b"", 204)], True),
    ("200 with the workload", [answer(LIVE)], True),
    ("200 with HTML", [answer(b"<html>", 200, {"content-type": "text/html"})], True),
    ("200 with half a document", [answer(b'{"id":')], True),
    ("200 with invalid UTF-8", [answer(b"\xff\xfe")], True),
    ("202 without a body", [answer(b"", 202)], True),
    ("gone between list and DELETE", [GONE], False),
    ("reset, then gone", [[RST], GONE], True),
    ("closed, then gone", [[FIN], GONE], True),
    ("cut, then gone", [[answer(b"{}")[:-1], FIN], GONE], True),
    ("503, then gone", [answer(b"", 503), GONE], True),
    ("408, then gone", [answer(b"", 408), GONE], True),
    ("429, then gone", [answer(b"", 429), GONE], True),
    ("reset, then done", [[RST], answer(b"", 204)], True),
    ("reset twice, then done", [[RST], [RST], answer(b"", 204)], True),
]


@pytest.mark.parametrize(
    ("answers", "deleted"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
def test_delete_says_what_this_call_did(
    answers: list[Sequence[Step] | bytes], deleted: bool
) -> None:
    """False is only for what was gone already: a lost answer is not taken for that."""
    with Double(answer([LIVE]), *answers) as double:
        assert management(double).delete("bot") is deleted
        sent = [(request.method, request.target) for request in double.journal.requests]
    assert sent[1:] == [("DELETE", "/api/workloads/wl_1")] * len(answers)


def test_what_is_absent_is_not_deleted() -> None:
    """False, after one GET."""
    with Double(answer([{**LIVE, "slug": "bot-1"}])) as double:
        assert management(double).delete("bot") is False
        assert [request.method for request in double.journal.requests] == ["GET"]


@pytest.mark.parametrize(
    "spelling", ["My Bot", "  my_bot ", "MY-BOT", "my--bot", "my/bot", "My.Bot"]
)
def test_any_spelling_removes_what_ensure_made(spelling: str) -> None:
    """The slug as it was given to ensure, and every spelling of the same (wire.md 2.4)."""
    platform = ControlPlane()
    with Double(platform) as double:
        mgmt = management(double)
        assert mgmt.ensure(replace(SPEC, slug="My Bot")).workload_slug == "my-bot"
        assert mgmt.ensure(replace(SPEC, slug="my-bot-1")).changed
        assert mgmt.delete(spelling) is True
        assert mgmt.delete(spelling) is False
    assert platform.slugs() == ["my-bot-1"]


def test_a_delete_whose_answer_is_lost_is_done_once() -> None:
    """The platform did it, the line broke: True, and the next call says False."""
    platform = ControlPlane()
    line = BadLine(platform)
    with Double(line) as double:
        mgmt = management(double)
        mgmt.ensure(SPEC)
        line.faults = [Fault("DELETE", 1, [RST]), Fault("DELETE", 0, answer(b"", 503))]
        assert mgmt.delete("bot") is True
        assert mgmt.delete("bot") is False
    assert platform.workloads == []


def refusal(status: int, code: str = "c") -> bytes:
    """An error of the platform."""
    return answer({"error": {"code": code, "message": "words"}}, status)


# A reset of a kept connection is no send: it may have been dead before.
LAST_ON_ITS_CONNECTION = answer([LIVE], 200, {"connection": "close"})

# The list's answer, then those to each DELETE; the error; how many DELETEs were sent.
RAISES: list[tuple[str, bytes, list[Any], type[InferenceKeyError], int]] = [
    ("401 to the list", refusal(401), [], AuthError, 0),
    ("403 to the list", refusal(403, "project_scope_mismatch"), [], PermissionDenied, 0),
    ("404 to the list", refusal(404), [], NotFound, 0),
    ("500 to the list", refusal(500), [], ServerError, 0),
    ("HTML for a list", answer(b"<html>"), [], ProtocolError, 0),
    ("more than the list shows", answer({"data": [], "has_more": True}), [], ProtocolError, 0),
    ("mine without an id", answer([{"slug": "bot"}]), [], ProtocolError, 0),
    ("401", answer([LIVE]), [refusal(401)], AuthError, 1),
    ("403", answer([LIVE]), [refusal(403, "scope_insufficient")], PermissionDenied, 1),
    ("409", answer([LIVE]), [refusal(409)], ApiError, 1),
    ("500", answer([LIVE]), [refusal(500)], ServerError, 1),
    ("503 for ever", answer([LIVE]), [refusal(503)] * 3, ServerError, 3),
    ("reset for ever", LAST_ON_ITS_CONNECTION, [[RST]] * 3, ApiError, 3),
    ("a redirect", answer([LIVE]), [answer(b"", 303, {"location": "/"})], ProtocolError, 1),
]


@pytest.mark.parametrize(
    ("listed", "answers", "error", "sends"),
    [row[1:] for row in RAISES],
    ids=[row[0] for row in RAISES],
)
def test_what_cannot_be_deleted_is_an_error(
    listed: bytes, answers: list[Any], error: type[InferenceKeyError], sends: int
) -> None:
    """Never a False, which would say that nothing runs and nothing is billed."""
    with Double(listed, *answers) as double:
        with pytest.raises(error) as caught:
            management(double).delete("bot")
        deletes = [r.target for r in double.journal.requests if r.method == "DELETE"]
        assert deletes == ["/api/workloads/wl_1"] * sends
        assert caught.value.attempts == 1 + sends
    assert caught.value.operation == "delete"
    assert caught.value.host
    assert "delete: " in str(caught.value)
