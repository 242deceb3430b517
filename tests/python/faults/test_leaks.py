"""Nothing piles up over many calls, however they end (faults.md 3.15).

`make soak` runs the same with a hundred thousand calls each.
"""

from __future__ import annotations

import os
import platform

import pytest
from child import run
from clients import LIVE, completion, delta
from double import HANG, RST, Double, Request, Step, answer, chunk, chunked_head, frames

CALLS = int(os.environ.get("SOAK_CALLS", "600"))
# Python's and the C library's allocators keep a little more now and then. A leak of one kilobyte
# a call is more than this.
SLACK_KIB = 512

GAUGE = """
import gc
from inferencekey._ffi import lib

url, calls, slack = ARGS[0], int(ARGS[1]), int(ARGS[2])
client = DataClient(base_url=url, project="acme", api_key=API_KEY, retries=0)
mgmt = ManagementClient(base_url=url, sdk_token=SDK_TOKEN, project="acme", retries=0)
bot = client.endpoint("bot")
refusing = DataClient(base_url="http://127.0.0.1:1", project="acme", api_key=API_KEY, retries=0)

def counts():
    gc.collect()
    with open("/proc/self/statm") as statm:
        resident = int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
    descriptors, threads = (len(os.listdir(f"/proc/self/{kind}")) for kind in ("fd", "task"))
    return {"descriptors": descriptors, "threads": threads, "objects": lib.ikey_live_objects(),
            "resident": resident}

def refused(call):
    try:
        call()
    except InferenceKeyError:
        return
    raise AssertionError("it was to fail")

def compare(work):
    for _ in range(calls // 2):
        work()
    before = counts()
    for _ in range(calls):
        work()
    after = counts()
    for name in before:
        allowed = slack if name == "resident" else 0
        if after[name] > before[name] + allowed:
            print(f"{name}: {before[name]} -> {after[name]}")
"""

WORK = [
    ("calls", 'lambda: bot.generate_text(prompt="Hi")'),
    ("streams", 'lambda: list(bot.generate_text_stream(prompt="whole"))'),
    ("lists", "lambda: mgmt.get('bot')"),
    ("waits", 'lambda: mgmt.wait_until_ready("bot", silent=True)'),
    ("refused calls", 'lambda: refused(lambda: mgmt.ensure(WorkloadSpec("", "bot", "m", "vllm")))'),
    (
        "refused connections",
        'lambda: refused(lambda: refusing.endpoint("bot").generate_text(prompt="Hi"))',
    ),
    ("cut answers", 'lambda: refused(lambda: bot.generate_text(prompt="cut"))'),
    ("failing answers", 'lambda: refused(lambda: bot.generate_text(prompt="500"))'),
    ("dropped streams", 'lambda: next(bot.generate_text_stream(prompt="open"))'),
    ("closed streams", 'lambda: bot.generate_text_stream(prompt="open").close()'),
    (
        "clients made, used and dropped",
        'lambda: DataClient(base_url=url, project="acme", api_key=API_KEY)'
        '.endpoint("bot").generate_text(prompt="Hi")',
    ),
]


def respond(request: Request) -> list[Step] | bytes:
    """What the prompt asks for."""
    if request.target.endswith("/readiness-events"):
        return chunked_head() + chunk(frames({"phase": "ready"}))
    if request.method == "GET":
        return answer([LIVE])
    if b'"whole"' in request.body:
        return chunked_head() + chunk(frames(delta("Hi", "stop"), "[DONE]")) + b"0\r\n\r\n"
    if b'"open"' in request.body:
        return [chunked_head() + chunk(frames(delta("Hi"))), HANG]
    if b'"cut"' in request.body:
        return [answer(completion("Hi"))[:-5], RST]
    if b'"500"' in request.body:
        return answer({"error": "broken"}, 500)
    return answer(completion("Hi"))


def gauge(program: str, calls: int) -> tuple[int, str, str]:
    """Run the program; it prints what grew."""
    with Double(respond) as double:
        arguments = (double.url, str(calls), str(SLACK_KIB))
        return run(GAUGE + program, *arguments, seconds=15 + calls / 20)


@pytest.mark.parametrize("work", [row[1] for row in WORK], ids=[row[0] for row in WORK])
def test_nothing_piles_up(work: str) -> None:
    """Descriptors, threads, the core's objects and resident memory are flat after warm-up."""
    assert gauge(f"compare({work})", CALLS) == (0, "", "")


def test_cancelled_calls_leave_nothing() -> None:
    """A client that is closed while a thread waits in its call."""
    program = """
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
threads = ThreadPoolExecutor(2)
readers = SimpleQueue()

def waits_for_bytes(thread):
    with open(f"/proc/self/task/{thread}/syscall") as syscall:
        return syscall.read().split()[0] in POLLS

def read(stream):
    readers.put(threading.get_native_id())
    return list(stream)

def work():
    with DataClient(base_url=url, project="acme", api_key=API_KEY) as client:
        stream = client.endpoint("bot").generate_text_stream(prompt="open")
        next(stream)
        rest = threads.submit(read, stream)
        reader = readers.get()
        while not waits_for_bytes(reader):
            os.sched_yield()
    assert isinstance(rest.exception(), Cancelled), rest.exception()
compare(work)
"""
    polls = {"x86_64": {"7", "271"}, "aarch64": {"73"}}[platform.machine()]
    program = f"POLLS = {polls!r}\n{program}"
    assert gauge(program, max(CALLS // 20, 20)) == (0, "", "")


def test_forks_leave_nothing_in_the_parent() -> None:
    """Nor in the child, which has made a client of its own."""
    program = """
def work():
    bot.generate_text(prompt="Hi")
    pid = os.fork()
    if pid == 0:
        bot.generate_text(prompt="Hi")
        objects = lib.ikey_live_objects()
        bot.generate_text(prompt="Hi")
        os._exit(lib.ikey_live_objects() - objects)
    assert os.waitpid(pid, 0) == (pid, 0)
compare(work)
"""
    assert gauge(program, max(CALLS // 20, 20)) == (0, "", "")


@pytest.mark.parametrize(
    ("program", "grown"),
    [
        ("kept = []; compare(lambda: kept.append(bytes(4096)))", "resident"),
        ('kept = []; compare(lambda: kept.append(open("/dev/null")))', "descriptors"),
        ('kept = []; compare(lambda: kept.append(client.endpoint("x")))', "objects"),
    ],
)
def test_the_gauge_sees_a_leak(program: str, grown: str) -> None:
    """A gate that cannot close is none."""
    status, out, _ = gauge(program, 300)
    assert status == 0
    assert f"{grown}: " in out
