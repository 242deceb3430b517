"""Statuses, error bodies and what errors carry (faults.md 1.3, 3.4; wire.md 5.3 to 5.5)."""

from __future__ import annotations

import base64
import copy
import gzip
import html
import json
import pickle
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from clients import LIVE, SPEC, delta, endpoint, management
from double import FIN, HANG, RST, Double, Step, answer, chunk, chunked_head, frames

from inferencekey import (
    ApiError,
    AuthError,
    Conflict,
    ConnectionFailed,
    EndpointWarming,
    InferenceKeyError,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
    StreamStalled,
    StreamTruncated,
    Timeout,
    Timeouts,
    ValidationError,
    WorkloadFailed,
)

STATUSES: list[tuple[int, type[InferenceKeyError], str]] = [
    (400, ValidationError, "bad_request"),
    (401, AuthError, "unauthorized"),
    (402, ApiError, "http_error"),
    (403, PermissionDenied, "forbidden"),
    (404, NotFound, "not_found"),
    (405, ApiError, "http_error"),
    (408, ApiError, "http_error"),
    (409, Conflict, "conflict"),
    (410, ApiError, "http_error"),
    (412, Conflict, "conflict"),
    (413, ApiError, "http_error"),
    (418, ApiError, "http_error"),
    (422, ApiError, "http_error"),
    (429, RateLimited, "rate_limited"),
    (451, ApiError, "http_error"),
    (500, ServerError, "server_error"),
    (501, ServerError, "server_error"),
    (502, ServerError, "server_error"),
    (503, ServerError, "server_error"),
    (504, ServerError, "server_error"),
    (505, ServerError, "server_error"),
    (599, ServerError, "server_error"),
    (600, ApiError, "http_error"),
    (999, ApiError, "http_error"),
]

# The body, the server's words in the message (None: the status stands there), the server's code.
BODIES: list[tuple[str, bytes, str | None, str | None]] = [
    (name, content if isinstance(content, bytes) else json.dumps(content).encode(), words, code)
    for name, content, words, code in [
        ("a code", {"error": "some_code"}, "some_code", "some_code"),
        ("words", {"error": "Some words."}, "Some words.", None),
        ("a code and a message", {"error": "some_code", "message": "Words"}, "Words", "some_code"),
        ("words and a message", {"error": "Some words", "message": "Exact"}, "Exact", None),
        ("words and a detail", {"error": "Some words", "detail": "Exact"}, "Exact", None),
        ("our form", {"error": {"code": "some_code", "message": "Words"}}, "Words", "some_code"),
        (
            "with type and param",
            {"error": {"message": "Words", "type": "some_type", "param": "temperature"}},
            "Words",
            "some_type",
        ),
        ("flat", {"code": "some_code", "message": "Words"}, "Words", "some_code"),
        ("a message", {"message": "Words"}, "Words", None),
        ("a detail", {"detail": "Words"}, "Words", None),
        (
            "details",
            {"detail": [{"msg": "too big", "loc": ["body", "n"]}, {"msg": "odd"}]},
            "too big; odd",
            None,
        ),
        ("errors", {"errors": ["one", {"message": "two"}]}, "one; two", None),
        ("text", b"  Some words.\n", "Some words.", None),
        (
            "HTML with a title",
            b"<html><title>Bad \n Gateway</title><h1>x</h1>",
            "Bad Gateway",
            None,
        ),
        ("HTML with headings", b"<body><h2>First</h2><h1>Second</h1>", "First", None),
        ("HTML without", b"<html><body><p>text</p></body></html>", None, None),
        ("nothing", b"", None, None),
        ("blanks", b" \r\n", None, None),
        ("invalid UTF-8", b"odd \xff\xfe words", "odd \ufffd\ufffd words", None),
        ("a list", b"[]", None, None),
        ("null", b"null", None, None),
        ("an empty object", b"{}", None, None),
        ("cut JSON", b'{"error": {"mess', '{"error": {"mess', None),
        ("deep JSON", b'{"error":' * 100_000, '{"error":', None),
    ]
]


@pytest.mark.parametrize("body", BODIES, ids=[row[0] for row in BODIES])
def test_every_status_with_every_body(body: tuple[str, bytes, str | None, str | None]) -> None:
    """The right class, code and status, with the server's words, else the status number."""
    _, content, words, api_code = body
    answers = iter([answer(content, status) for status, _, _ in STATUSES])
    with Double(lambda _: next(answers)) as double:
        bot = endpoint(double, retries=0, cold_start=0)
        for status, kind, code in STATUSES:
            with pytest.raises(InferenceKeyError) as caught:
                bot.generate_text(prompt="Hi")
            error = caught.value
            assert type(error) is kind, status
            assert (error.code, error.api_code, error.status) == (code, api_code, status)
            message = str(error)
            assert (words.split("; ")[-1] if words else f"HTTP {status}") in message
            assert str(status) in message
            assert message.startswith("generate_text: ")
            assert message.isprintable()
            assert len(message.encode()) <= 2048


@pytest.mark.parametrize("form", ["bare", "nested"])
@pytest.mark.parametrize(
    "code", ["wrong_credential_type", "project_scope_mismatch", "scope_insufficient", "other_code"]
)
def test_a_403_shows_its_code(code: str, form: str) -> None:
    """For both forms that the platform uses."""
    refusal = {"error": code} if form == "bare" else {"error": {"code": code, "message": "no"}}
    known = "forbidden" if code == "other_code" else code
    with Double(answer(refusal, 403)) as double, pytest.raises(PermissionDenied) as caught:
        management(double).list()
    assert (caught.value.code, caught.value.api_code) == (known, code)
    assert f"[{known}]" in str(caught.value)


@pytest.mark.parametrize("code", ["model_loading", "warming", "cold_start", "scaled_to_zero"])
def test_a_503_of_a_warming_endpoint_is_a_class_of_its_own(code: str) -> None:
    """On the data plane, by the server's code."""
    with Double(lambda _: answer({"error": code}, 503)) as double:
        with pytest.raises(EndpointWarming) as caught:
            endpoint(double, cold_start=0).generate_text(prompt="Hi")
        assert (caught.value.code, caught.value.status) == ("endpoint_warming", 503)
        with pytest.raises(ServerError) as caught_too:
            management(double, retries=0).list()
        assert type(caught_too.value) is ServerError


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_tried_once(status: int) -> None:
    """Whatever the call."""
    with Double(lambda _: answer({"error": "no"}, status)) as double:
        bot, mgmt = endpoint(double), management(double)
        calls: list[Callable[[], object]] = [
            lambda: bot.generate_text(prompt="Hi"),
            lambda: bot.generate_text_stream(prompt="Hi"),
            lambda: bot.embed(input="Hi"),
            mgmt.list,
            lambda: mgmt.ensure(SPEC),
            lambda: mgmt.delete("bot"),
            lambda: mgmt.wait_until_ready("bot", silent=True),
        ]
        for count, call in enumerate(calls, 1):
            with pytest.raises((AuthError, PermissionDenied)) as caught:
                call()
            assert len(double.journal.requests) == count
            assert caught.value.attempts == 1


CONTROLS = "a\x1b[31mred\r\nforged: line\x00\x07\x7f\x85\x9b\u202egnp\u2066\u200f\u2028end"


@pytest.mark.parametrize("form", ["JSON", "text"])
def test_nothing_in_the_servers_words_drives_a_terminal_or_forges_a_line(form: str) -> None:
    """Control characters, line ends and the controls of writing direction are escaped."""
    refusal = {"error": {"code": CONTROLS, "message": CONTROLS, "param": CONTROLS}}
    content = json.dumps(refusal) if form == "JSON" else CONTROLS
    echoes = {"x-request-id": "r\u202e"}
    with (
        Double(answer(content.encode(), 422, echoes)) as double,
        pytest.raises(InferenceKeyError) as caught,
    ):
        management(double).list()
    error = caught.value
    for text in (str(error), error.api_code, error.field, error.request_id, error.hint):
        assert text is None or text.isprintable(), text
    assert r"a\x1b[31mred\r\nforged: line\x00" in str(error)


# A bomb: a megabyte in a kilobyte.
GZIP = gzip.compress(b'{"error":"' + b"x" * (1 << 20) + b'"}')
CODINGS: list[tuple[str, list[str]]] = [
    ("gzip", ["gzip"]),
    ("br", ["br"]),
    ("zstd", ["zstd"]),
    ("gzip, br", ["gzip, br"]),
    ("identity, gzip", ["identity", "gzip"]),
    ("x-unheard-of", ["x-unheard-of"]),
]


@pytest.mark.parametrize(("named", "lines"), CODINGS, ids=[row[0] for row in CODINGS])
def test_a_coding_that_was_not_asked_for_is_refused_by_name(named: str, lines: list[str]) -> None:
    """On a good status a ProtocolError, nothing inflated; on another the status keeps its class."""
    headers: dict[str, str | list[str]] = {"content-encoding": lines, "x-request-id": "r-1"}
    answers = iter(answer(GZIP, status, headers) for status in (200, 200, 500, 401))
    with Double(lambda _: next(answers)) as double:
        bot = endpoint(double)
        for call in (bot.generate_text, bot.generate_text_stream):
            with pytest.raises(ProtocolError, match=f"encoded as `{named}`") as coded:
                call(prompt="Hi")
            assert (coded.value.status, coded.value.request_id) == (200, "r-1")
        for kind in (ServerError, AuthError):
            with pytest.raises(kind, match=f"encoded as `{named}`") as caught:
                bot.generate_text(prompt="Hi")
            assert (caught.value.body, caught.value.api_code) == (None, None)
            assert str(caught.value).isascii()
        assert len(double.journal.requests) == 4


@pytest.mark.parametrize("coding", ["identity", "", "Identity, identity"])
def test_no_coding_by_another_name_is_fine(coding: str) -> None:
    """What was asked for may be said."""
    with Double(answer([LIVE], headers={"content-encoding": coding})) as double:
        assert len(management(double).list()) == 1


# Without a prefix that tells: only the SDK knows that it is a token.
OPAQUE = "s3cr3t/opaque+token=for~tests?0123456789"
ESCAPED = "".join(f"\\u{ord(c):04x}" for c in OPAQUE)
ECHOES = [
    ("raw", OPAQUE),
    ("URL-encoded", urllib.parse.quote(OPAQUE, safe="")),
    ("URL-encoded but for slashes", urllib.parse.quote(OPAQUE)),
    ("base64", base64.b64encode(OPAQUE.encode()).decode()),
    ("base64 of the header", base64.b64encode(f"Bearer {OPAQUE}".encode()).decode()),
    ("base64, URL-safe", base64.urlsafe_b64encode(OPAQUE.encode()).decode()),
    ("JSON escapes", ESCAPED),
    ("HTML", html.escape(OPAQUE)),
    ("HTML references", "".join(f"&#x{ord(c):x};" for c in OPAQUE)),
    ("its beginning", OPAQUE[:20]),
    ("the beginning of its base64", base64.b64encode(OPAQUE.encode()).decode()[:25]),
]


def shown(error: InferenceKeyError) -> str:
    """Everything an error says, in every way to look at it."""
    return f"{error} {error!r} {vars(error)} {pickle.dumps(error)!r} {copy.copy(error)!r}"


@pytest.mark.parametrize("echo", [row[1] for row in ECHOES], ids=[row[0] for row in ECHOES])
def test_an_echoed_token_without_a_prefix_is_masked_everywhere(echo: str) -> None:
    """In the words, the code, the body, the request id, and where a refused header holds it."""
    page = f"<html><body><h1>debug</h1><pre>authorization: Bearer {echo}</pre></body></html>"
    quoted = json.dumps({"error": {"code": echo, "message": f"bad token {echo}", "param": echo}})
    raw = f'{{"error": {{"message": "bad token {echo}"}}}}'
    headers: dict[str, str | list[str]] = {"x-request-id": echo}
    answers = [
        answer(quoted.encode(), 401, headers),
        answer(raw.encode(), 401, headers),
        answer(page.encode(), 500, headers),
        answer(echo.encode(), 400, headers),
        answer({}, 200, {**headers, "content-encoding": echo}),
        answer({}, 500, {**headers, "content-encoding": echo}),
        answer({}, 302, {**headers, "location": f"http://x.example/{echo}"}),
        answer({"choices": [{"message": echo}]}, 200, headers),
        answer({"error": {"message": echo, "code": echo}}, 200, headers),
        answer({}, 200, {**headers, "transfer-encoding": echo}),
        answer(quoted.encode()[:-5], 200, headers),
    ]
    with Double(*answers) as double:
        bot = endpoint(double, api_key=OPAQUE, retries=0, cold_start=0)
        for _ in answers:
            with pytest.raises(InferenceKeyError) as caught:
                bot.generate_text(prompt="Hi")
            assert echo not in shown(caught.value)
            assert echo[12:24] not in shown(caught.value)
    with Double(*(answer({}, 200, {"content-type": kind}) for kind in (echo, f"text/{echo}"))) as d:
        bot = endpoint(d, api_key=OPAQUE)
        for _ in range(2):
            with pytest.raises(InferenceKeyError) as caught:
                bot.generate_text_stream(prompt="Hi")
            assert echo.lower() not in shown(caught.value).lower()


@pytest.mark.parametrize("part", [8, 9, 15, 30, len(OPAQUE)])
@pytest.mark.parametrize("status", [500, 200])
def test_a_token_at_the_limit_of_the_body_is_not_cut_in_half(part: int, status: int) -> None:
    """`.body` ends after 64 KiB; the part of a token that still fits is masked."""
    content = b"x" * ((64 << 10) - part - 1) + b" " + OPAQUE.encode() + b"y" * 1000
    with Double(answer(content, status)) as double, pytest.raises(InferenceKeyError) as caught:
        endpoint(double, api_key=OPAQUE).generate_text(prompt="Hi")
    assert caught.value.body is not None
    assert len(caught.value.body.encode()) <= 64 << 10
    assert "s3cr3t/" not in shown(caught.value)


@dataclass(frozen=True)
class Fault:
    """A way to fail, and what its error carries beside operation and host."""

    script: Sequence[Step] | bytes
    kind: type[InferenceKeyError]
    code: str
    status: int | None = 200
    retryable: bool = False
    stream: bool = False
    options: dict[str, Any] = field(default_factory=dict)


IDS: dict[str, str | list[str]] = {"x-request-id": "r-1"}
CHAT = b"HTTP/1.1 200 OK\r\nx-request-id: r-1\r\ncontent-type: application/json\r\n"
SSE = chunked_head().replace(b"\r\n\r\n", b"\r\nx-request-id: r-1\r\n\r\n")
HI = chunk(frames(delta("Hi")))

FAULTS: dict[str, Fault] = {
    **{
        f"status {status}": Fault(
            answer({"error": "x"}, status, IDS),
            kind,
            code,
            status,
            retryable=status in (408, 429, 502, 503, 504),
        )
        for status, kind, code in STATUSES
    },
    "busy": Fault(
        answer({}, 429, {**IDS, "retry-after": "500"}), RateLimited, "rate_limited", 429, True
    ),
    "warming": Fault(
        answer({"error": "warming"}, 503, IDS),
        EndpointWarming,
        "endpoint_warming",
        503,
        True,
        options={"cold_start": 0},
    ),
    "no answer": Fault([FIN], ConnectionFailed, "connection_lost", None, True),
    "a reset": Fault([RST], ConnectionFailed, "connection_lost", None, True),
    "half a head": Fault([CHAT, FIN], ConnectionFailed, "connection_lost", None, True),
    "half a body": Fault(
        [CHAT + b"content-length: 9\r\n\r\n{", FIN], ConnectionFailed, "connection_lost", 200, True
    ),
    "no HTTP": Fault(b"SSH-2.0\r\n\r\n", ProtocolError, "protocol_error", None, True),
    "a bad chunk": Fault(
        CHAT + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        ProtocolError,
        "protocol_error",
        200,
        True,
    ),
    "too many header lines": Fault(
        CHAT + b"x-a: b\r\n" * 200 + b"\r\n", LimitExceeded, "limit_exceeded", None
    ),
    "too long": Fault(
        CHAT + b"content-length: 999999999999\r\n\r\n", LimitExceeded, "limit_exceeded"
    ),
    "a redirect": Fault(
        answer({}, 302, {**IDS, "location": "/"}), ProtocolError, "protocol_error", 302
    ),
    "a coding": Fault(
        answer({}, 200, {**IDS, "content-encoding": "br"}), ProtocolError, "protocol_error"
    ),
    "no JSON": Fault(answer(b"<html>", 200, IDS), ProtocolError, "protocol_error"),
    "deep JSON": Fault(answer(b"[" * 1000, 200, IDS), LimitExceeded, "limit_exceeded"),
    "an error in a 200": Fault(answer({"error": "x"}, 200, IDS), ApiError, "http_error"),
    "silence": Fault(
        [HANG], Timeout, "timeout_total", None, True, options={"timeout": Timeouts(total=0.2)}
    ),
    "silence in a head": Fault(
        [CHAT, HANG], Timeout, "timeout_idle", None, True, options={"timeout": Timeouts(idle=0.2)}
    ),
    "silence in a body": Fault(
        [CHAT + b"content-length: 9\r\n\r\n{", HANG],
        Timeout,
        "timeout_idle",
        200,
        True,
        options={"timeout": Timeouts(idle=0.2)},
    ),
    "no time left in a body": Fault(
        [CHAT + b"content-length: 9\r\n\r\n{", HANG],
        Timeout,
        "timeout_total",
        200,
        True,
        options={"timeout": Timeouts(total=0.3)},
    ),
    "a stream's status": Fault(
        answer({"error": "x"}, 500, IDS), ServerError, "server_error", 500, stream=True
    ),
    "a stream that is none": Fault(
        answer(b"hello", 200, {**IDS, "content-type": "text/plain"}),
        ProtocolError,
        "protocol_error",
        stream=True,
    ),
    "a cut stream": Fault(
        [SSE + HI, FIN], StreamTruncated, "stream_truncated", 200, True, stream=True
    ),
    "a short stream": Fault(
        [SSE + HI + b"0\r\n\r\n"], StreamTruncated, "stream_truncated", 200, True, stream=True
    ),
    "a silent stream": Fault(
        [SSE + HI, HANG],
        StreamStalled,
        "timeout_idle",
        200,
        True,
        stream=True,
        options={"timeout": Timeouts(idle=0.2)},
    ),
    "a stream's error frame": Fault(
        [SSE + HI + chunk(frames({"error": {"message": "died"}}))],
        ApiError,
        "stream_error",
        stream=True,
    ),
    "a stream's odd frame": Fault(
        [SSE + HI + chunk(frames("no JSON"))], ProtocolError, "protocol_error", stream=True
    ),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_every_error_carries_every_attribute(fault: Fault) -> None:
    """On every path, and they survive pickle and copy."""
    with Double(fault.script) as double:
        bot = endpoint(double, **{"retries": 0, **fault.options})
        call: Callable[..., Any] = bot.generate_text_stream if fault.stream else bot.generate_text
        with pytest.raises(InferenceKeyError) as caught:
            list(call(prompt="Hi"))
        host = double.url.removeprefix("http://")
        assert len(double.journal.requests) == 1
    error = caught.value
    assert type(error) is fault.kind
    expected = {
        "code": fault.code,
        "status": fault.status,
        "request_id": None if fault.status is None else "r-1",
        "attempts": 1,
        "host": host,
        "operation": "generate_text_stream" if fault.stream else "generate_text",
        "retryable": fault.retryable,
    }
    assert {name: getattr(error, name) for name in expected} == expected
    assert host in str(error)
    assert isinstance(error, TimeoutError) == fault.code.startswith("timeout")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert (str(twin), vars(twin)) == (str(error), vars(error))


def test_a_refused_connection_carries_what_there_is() -> None:
    """No status and no request id, but host, operation and the tries."""
    with (
        Double(listens=False) as double,
        pytest.raises(ConnectionFailed, match="connection refused") as caught,
    ):
        endpoint(double, retries=1).generate_text(prompt="Hi")
    error = caught.value
    assert (error.host, error.operation) == (double.host, "generate_text")
    assert (error.status, error.request_id, error.attempts) == (None, None, 2)
    assert error.retryable


def test_retry_after_is_an_attribute() -> None:
    """In seconds, also of an answer that is not waited for."""
    busy = answer({}, 429, {"retry-after": "500.5"})
    with Double(busy) as double, pytest.raises(RateLimited) as caught:
        endpoint(double).generate_text(prompt="Hi")
    assert caught.value.retry_after == 500.5


READINESS: list[tuple[str, object, type[InferenceKeyError], int | None]] = [
    ("an error frame", {"error": {"message": "lost"}}, ApiError, 200),
    ("the workload failed", {"phase": "error", "message": "no GPU"}, WorkloadFailed, None),
]


@pytest.mark.parametrize(
    ("frame", "kind", "status"), [row[1:] for row in READINESS], ids=[row[0] for row in READINESS]
)
def test_what_a_wait_is_told_carries_the_request_id(
    frame: object, kind: type[InferenceKeyError], status: int | None
) -> None:
    """A workload that failed is no fault of the answer, so it has no status."""
    with Double([SSE + chunk(frames(frame)), HANG]) as double:
        with pytest.raises(kind) as caught:
            management(double).wait_until_ready("bot", silent=True)
        host = double.url.removeprefix("http://")
    error = caught.value
    assert (error.request_id, error.status, error.attempts) == ("r-1", status, 1)
    assert (error.host, error.operation) == (host, "wait_until_ready")
