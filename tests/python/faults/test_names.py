"""Names, addresses, and what is left of a machine when nobody answers there."""

from __future__ import annotations

import socket

import pytest
from child import run
from clients import SDK_TOKEN, completion, management
from double import Double, answer

from inferencekey import ConnectionFailed, ManagementClient, Timeout, Timeouts

EMPTY = answer({"workloads": []})


@pytest.mark.parametrize("name", ["x" * 64 + ".example.com", "x." * 130 + "com"])
def test_a_name_that_cannot_exist_is_a_dns_failure(name: str) -> None:
    """Over-long labels and names fail without a query. Nothing was sent, so it is tried again."""
    with (
        ManagementClient(
            base_url=f"https://{name}", sdk_token=SDK_TOKEN, project="p", retries=1
        ) as mgmt,
        pytest.raises(ConnectionFailed, match="does not resolve") as caught,
    ):
        mgmt.list()
    assert (caught.value.code, caught.value.attempts) == ("dns_failed", 2)
    assert caught.value.host == name


def test_an_ipv6_address_is_a_base_url() -> None:
    """In brackets, there and in the `host` header."""
    with Double(EMPTY, host="::1") as double, management(double) as mgmt:
        assert list(mgmt.list()) == []
        (request,) = double.journal.requests
        assert request.headers["host"] == f"[::1]:{double.port}"


def test_localhost_is_every_loopback_address_that_it_stands_for() -> None:
    """A platform that listens on one of them is found, whichever comes first."""
    addresses = {info[4][0] for info in socket.getaddrinfo("localhost", 80)}
    for address in sorted(map(str, addresses)):
        with (
            Double(EMPTY, host=address) as double,
            management(double, base_url=f"http://localhost:{double.port}") as mgmt,
        ):
            assert list(mgmt.list()) == []


def test_a_black_hole_ends_with_the_connect_clock() -> None:
    """A listener whose queue is full answers nobody."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            url = f"http://127.0.0.1:{address[1]}"
            with (
                ManagementClient(
                    base_url=url, sdk_token=SDK_TOKEN, project="p", timeout=Timeouts(connect=0.2)
                ) as mgmt,
                pytest.raises(Timeout, match=r"0\.2 s") as caught,
            ):
                mgmt.list()
    assert (caught.value.kind, caught.value.attempts) == ("connect", 1)


EXHAUSTED = """
import resource

url, left = ARGS

def exhaust(left):
    "Leaves so many descriptors, and returns those that have been taken."
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        for _ in range(left):
            os.close(taken.pop())
    return taken

def refused(work):
    "The error of the work, which is ours and names the cause."
    try:
        work()
    except InferenceKeyError as error:
        assert "too many open files" in str(error).lower(), error
        assert "`ulimit -n`" in error.hint or isinstance(error, (ConfigurationError, WaitTimeout))
        return error
    raise AssertionError("descriptors were left")

resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

def client(**options):
    return ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="p", retries=0, **options)
"""


@pytest.mark.parametrize("left", ["0", "1", "2", "3"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_without_a_descriptor_a_call_fails_and_the_client_recovers(host: str, left: str) -> None:
    """Also where a name has to be resolved, which takes three and a thread."""
    program = """
mgmt = client()
taken = exhaust(int(left))
try:
    mgmt.list()
except InferenceKeyError as error:
    assert "too many open files" in str(error), error
    assert isinstance(error, ConnectionFailed) and error.retryable, error
    print("refused")
else:
    print("enough")
for descriptor in taken:
    os.close(descriptor)
assert list(mgmt.list()) == []
"""
    # A connection needs one. To resolve a name takes two, and one more to look it up.
    expected = "refused" if int(left) < (1 if host == "127.0.0.1" else 3) else "enough"
    with Double(lambda request: EMPTY) as double:
        url = f"http://{host}:{double.port}"
        assert run(EXHAUSTED + program, url, left) == (0, f"{expected}\n", "")


def test_without_a_descriptor_a_client_can_still_be_made() -> None:
    """Even the first one, which loads the core; what does need a file says so."""
    program = """
taken = exhaust(0)
mgmt = client()
error = refused(lambda: client(ca_bundle="/etc/hosts"))
assert isinstance(error, ConfigurationError), error
for descriptor in taken:
    os.close(descriptor)
assert list(mgmt.list()) == []
"""
    with Double(EMPTY) as double:
        assert run(EXHAUSTED + program, double.url, "0") == (0, "", "")


def test_without_a_descriptor_every_kind_of_call_says_so() -> None:
    """A wait does without the display that cannot be loaded, and tries on until its time is up."""
    program = """
mgmt = client()
bot = DataClient(base_url=url, project="p", api_key=API_KEY, retries=0).endpoint("bot")
exhaust(0)
for how in ({}, {"silent": True}, {"on_progress": print}):
    error = refused(lambda: mgmt.wait_until_ready("bot", timeout=0.3, **how))
    assert isinstance(error, WaitTimeout), error
refused(lambda: bot.generate_text_stream(prompt="x"))
refused(lambda: bot.embed(input="x"))
"""
    with Double() as double:
        assert run(EXHAUSTED + program, double.url, "0") == (0, "", "")
        assert double.journal.connections == []


@pytest.mark.parametrize("left", ["0", "1", "2"])
def test_without_a_descriptor_calls_of_a_loop_fail_and_it_recovers(left: str) -> None:
    """The first of them takes two for the loop, and each a connection."""
    program = """
import asyncio

bot = AsyncDataClient(base_url=url, project="p", api_key=API_KEY, retries=0).endpoint("bot")

def raising(error):
    raise error

async def main():
    taken = exhaust(int(left))
    for call in (bot.generate_text(prompt="a"), bot.map(["a"]).__anext__()):
        (error,) = await asyncio.gather(call, return_exceptions=True)
        refused(lambda: raising(error))
        assert str(error).startswith(f"{error.operation}: "), error
    for descriptor in taken:
        os.close(descriptor)
    assert (await bot.generate_text(prompt="a")).text == "Hi"
    assert [item.text async for item in bot.map(["a"])] == ["Hi"]

asyncio.run(main())
"""
    with Double(lambda request: answer(completion("Hi"))) as double:
        assert run(EXHAUSTED + program, double.url, left) == (0, "", "")


@pytest.mark.parametrize("left", ["0", "1", "2"])
def test_without_a_descriptor_a_map_fails_and_the_next_one_works(left: str) -> None:
    """Its thread takes two, and each request a connection."""
    program = """
bot = DataClient(base_url=url, project="p", api_key=API_KEY, retries=0).endpoint("bot")
taken = exhaust(int(left))
error = refused(lambda: list(bot.map(["a", "b"])))
assert str(error).startswith(f"{error.operation}: "), error
assert len(list(bot.map(["a", "b"], on_error="return"))) == 2
for descriptor in taken:
    os.close(descriptor)
assert [item.text for item in bot.map(["a", "b"])] == ["Hi", "Hi"]
"""
    with Double(lambda request: answer(completion("Hi"))) as double:
        assert run(EXHAUSTED + program, double.url, left) == (0, "", "")
