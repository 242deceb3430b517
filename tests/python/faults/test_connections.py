"""Connections and HTTP framing (faults.md 3.1): what a server may do to a connection."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence

import pytest
from child import run
from clients import LIVE, completion, delta, endpoint, management
from double import (
    FIN,
    HANG,
    LAST_CHUNK,
    RST,
    Double,
    Pause,
    Repeat,
    Request,
    Send,
    Step,
    Until,
    answer,
    chunk,
    chunked_head,
    sse,
)

from inferencekey import (
    ConnectionFailed,
    InferenceKeyError,
    LimitExceeded,
    ProtocolError,
    Timeout,
    Timeouts,
)

GOOD = answer(completion("Hi"))
CHUNKED = (
    chunked_head("application/json")
    + chunk(json.dumps(completion("Hi")).encode()[:40])
    + chunk(json.dumps(completion("Hi")).encode()[40:])
    + LAST_CHUNK
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def in_turn(scripts: Sequence[Sequence[Step] | bytes]) -> Callable[[Request], list[Step]]:
    """One script after the other, over any number of connections."""
    rest = iter(scripts)

    def choose(_: Request) -> list[Step]:
        script = next(rest)
        return [script] if isinstance(script, bytes) else list(script)

    return choose


# Nothing comes back.
LOST: list[tuple[str, list[Step], list[Step]]] = [
    ("FIN on accept", [FIN], []),
    ("FIN after the request", [], [FIN]),
    ("RST after the request", [], [RST]),
]


@pytest.mark.parametrize(
    ("greeting", "script"), [row[1:] for row in LOST], ids=[row[0] for row in LOST]
)
def test_no_answer_is_a_failed_connection(greeting: list[Step], script: list[Step]) -> None:
    """At once, with its cause in words, and a chat goes out once."""
    with Double(script, greeting=greeting) as double:
        with pytest.raises(ConnectionFailed, match="lost before an answer: connection") as caught:
            endpoint(double).generate_text(prompt="Hi")
        assert len(double.journal.connections) == 1
    assert isinstance(caught.value, ConnectionError)
    assert (caught.value.code, caught.value.attempts) == ("connection_lost", 1)


def test_a_reset_on_accept_is_a_failed_connection() -> None:
    """Whether it arrives while we connect, which may be tried again, or after the request."""
    with Double(greeting=[RST]) as double:
        with pytest.raises(ConnectionFailed, match="connection reset") as caught:
            endpoint(double).generate_text(prompt="Hi")
        assert double.journal.requests == []
        assert caught.value.attempts == len(double.journal.connections)
    assert caught.value.code in ("connection_failed", "connection_lost")


@pytest.mark.parametrize("end", [FIN, RST], ids=["FIN", "RST"])
@pytest.mark.parametrize("whole", [GOOD, CHUNKED], ids=["with a length", "chunked"])
def test_a_cut_at_any_offset_is_an_error(whole: bytes, end: Step) -> None:
    """Never a short answer; the chat goes out once, and the error says that it was cut."""
    scripts: list[list[Step]] = [[whole[:offset], end] for offset in range(1, len(whole))]
    with Double(in_turn(scripts)) as double:
        bot = endpoint(double)
        for offset in range(1, len(whole)):
            with pytest.raises(ConnectionFailed, match="the answer was cut") as caught:
                bot.generate_text(prompt="Hi")
            assert caught.value.attempts == 1, offset
        assert len(double.journal.requests) == len(scripts)


def test_a_cut_answer_still_tells_its_status_and_request_id() -> None:
    """Whoever runs the platform finds the request again."""
    cut = answer(completion("Hi"), headers={"x-request-id": "r-1"})[:-1]
    with Double([cut, FIN]) as double:
        with pytest.raises(ConnectionFailed) as caught:
            endpoint(double).generate_text(prompt="Hi")
        host = double.url.removeprefix("http://")
    error = caught.value
    assert (error.status, error.request_id, error.host) == (200, "r-1", host)


BROKEN: list[tuple[str, bytes]] = [
    ("not HTTP", b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("another version", b"HTTP/3.7 200 OK\r\n\r\n"),
    ("no status", b"HTTP/1.1 OK\r\n\r\n"),
    ("a header without a colon", HEAD + b"bad header\r\ncontent-length: 2\r\n\r\n{}"),
    ("a folded header", HEAD + b"x-a: b\r\n c\r\ncontent-length: 2\r\n\r\n{}"),
    ("a space before the colon", HEAD + b"content-length : 2\r\n\r\n{}"),
    ("a control character in a header", HEAD + b"x-a: \x00\r\ncontent-length: 2\r\n\r\n{}"),
    ("two lengths", HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} "),
    ("two lengths in a line", HEAD + b"content-length: 2, 3\r\n\r\n{} "),
    ("a negative length", HEAD + b"content-length: -2\r\n\r\n{}"),
    ("a length with a sign", HEAD + b"content-length: +2\r\n\r\n{}"),
    ("a length in words", HEAD + b"content-length: two\r\n\r\n{}"),
    ("a length beyond 64 bits", HEAD + b"content-length: 99999999999999999999\r\n\r\n{}"),
    (
        "length and chunks",
        HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ),
    (
        "chunks and length",
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ),
    ("a transfer coding", HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    ("a transfer coding without chunks", HEAD + b"transfer-encoding: gzip\r\n\r\n{}"),
    ("chunked twice", HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n"),
    ("chunks in HTTP/1.0", b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    ("a protocol switch", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
    *[
        (f"the chunk {name}", HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks)
        for name, chunks in [
            ("size is no number", b"zz\r\n{}\r\n0\r\n\r\n"),
            ("size is negative", b"-2\r\n{}\r\n0\r\n\r\n"),
            ("size is missing", b"\r\n{}\r\n0\r\n\r\n"),
            ("size has a prefix", b"0x2\r\n{}\r\n0\r\n\r\n"),
            ("size overflows", b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
            ("is longer than its size", b"2\r\n{}xx\r\n0\r\n\r\n"),
            ("ends in a lone LF", b"2\n{}\n0\n\n"),
        ]
    ],
]


@pytest.mark.parametrize("broken", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_broken_framing_is_refused_and_its_connection_dropped(broken: bytes) -> None:
    """A ProtocolError, one send; the next call is good, on a connection of its own."""
    with Double(in_turn([[broken, HANG], GOOD])) as double:
        bot = endpoint(double)
        with pytest.raises(ProtocolError) as caught:
            bot.generate_text(prompt="Hi")
        assert caught.value.attempts == 1
        assert bot.generate_text(prompt="Hi").text == "Hi"
        assert [len(one.requests) for one in double.journal.connections] == [1, 1]
        assert double.journal.connections[0].closed.wait(5)


INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"

LONG_INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: " + b"x" * 100_000 + b"\r\n\r\n"

LIMITS: list[tuple[str, str, list[Step]]] = [
    ("interim responses in one piece", "interim_responses", [INTERIM * 17 + GOOD]),
    ("interim responses without end", "interim_responses", [Repeat(INTERIM)]),
    ("header lines", "header_lines", [HEAD + b"x-a: b\r\n" * 200 + b"\r\n"]),
    ("an endless header", "response_head", [HEAD + b"x-a: ", Repeat(b"a" * 8192)]),
    ("endless header lines", "header_lines", [HEAD, Repeat(b"x-a: b\r\n")]),
    ("a head of long lines", "response_head", [HEAD, Repeat(b"x-a: " + b"b" * 8000 + b"\r\n")]),
    (
        "a chunk size without end",
        "chunk_size_line",
        [HEAD + b"transfer-encoding: chunked\r\n\r\n", Repeat(b"f" * 64)],
    ),
    (
        "chunk extensions without end",
        "chunk_size_line",
        [HEAD + b"transfer-encoding: chunked\r\n\r\n2;", Repeat(b"x" * 4096)],
    ),
    (
        "a chunk size of 17 digits",
        "chunk_size_line",
        [HEAD + b"transfer-encoding: chunked\r\n\r\n" + b"0" * 16 + b"2\r\n{}\r\n0\r\n\r\n"],
    ),
    (
        "a chunk-size line beyond 4 KiB",
        "chunk_size_line",
        [HEAD + b"transfer-encoding: chunked\r\n\r\n2;" + b"x" * 4095 + b"\r\n{}\r\n0\r\n\r\n"],
    ),
    (
        "trailers beyond 8 KiB",
        "trailers",
        [CHUNKED[:-2] + b"x-a: " + b"b" * 8200 + b"\r\n\r\n"],
    ),
    ("trailers without end", "trailers", [CHUNKED[:-2], Repeat(b"x-a: b\r\n")]),
    ("interim heads beyond 256 KiB", "response_head", [LONG_INTERIM * 3 + GOOD]),
]


@pytest.mark.parametrize(
    ("limit", "script"), [row[1:] for row in LIMITS], ids=[row[0] for row in LIMITS]
)
def test_heads_and_chunk_sizes_are_cut_at_a_named_limit(limit: str, script: list[Step]) -> None:
    """The name is in the message and in `.limit`; the next call is good."""
    with Double(in_turn([[*script, HANG], GOOD])) as double:
        bot = endpoint(double)
        with pytest.raises(LimitExceeded, match=f"limit `{limit}`") as caught:
            bot.generate_text(prompt="Hi")
        assert (caught.value.limit, caught.value.attempts) == (limit, 1)
        assert bot.generate_text(prompt="Hi").text == "Hi"
        assert len(double.journal.connections) == 2


@pytest.mark.parametrize("every", [None, 50_000], ids=["whole", "in pieces"])
def test_a_head_of_exactly_the_limit_is_an_answer(every: int | None) -> None:
    """256 KiB are allowed and one byte more is not, however the bytes arrive."""
    body = GOOD.partition(b"\r\n\r\n")[2]
    head = HEAD + b"content-length: %d\r\nx-a: " % len(body)
    room = 256 * 1024 - len(head) - len(b"\r\n\r\n")

    def script(padding: int) -> list[Step]:
        return [Send(head + b"b" * padding + b"\r\n\r\n" + body, every=every)]

    with Double(script(room), script(room + 1)) as double:
        bot = endpoint(double)
        assert bot.generate_text(prompt="Hi").text == "Hi"
        with pytest.raises(LimitExceeded, match="limit `response_head`"):
            bot.generate_text(prompt="Hi")


ENDLESS = """
import resource
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
endpoint = DataClient(base_url=ARGS[0], project="acme", api_key=API_KEY).endpoint("bot")
endpoint.generate_text(prompt="Hi")
before = peak()
try:
    endpoint.generate_text(prompt="Hi")
except InferenceKeyError as error:
    print(getattr(error, "limit", None), error.status, peak() - before)
"""

MIB = 1 << 20
FILL = Repeat(chunk(b"x" * MIB))

# What never ends, what cuts it, and the most memory that may take.
ENDLESS_BODIES: list[tuple[str, list[Step], str, int]] = [
    ("an endless body", [chunked_head(), FILL], "success_body 200", 256 * MIB * 5 // 4),
    ("an endless error", [chunked_head(status=500), FILL], "None 500", 4 * MIB),
    (
        "a length beyond the limit",
        [HEAD + b"content-length: 99999999999\r\n\r\n", Repeat(b"x" * MIB)],
        "success_body 200",
        4 * MIB,
    ),
]


@pytest.mark.parametrize(
    ("script", "expected", "most"),
    [row[1:] for row in ENDLESS_BODIES],
    ids=[row[0] for row in ENDLESS_BODIES],
)
def test_bodies_without_end_are_cut_and_memory_stays_flat(
    script: list[Step], expected: str, most: int
) -> None:
    """At most a quarter more than the limit; nobody drains the rest."""
    with Double(in_turn([GOOD, script])) as double:
        status, out, err = run(ENDLESS, double.url)
        assert double.journal.connections[0].closed.wait(5)
    assert (status, err) == (0, "")
    *said, grown = out.split()
    assert " ".join(said) == expected
    assert int(grown) < most


SILENT: list[tuple[str, str, list[Step]]] = [
    ("no header", "total", [HANG]),
    ("half a header", "idle", [HEAD + b"content-le", HANG]),
    ("half a status line", "idle", [b"HTTP/1.", HANG]),
    ("a body that stalls", "idle", [GOOD[:-5], HANG]),
    ("a chunk that stalls", "idle", [CHUNKED[:-9], HANG]),
    ("half a header after an interim response", "idle", [INTERIM, Pause(0.1), HEAD[:-9], HANG]),
    ("half a header in one piece with it", "idle", [INTERIM + HEAD[:-9], HANG]),
    ("whole lines in one piece with it", "idle", [INTERIM + HEAD, HANG]),
    ("an interim response in pieces", "total", [Send(INTERIM, every=1), HANG]),
    ("an interim response alone", "total", [INTERIM, HANG]),
]


@pytest.mark.parametrize(
    ("kind", "script"), [row[1:] for row in SILENT], ids=[row[0] for row in SILENT]
)
def test_silence_ends_by_the_right_clock(kind: str, script: list[Step]) -> None:
    """`idle` once a byte of the answer is in, `total` before."""
    with Double(script) as double:
        bot = endpoint(double, timeout=Timeouts(idle=0.3, total=3.0))
        with pytest.raises(Timeout) as caught:
            bot.generate_text(prompt="Hi", timeout=Timeouts(total=0.6) if kind == "total" else None)
        assert double.journal.connections[0].closed.wait(5)
    assert (caught.value.kind, caught.value.code) == (kind, f"timeout_{kind}")
    assert isinstance(caught.value, TimeoutError)


def test_a_steady_drip_is_no_silence() -> None:
    """Head and body trickle in for longer than `idle`: only silence is a stall."""
    pieces = [GOOD[start : start + 25] for start in range(0, len(GOOD), 25)]
    drip: list[Step] = [step for piece in pieces for step in (piece, Pause(0.25))]
    assert len(pieces) * 0.25 > 2.0
    with Double(drip) as double:
        bot = endpoint(double, timeout=Timeouts(idle=2.0))
        assert bot.generate_text(prompt="Hi").text == "Hi"


BODY = json.dumps(completion("Hi")).encode()

TRANSPARENT: list[tuple[str, list[Step]]] = [
    ("100 before 200", [b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD]),
    ("103 before 200, apart", [INTERIM, Pause(0.05), GOOD]),
    ("16 interim responses", [INTERIM * 16 + GOOD]),
    ("interim heads of 200 KB", [LONG_INTERIM * 2 + GOOD]),
    ("HTTP/1.0", [b"HTTP/1.0 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY), FIN]),
    ("HTTP/1.0 without a length", [b"HTTP/1.0 200 OK\r\n\r\n" + BODY, FIN]),
    ("a body that ends with the connection", [HEAD + b"\r\n" + BODY, FIN]),
    ("chunks", [CHUNKED]),
    ("chunks with extensions and trailers", [
        HEAD + b"transfer-encoding: Chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\nx-t: 1\r\n\r\n"
        % (len(BODY), BODY)
    ]),
    ("chunk sizes of 16 digits in lines of 4 KiB", [
        HEAD + b"transfer-encoding: chunked\r\n\r\n%016x;%b\r\n%b\r\n%b\r\nx: %b\r\n\r\n"
        % (len(BODY), b"e" * 4079, BODY, b"0" * 16, b"y" * 8183)
    ]),
    ("one byte at a time", [Send(GOOD, every=1)]),
    ("the same length twice", [
        HEAD + b"content-length: %d\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), len(BODY), BODY)
    ]),
    ("200 header lines", [HEAD + b"x-a: b\r\n" * 198 + b"content-length: %d\r\n\r\n%b"
                          % (len(BODY), BODY)]),
    ("no reason phrase", [b"HTTP/1.1 200\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)]),
]  # fmt: skip


@pytest.mark.parametrize("script", [row[1] for row in TRANSPARENT], ids=[r[0] for r in TRANSPARENT])
def test_unusual_but_whole_answers_are_answers(script: list[Step]) -> None:
    """A caller sees nothing of how the answer was framed."""
    with Double(script) as double:
        assert endpoint(double).generate_text(prompt="Hi").text == "Hi"


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body_end_at_their_head(status: int) -> None:
    """Nothing is waited for, whatever length they claim; the connection is used again."""
    bare = b"HTTP/1.1 %d Scripted\r\ncontent-length: 5\r\n\r\n" % status
    with Double(in_turn([bare, answer([LIVE])])) as double:
        mgmt = management(double)
        with pytest.raises(ProtocolError):
            mgmt.list()
        assert [workload["slug"] for workload in mgmt.list()] == ["bot"]


def test_sequential_calls_use_one_connection() -> None:
    """Also when answers are chunked, streamed, or errors whose body was read."""
    refusal = answer({"error": "bad_request"}, 400)
    stream = sse(delta("Hi"), delta(None, "stop"), "[DONE]")
    with Double(in_turn([GOOD, CHUNKED, refusal, stream, GOOD])) as double:
        bot = endpoint(double)
        assert bot.generate_text(prompt="Hi").text == "Hi"
        assert bot.generate_text(prompt="Hi").text == "Hi"
        with pytest.raises(InferenceKeyError):
            bot.generate_text(prompt="Hi")
        assert "".join(one.text for one in bot.generate_text_stream(prompt="Hi")) == "Hi"
        assert bot.generate_text(prompt="Hi").text == "Hi"
        assert len(double.journal.connections) == 1


OTHER = answer(completion("not yours"))


@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
def test_an_unasked_answer_is_never_given_to_the_next_caller(late: bool) -> None:
    """Bytes that nobody asked for condemn the connection."""
    done, sent = threading.Event(), threading.Event()

    class Sent:
        def play(self, *_: object) -> None:
            sent.set()

    unasked: list[Step] = [GOOD, Until(done), OTHER, Sent()] if late else [GOOD + OTHER, Sent()]
    with Double(in_turn([unasked, GOOD])) as double:
        bot = endpoint(double)
        assert bot.generate_text(prompt="Hi").text == "Hi"
        done.set()
        assert sent.wait(5)
        assert bot.generate_text(prompt="Hi").text == "Hi"
        assert len(double.journal.connections) == 2


@pytest.mark.parametrize("pause", [0.0, 0.002], ids=["at once", "after a pause"])
def test_a_server_that_closes_idle_connections_goes_unnoticed(pause: float) -> None:
    """Whether the close arrives before, while or after the next request is written."""
    closing: list[Step] = [answer([LIVE]), Pause(pause), FIN]
    with Double(lambda _: closing) as double:
        mgmt = management(double, retries=0)
        for _ in range(100):
            assert len(mgmt.list()) == 1


@pytest.mark.parametrize("end", [FIN, RST, HANG], ids=["FIN", "RST", "open"])
@pytest.mark.parametrize("later", [False, True], ids=["at once", "later"])
def test_an_early_refusal_wins_over_the_broken_pipe(later: bool, end: Step) -> None:
    """The server answers and closes while the request's large body is still being written."""
    refusal = answer({"error": {"code": "too_large", "message": "at most 1 MB"}}, 413)
    script: list[Step] = [refusal, *([Pause(0.1)] if later else []), end]
    prompt = "x" * (8 << 20)
    with Double(lambda _: script, reads_bodies=False) as double:
        bot = endpoint(double)
        # A close at once meets the writing at another point each time.
        for _ in range(1 if later or end is HANG else 10):
            with pytest.raises(InferenceKeyError, match="at most 1 MB") as caught:
                bot.generate_text(prompt=prompt)
            assert (caught.value.status, caught.value.attempts) == (413, 1)
