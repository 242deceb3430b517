"""The end of the interpreter, whatever is still open (faults.md 3.14)."""

from __future__ import annotations

import pytest
from child import DEVELOPMENT, run
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
    (
        "a daemon thread in a stream",
        """
read = threading.Event()
def stream():
    for _ in bot.generate_text_stream(prompt="Hi"):
        read.set()
threading.Thread(target=stream, daemon=True).start()
read.wait()
""",
    ),
    (
        "a daemon thread in the pause before a retry",
        """
seen = threading.Event()
def told(retry):
    seen.set()
busy = DataClient(base_url=url, project="acme", api_key=API_KEY, on_retry=told).endpoint("bot")
threading.Thread(target=lambda: busy.generate_text(prompt="busy"), daemon=True).start()
seen.wait()
""",
    ),
    (
        "daemon threads that go on calling",
        """
def calls():
    while True:
        mgmt.get("bot")
for _ in range(8):
    threading.Thread(target=calls, daemon=True).start()
mgmt.get("bot")
""",
    ),
    (
        "a thread pool at work",
        """
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(4)
for _ in range(40):
    pool.submit(mgmt.get, "bot")
""",
    ),
    (
        "a call inside __del__",
        """
class Last:
    def __del__(self, refused=InferenceKeyError):
        try:
            self.client.get("bot")
        except refused:
            pass  # Of two objects that go together, either may be the first.
last = Last()
last.client = mgmt
""",
    ),
    (
        "a stream that is closed inside __del__",
        """
class Last:
    def __del__(self):
        self.stream.close()
last = Last()
last.stream = bot.generate_text_stream(prompt="Hi")
last.cycle = last
""",
    ),
    ("a client that outlives its module", 'sys.modules["kept"] = bot; sys.kept = mgmt'),
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
    if b"busy" in request.body:
        return answer({"error": {"message": "busy"}}, 503, {"retry-after": "20"})
    if request.json()["stream"]:
        return [chunked_head() + chunk(frames(delta("Hel"), delta("lo"))), HANG]
    return answer(completion("Hi"))


TIMES = 3


@pytest.mark.parametrize("flags", [(), DEVELOPMENT], ids=["plain", "dev"])
@pytest.mark.parametrize("program", [row[1] for row in OPEN], ids=[row[0] for row in OPEN])
def test_nothing_blocks_the_exit(program: str, flags: tuple[str, ...]) -> None:
    """The process ends at once, with its own exit status, and prints nothing; every time."""
    with Double(respond) as double:
        for _ in range(TIMES):
            # What is open would hang for longer.
            assert run(CLIENTS + program, double.url, seconds=10, flags=flags) == (0, "", "")


STATUSES = [
    ("sys.exit", "sys.exit(3)", 3, []),
    (
        "sys.exit in a callback",
        'mgmt.wait_until_ready("bot", on_progress=lambda _: sys.exit(4))',
        4,
        [],
    ),
    ("an exception", "raise KeyError('mine')", 1, ["KeyError: 'mine'"]),
    ("os._exit", "os._exit(5)", 5, []),
]


@pytest.mark.parametrize(
    ("end", "status", "last_line"), [row[1:] for row in STATUSES], ids=[row[0] for row in STATUSES]
)
def test_the_exit_status_is_the_programs_own(end: str, status: int, last_line: list[str]) -> None:
    """With a stream open and a daemon thread in a call; no traceback but the program's own."""
    program = """
stream = bot.generate_text_stream(prompt="Hi")
next(stream)
threading.Thread(target=lambda: bot.generate_text(prompt="hang"), daemon=True).start()
"""
    with Double(respond) as double:
        found, out, err = run(CLIENTS + program + end, double.url, seconds=10)
    assert (found, out, err.splitlines()[-1:]) == (status, "", last_line)
    assert err.count("Traceback") == len(last_line)


def test_a_second_interpreter_does_no_harm() -> None:
    """It can use the package, or is refused by an ImportError; the first one goes on."""
    program = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
second = interpreters.create()
failed = interpreters.run_string(second, '''
try:
    import inferencekey
    inferencekey.DataClient(base_url="http://127.0.0.1:1", project="acme")
except ImportError:
    pass
''')
# From 3.13 on what the second one raised is returned.
assert failed is None, failed
interpreters.destroy(second)
print(mgmt.get("bot")["slug"])
"""
    with Double(respond) as double:
        assert run(CLIENTS + program, double.url, seconds=10) == (0, "bot\n", "")
