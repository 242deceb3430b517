"""The data plane: what passes, what is rewritten, and what a client is told while a workload is not
ready."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from local.platform_client import PlatformClient, fake_command, until


@pytest.fixture
def ready(client: PlatformClient) -> PlatformClient:
    """A client with the ready workload `bot`, whose engine calls its model `real/name`."""
    client.create(command=fake_command("--model", "real/name", "--pause", "0.05"))
    assert client.wait()["phase"] == "ready"
    return client


def test_only_the_model_changes_in_the_body(ready: PlatformClient) -> None:
    """Numbers, key order, spacing and escapes reach the engine byte for byte."""
    body = (
        b'{ "temperature":1.0, "seed": 12345678901234567890123,\n "model" : "bot", "x":1e-7,'
        b'"messages":[{"role":"user","content":"\\u00fc \xc3\xbc","model":"inner"}]'
        b' ,"stream":false}'
    )
    path = "/endpoint/acme/bot/v1/chat/completions"
    assert ready.send("POST", path, body).status == 200
    sent = ready.journal()[-1]["raw"]
    assert sent == body.decode().replace('"bot"', '"real/name"')


def test_what_is_the_platforms_does_not_reach_the_engine(ready: PlatformClient) -> None:
    """The data key ends at the platform; other headers pass, in both directions."""
    answer = ready.chat("x", headers={"x-trace": "7", "connection": "close, x-hop", "x-hop": "1"})
    assert answer.headers["x-engine"] == "fake"
    assert "x-inferencekey-stand-in" not in answer.headers
    seen = {name.lower(): value for name, value in ready.journal()[-1]["headers"].items()}
    assert seen["x-trace"] == "7"
    assert seen["accept-encoding"] == "identity"
    assert not {"authorization", "x-hop"} & seen.keys()
    assert ready.api_key not in json.dumps(ready.journal())


def test_routes_queries_and_other_bodies_pass(ready: PlatformClient) -> None:
    """GET with a query, multipart upload, an engine's own 404."""
    prefix = "/endpoint/acme/bot/v1"
    assert ready.send("GET", f"{prefix}/audio/voices?a=%2F&b").json["query"] == "a=%2F&b"
    upload = ready.send(
        "POST", f"{prefix}/audio/transcriptions", b"x" * 300_000,
        headers={"content-type": "multipart/form-data; boundary=b"},
    )  # fmt: skip
    assert upload.json == {"type": "multipart/form-data; boundary=b", "bytes": 300_000}
    assert ready.send("POST", f"{prefix}/nope", {}).status == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff"])
def test_a_body_that_is_no_object_is_refused(ready: PlatformClient, body: bytes) -> None:
    """The platform must set `model`, so it refuses what has no place for it."""
    answer = ready.send("POST", "/endpoint/acme/bot/v1/chat/completions", body or b" ")
    assert (answer.status, answer.code) == (400, "bad_request")


def test_a_big_prompt_passes(ready: PlatformClient) -> None:
    """Twenty megabytes arrive whole, and come back whole."""
    text = "0123456789" * 2_000_000
    answer = ready.chat(text)
    assert answer.status == 200, answer.body[:1000]
    assert answer.json["choices"][0]["message"]["content"] == text


def test_a_stream_is_not_buffered(ready: PlatformClient) -> None:
    """The first word is there long before the last."""
    connection, answer = open_stream(ready, "one two three four five six seven eight nine ten")
    answer.readline()
    first = time.monotonic()
    rest = answer.read()
    assert rest.endswith(b"data: [DONE]\n\n")
    assert time.monotonic() - first > 0.3
    connection.close()


@pytest.mark.parametrize(("text", "stream"), [("word " * 200, True), ("hang", False)])
def test_a_client_that_leaves_stops_the_engine(
    ready: PlatformClient, text: str, stream: bool
) -> None:
    """A closed connection reaches the engine at once, in a stream and while it still thinks."""
    if stream:
        connection, answer = open_stream(ready, text)
        answer.readline()
        answer.close()
    else:
        connection = socket.create_connection((ready.host, ready.port))
        body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
        connection.sendall(
            b"POST /endpoint/acme/bot/v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\n"
            + f"authorization: Bearer {ready.api_key}\r\n".encode()
            + f"content-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        until(lambda: any("hang" in str(entry["raw"]) for entry in ready.journal()))
    connection.close()
    until(lambda: any(entry["cancelled"] for entry in ready.journal()))


def test_a_stream_that_the_engine_breaks_off_ends_as_cut(ready: PlatformClient) -> None:
    """No clean end is faked: the transfer is incomplete, and the words so far are there."""
    import http.client

    connection, answer = open_stream(ready, "one two DIE three")
    with pytest.raises(http.client.IncompleteRead) as cut:
        answer.read()
    connection.close()
    assert b"one" in cut.value.partial
    assert b"three" not in cut.value.partial


def test_an_engine_that_dies_on_a_request_is_told_apart(ready: PlatformClient) -> None:
    """502 without `retry-after`: the request may have been worked on. Then the engine comes
    back."""
    answer = ready.chat("die")
    assert (answer.status, answer.code) == (502, "engine_failed")
    assert "retry-after" not in answer.headers
    until(lambda: ready.chat("again").status == 200)


def test_while_it_comes_up_clients_are_asked_to_come_again(client: PlatformClient) -> None:
    """503 with `retry-after` and a code of wire.md 5.5."""
    client.create(command=fake_command("--slow-start", "1"))
    answer = client.chat("x")
    assert answer.status == 503
    assert answer.code in ("cold_start", "model_loading")
    assert answer.headers["retry-after"] == "1"
    until(lambda: client.chat("x").status == 200)


def test_a_failed_workload_says_why_and_not_to_come_again(client: PlatformClient) -> None:
    """503 without `retry-after`, with the words of the error phase."""
    client.create(command="no-such-program --x")
    assert client.wait()["phase"] == "error"
    answer = client.chat("x")
    assert (answer.status, answer.code) == (503, "workload_failed")
    assert "no-such-program" in answer.message
    assert "retry-after" not in answer.headers


def open_stream(client: PlatformClient, text: str) -> Any:
    """A streamed chat whose answer is still to be read."""
    body = {"model": "bot", "stream": True, "messages": [{"role": "user", "content": text}]}
    connection, answer = client.open("POST", "/endpoint/acme/bot/v1/chat/completions", body)
    assert answer.status == 200
    return connection, answer
