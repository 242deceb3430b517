"""Many threads for a while: what mistralrs does only when its conditions hold (see runner.py)."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

from .engine_process import Engine

THREADS, REQUESTS = 8, 160
MAX_GROWTH_MB = 150
"""A prefix cache that keeps every prompt grows by more than 1,000 MB in this test."""


def _resident_mb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def _talk(engine: Engine, number: int, wrong: list[object]) -> None:
    """One connection; whole answers, streams and refusals in turn, each prompt a new one."""
    connection = engine.connect()
    for request in range(REQUESTS):
        stream, too_long = request % 2 == 0, request % 40 == 39
        prompt = "word " * 2000 if too_long else f"{number}.{request}: What is a workload?"
        messages = [{"role": "user", "content": prompt}]
        body = {"messages": messages, "max_tokens": 8, "stream": stream}
        connection.request("POST", "/v1/chat/completions", json.dumps(body))
        response = connection.getresponse()
        content = response.read()
        complete = b"[DONE]" in content if stream else b'"usage"' in content
        good = response.status == 400 if too_long else response.status == 200 and complete
        if not good:
            wrong.append((response.status, content[:300]))
    connection.close()


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="reads memory from /proc")
def test_eight_threads_get_all_their_answers_in_flat_memory(text_engine: Engine) -> None:
    """1,280 requests, none lost, and the engine has hardly grown."""
    wrong: list[object] = []
    text_engine.text("Hola")
    before = _resident_mb(text_engine.process.pid)
    threads = [
        threading.Thread(target=_talk, args=(text_engine, number, wrong))
        for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert _resident_mb(text_engine.process.pid) - before < MAX_GROWTH_MB
    assert "workload" in text_engine.text("What is a workload?")
