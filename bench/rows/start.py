"""Fresh interpreters: what importing, the first client and the first call take, and the memory."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from processes import Server, pinned

from rows import Effort, Figure, Line, Target

# Away from the folder of the benchmark: the installed packages are what is imported.
INTERPRETER = [sys.executable, "-I", "-c"]

# What a user writes, step by step: the import, the client, the call. ORIGIN is the server's.
PROGRAMS = {
    "sdk_sync": (
        "import inferencekey",
        "client = inferencekey.DataClient("
        "base_url='ORIGIN', project='bench', api_key='ik_live_bench')",
        "assert client.endpoint('chat').generate_text(prompt='x').text",
    ),
    "sdk_async": (
        "import asyncio, inferencekey",
        "client = inferencekey.AsyncDataClient("
        "base_url='ORIGIN', project='bench', api_key='ik_live_bench')",
        "assert asyncio.run(client.endpoint('chat').generate_text(prompt='x')).text",
    ),
    "http_client": (
        "import http.client, json",
        "client = http.client.HTTPConnection('ORIGIN'.removeprefix('http://'))",
        "body = json.dumps({'model': 'chat', 'messages': [{'role': 'user', 'content': 'x'}]})\n"
        "client.request('POST', '/endpoint/bench/chat/v1/chat/completions', body)\n"
        "assert json.loads(client.getresponse().read())['choices']",
    ),
    "aiohttp_async": (
        "import asyncio, aiohttp",
        "async def call():\n"
        "    async with aiohttp.ClientSession('ORIGIN') as client:\n"
        "        body = {'model': 'chat', 'messages': [{'role': 'user', 'content': 'x'}]}\n"
        "        path = '/endpoint/bench/chat/v1/chat/completions'\n"
        "        async with client.post(path, json=body) as answer:\n"
        "            assert (await answer.json())['choices']\n"
        "async def ready():\n"
        "    await aiohttp.ClientSession('ORIGIN').close()\n"
        "asyncio.run(ready())",
        "asyncio.run(call())",
    ),
    "httpx_sync": (
        "import httpx",
        "client = httpx.Client(base_url='ORIGIN')",
        "body = {'model': 'chat', 'messages': [{'role': 'user', 'content': 'x'}]}\n"
        "answer = client.post('/endpoint/bench/chat/v1/chat/completions', json=body)\n"
        "assert answer.json()['choices']",
    ),
    "openai_sync": (
        "import openai",
        "client = openai.OpenAI(base_url='ORIGIN/endpoint/bench/chat/v1', api_key='ik_live_bench')",
        "messages = [{'role': 'user', 'content': 'x'}]\n"
        "assert client.chat.completions.create(model='chat', messages=messages).choices",
    ),
}

IMPORT = Figure(
    "import_ms", "`import`, over a bare Python, processor time", "ms", {"sdk_sync": Target(5)}
)
READY = Figure("ready_ms", "… and a client made", "ms", {"sdk_sync": Target(12)})
CALL = Figure("one_call_ms", "… and one call: a whole process", "ms", {"sdk_sync": Target(18)})
RESIDENT = Figure("ready_rss_mb", "Resident memory, client made", "MB", {"sdk_sync": Target(12)})


class Start:
    """Interpreters in turns, each pinned to the same core as the server."""

    name = "start"

    def measure(self, effort: Effort) -> list[Line]:
        """See Row."""
        clients = [client for client in effort.clients if client in PROGRAMS]
        with pinned(True), Server() as server:
            steps = {client: _steps(client, server.origin) for client in clients}
            lines = _times(steps, effort.rounds)
            resident = {client: _resident_mb(ready) for client, (_, ready, _) in steps.items()}
            title = f"{RESIDENT.title} (bare Python: {_resident_mb('pass'):.1f})"
        return [*lines, Line(replace(RESIDENT, title=title), resident)]


def _steps(client: str, origin: str) -> list[str]:
    """The programs of a client: each does what the one before does, and one thing more."""
    steps = [step.replace("ORIGIN", origin) for step in PROGRAMS[client]]
    return ["\n".join(steps[:count]) for count in (1, 2, 3)]


def _times(steps: dict[str, list[str]], rounds: int) -> list[Line]:
    programs = {"pass", *(program for three in steps.values() for program in three)}
    times: dict[str, list[float]] = {program: [] for program in programs}
    for _ in range(rounds):
        for program in programs:
            times[program].append(_seconds(program))
    bare = min(times["pass"])  # What else the machine does only ever adds, here too.
    lines = []
    for number, figure in enumerate((IMPORT, READY, CALL)):
        values = {
            client: (min(times[three[number]]) - bare) * 1e3 for client, three in steps.items()
        }
        lines.append(Line(figure, values))
    return lines


def _seconds(program: str) -> float:
    """Processor time: an interpreter that starts awaits nothing, and a busy machine adds little."""
    process = subprocess.Popen([*INTERPRETER, program])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"this program ended with {process.returncode}:\n{program}")
    return usage.ru_utime + usage.ru_stime


def _resident_mb(program: str) -> float:
    """Memory of an interpreter that ran the program and waits."""
    waiting = f"{program}\nimport sys\nprint(flush=True)\nsys.stdin.read()"
    command = [*INTERPRETER, waiting]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.communicate()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6
