"""What importing costs: nothing that a program did not ask for."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "aiohttp",
    "asyncio",
    "cffi",
    "click",
    "concurrent.futures",
    "dataclasses",
    "http",
    "http.client",
    "inspect",
    "json",
    "logging",
    "numpy",
    "rich",
    "socket",
    "ssl",
    "threading",
    "typing",
    "urllib",
    "urllib.parse",
}
# What a call needs: json (and with it re, enum, functools), cffi's runtime, and the core.
HEAVY_AFTER_A_CLIENT = HEAVY - {"json"}


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
    assert modules_after(program) & HEAVY_AFTER_A_CLIENT == set()


def test_a_data_client_is_ready_without_the_control_plane() -> None:
    """Enums, dataclasses and the display are loaded by those who use them."""
    loaded = modules_after(
        "from inferencekey import DataClient\n"
        "DataClient(base_url='http://127.0.0.1:1', project='acme', api_key='ik_live_x')"
        ".endpoint('bot')"
    )
    assert loaded & HEAVY_AFTER_A_CLIENT == set()
    assert (
        loaded & {"inferencekey._control", "inferencekey._spec", "inferencekey._progress"} == set()
    )


def test_the_control_plane_loads_its_display_when_it_waits() -> None:
    """`dataclasses` comes with WorkloadSpec; what only `wait_until_ready` needs does not."""
    loaded = modules_after("from inferencekey import ManagementClient, WorkloadSpec")
    assert loaded & (HEAVY_AFTER_A_CLIENT - {"dataclasses", "inspect"}) == set()
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
