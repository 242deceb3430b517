"""The end of the interpreter, whatever is still open (faults.md 3.14)."""

from __future__ import annotations

import time

import pytest
from child import run
from clients import LIVE, completion, delta
from double import HANG, Double, Request, Step, answer, chunk, chunked_head, frames

CLIENTS = """
url, = ARGS
mgmt = ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="acme")
bot = DataClient(base_url=url, project="acme", api_key=API_KEY).endpoint("bot")
"""

OPEN = [
    ("an unread stream", 'stream = bot.generate_text_stream(prompt="Hi")'),
    ("a half-read stream", 'stream = bot.generate_text_stream(prompt="stream"); next(stream)'),
    (
        "a daemon thread in a call",
        """
threading.Thread(target=lambda: bot.generate_text(prompt="hang"), daemon=True).start()
mgmt.get("bot")
""",
    ),
    (
        "a daemon thread in a wait whose callback fires",
        """
seen = threading.Event()
wait = lambda: mgmt.wait_until_ready("bot", on_progress=lambda _: seen.set())
threading.Thread(target=wait, daemon=True).start()
seen.wait()
""",
    ),
    ("a call inside atexit", 'import atexit; atexit.register(lambda: mgmt.get("bot"))'),
    ("a stream in a reference cycle", "cycle = [bot]; cycle.append(cycle)"),
    ("os._exit", 'stream = bot.generate_text_stream(prompt="Hi"); os._exit(0)'),
    (
        "sys.exit in a callback",
        'mgmt.wait_until_ready("bot", on_progress=lambda _: sys.exit(0))',
    ),
]


def respond(request: Request) -> list[Step] | bytes:
    """Streams and waits that never end, and short answers."""
    if request.target.endswith("/readiness-events"):
        return [chunked_head() + chunk(frames({"phase": "provisioning"})), HANG]
    if request.method == "GET":
        return answer([LIVE])
    if b"hang" in request.body:
        return [HANG]
    if request.json()["stream"]:
        return [chunked_head() + chunk(frames(delta("Hel"), delta("lo"))), HANG]
    return answer(completion("Hi"))


@pytest.mark.parametrize("program", [row[1] for row in OPEN], ids=[row[0] for row in OPEN])
def test_nothing_blocks_the_exit(program: str) -> None:
    """The process ends at once, with its own exit status, and prints nothing."""
    with Double(respond) as double:
        started = time.monotonic()
        assert run(CLIENTS + program, double.url, seconds=5) == (0, "", "")
        assert time.monotonic() - started < 3
