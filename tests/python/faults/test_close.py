"""`client.close()` from elsewhere: what is in flight ends at once, on the wire too."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from child import running
from clients import data, delta, management
from double import HANG, LAST_CHUNK, Double, Step, Until, chunk, chunked_head, frames

from inferencekey import Cancelled

HI = chunk(frames(delta("Hi")))


@pytest.mark.parametrize(
    "kind", ["generate_text", "embed", "stream", "open stream", "list", "wait"]
)
def test_close_ends_calls_in_flight_as_cancelled(kind: str) -> None:
    """From another thread, within 0.1 s, never as a failure of the server; the socket is closed."""
    hang: list[Step] = [chunked_head(), HI, HANG] if kind == "open stream" else [HANG]
    with Double(lambda _: hang) as double:
        mgmt, client = management(double), data(double)
        bot = client.endpoint("bot")
        calls: dict[str, Callable[[], object]] = {
            "generate_text": lambda: bot.generate_text(prompt="Hi"),
            "embed": lambda: bot.embed(input="Hi"),
            "stream": lambda: list(bot.generate_text_stream(prompt="Hi")),
            "open stream": lambda: list(bot.generate_text_stream(prompt="Hi")),
            "list": mgmt.list,
            "wait": lambda: mgmt.wait_until_ready("bot", silent=True),
        }
        ended: list[BaseException | None] = []

        def call() -> None:
            try:
                calls[kind]()
                ended.append(None)
            except BaseException as error:
                ended.append(error)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        double.journal.wait_for_requests(4)
        (mgmt if kind in ("list", "wait") else client).close()
        for connection in double.journal.connections:
            assert connection.closed.wait(5)
        for thread in threads:
            thread.join(5)
        assert [type(error) for error in ended] == [Cancelled] * 4
        for error in ended:
            assert isinstance(error, Cancelled)
            assert (error.host, error.attempts) == (double.url.removeprefix("http://"), 1)
        assert len(double.journal.requests) == 4


def test_close_closes_a_stream_that_nobody_reads() -> None:
    """The server sees the end at once; the stream, read later, is cancelled."""
    with Double([chunked_head(), HI, HANG]) as double:
        client = data(double)
        stream = client.endpoint("bot").generate_text_stream(prompt="Hi")
        assert next(stream).text == "Hi"
        client.close()
        assert double.journal.connections[0].closed.wait(5)
        with pytest.raises(Cancelled):
            next(stream)


def test_close_leaves_other_clients_alone() -> None:
    """Each client closes its own connections."""
    gate = threading.Event()
    rest = chunk(frames(delta("!", "stop"), "[DONE]")) + LAST_CHUNK
    with Double(lambda _: [chunked_head(), HI, Until(gate), rest]) as double:
        mine, other = data(double), data(double)
        streams = [one.endpoint("bot").generate_text_stream(prompt="Hi") for one in (mine, other)]
        assert [next(stream).text for stream in streams] == ["Hi", "Hi"]
        mine.close()
        gate.set()
        assert "".join(one.text for one in streams[1]) == "!"


def test_close_in_a_forked_child_leaves_the_parents_stream_alone() -> None:
    """The sockets are the parent's: the child does not end them."""
    program = """
client = DataClient(base_url=ARGS[0], project="acme", api_key=API_KEY)
stream = client.endpoint("bot").generate_text_stream(prompt="Hi")
print(next(stream).text, flush=True)
child = os.fork()
if child == 0:
    client.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("closed", flush=True)
sys.stdin.readline()
print("".join(chunk.text for chunk in stream))
"""
    gate = threading.Event()
    rest = chunk(frames(delta("!", "stop"), "[DONE]")) + LAST_CHUNK
    with Double([chunked_head(), HI, Until(gate), rest]) as double:
        with running(f"ARGS = {(double.url,)!r}\n{program}") as process:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == ["Hi\n", "closed\n"]
            assert not double.journal.connections[0].closed.is_set()
            gate.set()
            out, err = process.communicate("\n", timeout=10)
        assert (out, err, process.returncode) == ("!\n", "", 0)
