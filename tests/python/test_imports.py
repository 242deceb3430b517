"""What importing costs: nothing that a program did not ask for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from clients import completion
from double import Double, answer

HEAVY = {
    "aiohttp",
    "asyncio",
    "cffi",
    "click",
    "collections",
    "concurrent.futures",
    "dataclasses",
    "enum",
    "http",
    "http.client",
    "inspect",
    "json",
    "logging",
    "numpy",
    "re",
    "rich",
    "socket",
    "ssl",
    "threading",
    "typing",
    "urllib",
    "urllib.parse",
}


def modules_after(program: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after the program."""
    lines = f"import sys\n{program}\nprint(*sys.modules, sep='\\n')"
    # -S: what site brings along is the installation's business.
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{lines}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_next_to_nothing() -> None:
    """A program that imports the SDK and does not use it pays for one small module."""
    loaded = modules_after("import inferencekey")
    assert loaded & HEAVY == set()
    assert {name for name in loaded if name.startswith("inferencekey")} == {"inferencekey"}


@pytest.mark.parametrize(
    "program",
    [
        "from inferencekey import DataClient",
        "from inferencekey import ApiError, ValidationError",
        "from inferencekey import TextResult, EmbedResult, Timeouts",
    ],
)
def test_the_data_plane_loads_what_a_call_needs(program: str) -> None:
    """Neither an event loop nor an HTTP stack of Python's comes along."""
    assert modules_after(program) & HEAVY == set()


def test_a_data_client_is_ready_without_the_control_plane() -> None:
    """Enums, dataclasses and the display are loaded by those who use them."""
    loaded = modules_after(
        "from inferencekey import DataClient\n"
        "DataClient(base_url='http://127.0.0.1:1', project='acme', api_key='ik_live_x')"
        ".endpoint('bot')"
    )
    assert loaded & HEAVY == set()
    assert (
        loaded & {"inferencekey._control", "inferencekey._spec", "inferencekey._progress"} == set()
    )


# What a stage adds to those before it: modules of ours, and top-level names of all others. What is
# not listed fails by its name; list it here if it is worth its time.
IMPORTED = {"__future__", "inferencekey"}
OTHERS = "encodings genericpath operator os posixpath stat"
OURS = (
    "account chat client closing data errors ffi json_in_c map marshal native plan record results "
    "retry secret stream timeouts window"
)
OURS_BESIDE = {"inferencekey._native.lib", "inferencekey._vectors"}
A_CLIENT = {
    *OTHERS.split(),
    *(f"inferencekey._{name}" for name in OURS.split()),
    *OURS_BESIDE,
}
ENDPOINT = """import inferencekey
client = inferencekey.DataClient(base_url=URL, project='acme', api_key='ik_live_x')
endpoint = client.endpoint('bot')
"""
# Name, program, what may be there after it.
STAGES = [
    ("import", "import inferencekey", IMPORTED),
    ("a client made", ENDPOINT, IMPORTED | A_CLIENT),
    ("a call", f"{ENDPOINT}endpoint.generate_text(prompt='Hi').raw", IMPORTED | A_CLIENT),
]


@pytest.mark.parametrize(("program", "allowed"), [pytest.param(*s[1:], id=s[0]) for s in STAGES])
def test_each_stage_loads_what_is_listed_and_nothing_else(program: str, allowed: set[str]) -> None:
    """A call loads nothing more than its client has, and that little."""
    with Double(lambda _: answer(completion("Hi"))) as double:
        loaded = modules_after(f"URL = {double.url!r}\n{program}") - modules_after("")
    assert {shown for name in loaded if (shown := listed(name))} - allowed == set()


def listed(name: str) -> str:
    """The name under which a module stands in a list; parts in C of another come with that one."""
    top = name.partition(".")[0]
    if top == "inferencekey":
        return name
    return "" if top.startswith("_") and not top.startswith("__") else top


def test_asyncio_is_loaded_by_those_who_use_it() -> None:
    """The names of the async clients are there before; what is behind them is not."""
    loaded = modules_after("import inferencekey\ndir(inferencekey)\ninferencekey.DataClient")
    assert not [name for name in loaded if name.startswith(("asyncio", "inferencekey._async"))]


def test_the_control_plane_loads_its_display_when_it_waits() -> None:
    """`dataclasses` comes with WorkloadSpec; what only `wait_until_ready` needs does not."""
    loaded = modules_after("from inferencekey import ManagementClient, WorkloadSpec")
    assert loaded & HEAVY == modules_after("import dataclasses") & HEAVY
    assert "inferencekey._progress" not in loaded


def test_blocks_are_loaded_by_those_who_use_them() -> None:
    """Neither handlers, the hook at the exit nor the one at forks is there before."""
    loaded = modules_after("from inferencekey import ManagementClient, WorkloadSpec")
    assert not [name for name in loaded if name.startswith("inferencekey._ephemeral")]


COUNTED = """
import os

class Recorded:
    "In place of the environment: remembers what was asked of it."
    asked = []
    def __getattr__(self, name):
        self.asked.append(name)
        raise AttributeError(name)
    def __getitem__(self, name):
        self.asked.append(name)
        raise KeyError(name)
    def __iter__(self):
        self.asked.append("all")
        return iter(())

def counters():
    return os.listdir("/proc/self/fd"), os.listdir("/proc/self/task")

before = counters()
real = os.environ, os.environb
os.environ = os.environb = Recorded()
import inferencekey
with open("/proc/self/maps") as maps:
    assert "inferencekey" not in maps.read(), "the core is loaded"
inferencekey.DataClient, inferencekey.ManagementClient
with open("/proc/self/maps") as maps:
    assert "libinferencekey" in maps.read(), "the core is not called what this test takes it for"
os.environ, os.environb = real
assert before == counters(), (before, counters())
assert Recorded.asked == [], Recorded.asked
"""


def test_importing_starts_nothing() -> None:
    """No thread, no descriptor, no variable of the environment, no core (faults.md 3.14)."""
    assert "inferencekey._control" in modules_after(COUNTED)
