"""How engines come up, fail, come back and end, as readiness events tell it (wire.md 2.11)."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from local.conftest import QUICK
from local.platform_client import PlatformClient, fake_command, until

from inferencekey.local import Platform, procs
from inferencekey.local.phases import Timings

FAILURES = [
    # name, fields of the workload, words that the error must contain
    ("the program is not installed", {"command": "no-such-engine serve"},
     ["command not found: `no-such-engine`", "--stand-in"]),
    ("the backend's program is not installed", {"backend": "sglang"},
     ["command not found: `sglang`", "pip install sglang"]),
    ("the backend is unknown", {"backend": "my-own"}, ["`my-own`", "`command`"]),
    ("the command cannot be split", {"command": "vllm 'serve"}, ["quotation"]),
    ("the port is none", {"command": fake_command("--port", "99999")}, ["'99999'", "65535"]),
    ("the command is no program", {"command": "/"}, ["command not found"]),
    ("the engine crashes at its start", {"command": fake_command("--die", "3")},
     ["exit code 3", "3 times in a row", "out of memory: these are my last words"]),
    ("the engine says nothing at its end", {"command": "/bin/false"},
     ["exit code 1", "wrote nothing"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "words"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
def test_a_workload_that_cannot_run_says_why(
    client: PlatformClient, fields: dict[str, Any], words: list[str]
) -> None:
    """The phase is `error`, and its message holds the engine's last words or what to install."""
    client.create(**fields)
    last = client.wait()
    assert last["phase"] == "error"
    assert all(word in last["message"] for word in words), last["message"]
    assert len(last["message"].splitlines()) == 1
    assert client.list()[0]["phase"] == "error"
    assert client.chat("x").message == f"workload `bot` has failed: {last['message']}"


def test_the_words_of_a_failure_are_one_line(client: PlatformClient) -> None:
    """What happened, what to do, where to read more: the whole message."""
    client.create("missing", backend="vllm")
    assert client.wait("missing")["message"] == (
        "command not found: `vllm`; install it: pip install vllm; or start the platform with "
        "`--stand-in`: the bundled model serves instead"
    )
    client.create("crash", command=fake_command("--die", "3"))
    assert client.wait("crash")["message"] == (
        "engine ended with exit code 3, 3 times in a row; its last words: fake engine: loading | "
        "out of memory: these are my last words; see `inferencekey local logs crash`"
    )


def test_the_pointer_to_the_log_names_the_project() -> None:
    """Where it is not the one that the command takes by itself."""
    with Platform(project="other", timings=QUICK) as platform:
        client = PlatformClient(platform.env())
        client.create(command="/bin/false")
        words = client.wait()["message"]
    assert words.endswith("see `inferencekey local logs bot --project other`")


@pytest.mark.parametrize("fault", [("--sick",), ("--slow-start", "60"), ("--refuse-chat", "500")])
def test_an_engine_that_never_answers_is_given_up(fault: tuple[str, ...]) -> None:
    """Unhealthy, deaf, or failing each request: an error after `start_timeout`, and it is
    stopped."""
    with Platform(timings=Timings(start_timeout=1.5)) as platform:
        client = PlatformClient(platform.env())
        client.create(command=fake_command(*fault))
        last = client.wait()
        assert last["phase"] == "error"
        assert "did not answer within 1.5 s" in last["message"]
        assert "fake engine: loading" in last["message"]
        assert "ended" in platform.log("bot")


def test_an_engine_without_a_health_route_is_served(client: PlatformClient) -> None:
    """Its model list counts instead."""
    client.create(command=fake_command("--no-health"))
    assert client.wait()["phase"] == "ready"


def test_an_engine_that_refuses_the_workloads_task_is_an_error(
    client: PlatformClient, platform: Platform
) -> None:
    """Callers would be refused as well: the phase is `error`, with the engine's reason."""
    client.create(command=fake_command("--refuse-chat", "400"))
    last = client.wait()
    assert last["phase"] == "error"
    assert last["message"] == (
        'test request to /v1/chat/completions answered with 400: {"error": "no chat here"}; '
        "check that the model does the spec's task_type, text2text"
    )
    assert "ended" in platform.log("bot")


def test_a_port_that_another_program_holds_is_an_error(client: PlatformClient) -> None:
    """The other program's answers must not be taken for the engine's."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        client.create(command=fake_command("--port", port))
        last = client.wait()
    assert last["phase"] == "error"
    assert f"port {port}" in last["message"]
    assert "leave the port out" in last["message"]


def test_a_port_belongs_to_one_engine_also_before_it_binds(client: PlatformClient) -> None:
    """The second workload of a port is refused at once, and never served by the first's engine;
    the port is free again when the first is gone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    first = client.create("first", command=fake_command("--port", port, "--slow-start", "0.5"))
    second = client.create("second", command=fake_command("--port", port))
    last = client.wait("second")
    assert last["phase"] == "error"
    assert last["message"].startswith(
        f"port {port}, which the workload's `command` names, is held by the engine of `acme/first`"
    )
    assert client.wait("first")["phase"] == "ready"

    assert client.send("DELETE", f"/api/workloads/{first['id']}").status == 204
    client.send("PATCH", f"/api/workloads/{second['id']}", {"name": "Second"})
    assert client.wait("second")["phase"] == "ready"


def test_a_command_that_names_its_port_is_run_as_written(
    client: PlatformClient, platform: Platform
) -> None:
    """Host and port are not added twice."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client.create(command=fake_command(f"--port={port}", "--host", "127.0.0.1"))
    assert client.wait()["phase"] == "ready"
    assert platform.log("bot").splitlines()[0].count("--port") == 1


def test_a_crash_after_ready_is_healed(client: PlatformClient, platform: Platform) -> None:
    """The engine is started again, and later events say so; requests succeed again."""
    client.create(command=fake_command())
    assert client.wait()["phase"] == "ready"
    assert client.chat("die").status == 502
    until(lambda: client.list()[0]["phase"] == "bootstrapping")
    assert client.wait()["phase"] == "ready"
    assert client.chat("x").status == 200
    assert "start 2:" in platform.log("bot")


def test_an_engine_that_keeps_crashing_is_given_up(
    client: PlatformClient, platform: Platform
) -> None:
    """After its restarts are used up the phase is `error`, with its exit and last words."""
    client.create(command=fake_command())
    assert client.wait()["phase"] == "ready"
    while client.list()[0]["phase"] != "error":
        client.chat("die")
        time.sleep(0.02)
    starts = 1 + len(QUICK.pauses_after_ready)
    assert f"start {starts}:" in platform.log("bot")
    assert f"start {starts + 1}:" not in platform.log("bot")
    assert "exit code 7" in client.wait()["message"]


def test_a_crash_once_before_ready_is_no_error(client: PlatformClient, tmp_path: Path) -> None:
    """One failed start is tried again."""
    client.create(command=fake_command("--die-once", str(tmp_path / "died")))
    events = list(client.events())
    assert events[-1]["phase"] == "ready"
    assert any("exit code 3" in event["message"] for event in events)


def test_an_engine_that_hangs_is_started_again() -> None:
    """A stopped process answers no health checks; it is replaced."""
    timings = replace(QUICK, health_interval=0.1, health_timeout=0.5, health_failures=3)
    with Platform(timings=timings) as platform:
        client = PlatformClient(platform.env())
        client.create(command=fake_command())
        assert client.wait()["phase"] == "ready"
        os.kill(engine_pid(), signal.SIGSTOP)
        until(lambda: "start 2:" in platform.log("bot"))
        assert client.wait()["phase"] == "ready"


def test_a_hung_engine_is_started_again_while_clients_wait_for_it() -> None:
    """A request under way is no sign of life."""
    timings = replace(QUICK, health_interval=0.05, health_timeout=0.3, busy_failures=4)
    with Platform(timings=timings) as platform:
        client = PlatformClient(platform.env())
        client.create(command=fake_command())
        assert client.wait()["phase"] == "ready"
        os.kill(engine_pid(), signal.SIGSTOP)
        assert client.chat("x", timeout=30).status == 502, "it ends with the engine"
        until(lambda: "start 2:" in platform.log("bot"))
        assert client.wait()["phase"] == "ready"


def test_an_engine_at_work_may_miss_more_looks_than_an_idle_one() -> None:
    """One that is too busy to answer health checks keeps its requests."""
    timings = replace(
        QUICK, health_interval=0.05, health_timeout=0.2, health_failures=2, busy_failures=1000
    )
    with Platform(timings=timings) as platform:
        client = PlatformClient(platform.env())
        client.create(command=fake_command("--pause", "0.05"))
        assert client.wait()["phase"] == "ready"
        body = {"model": "bot", "stream": True, "messages": [{"role": "user", "content": "a b c"}]}
        connection, answer = client.open("POST", "/endpoint/acme/bot/v1/chat/completions", body)
        pid = engine_pid()
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1)  # several looks long
        os.kill(pid, signal.SIGCONT)
        assert answer.read().endswith(b"data: [DONE]\n\n")
        connection.close()


def test_only_a_change_of_the_launch_restarts_the_engine(
    client: PlatformClient, platform: Platform
) -> None:
    """A new name leaves the process alone; a new command replaces it, one after the other."""
    workload = client.create(command=fake_command("--model", "one"))
    path = f"/api/workloads/{workload['id']}"
    assert client.wait()["phase"] == "ready"
    first = engine_pid()
    client.send("PATCH", path, {"name": "New", "execution_policy": "fixed"})
    assert engine_pid() == first
    assert client.chat("x").json["model"] == "one"

    patched = client.send("PATCH", path, {"config": {"command": fake_command("--model", "two")}})
    assert patched.json["phase"] == "scheduling", "nobody sees `ready` of the old engine any more"
    assert client.wait()["phase"] == "ready"
    assert client.chat("x").json["model"] == "two"
    assert procs.start_time(first) is None


def test_the_old_engine_is_gone_before_the_new_one_starts(
    client: PlatformClient, platform: Platform
) -> None:
    """Two engines would not fit into one GPU: even a stubborn old one ends first."""
    workload = client.create(command=fake_command("--ignore-term"))
    assert client.wait()["phase"] == "ready"
    for name in ("one", "two"):
        change = {"config": {"command": fake_command("--model", name)}}
        client.send("PATCH", f"/api/workloads/{workload['id']}", change)
    assert client.wait()["phase"] == "ready"
    notes = [line for line in platform.log("bot").splitlines() if line.startswith("--- ")]
    *earlier, last = (note.split()[1].rstrip(":") for note in notes)
    # On a slow machine the first change may have got its engine before the second arrived.
    assert (earlier, last) == (["start", "ended"] * (len(earlier) // 2), "start")
    assert earlier
    assert "--model two" in notes[-1]


def test_a_patch_leads_out_of_error(client: PlatformClient) -> None:
    """A corrected command is run without any further ado."""
    workload = client.create(command="no-such-engine")
    assert client.wait()["phase"] == "error"
    change = {"config": {"command": fake_command()}}
    client.send("PATCH", f"/api/workloads/{workload['id']}", change)
    assert client.wait()["phase"] == "ready"


def test_a_patch_without_effect_leads_out_of_error(client: PlatformClient, tmp_path: Path) -> None:
    """What failed was mended outside of the spec: the program is there now."""
    program = tmp_path / "engine"
    workload = client.create(command=f"{program} --model fake-model")
    assert client.wait()["phase"] == "error"
    program.write_text(f'#!/bin/sh\nexec {fake_command()} "$@"\n')
    program.chmod(0o755)
    answer = client.send("PATCH", f"/api/workloads/{workload['id']}", {"name": "Bot"})
    assert (answer.status, answer.json["phase"]) == (200, "scheduling")
    assert client.wait()["phase"] == "ready"


def test_many_patches_at_once_end_in_one_engine(client: PlatformClient, platform: Platform) -> None:
    """The last spec wins, and no engine of an earlier one is left."""
    workload = client.create(command=fake_command("--model", "0"))
    path = f"/api/workloads/{workload['id']}"
    for n in range(1, 6):
        client.send("PATCH", path, {"config": {"command": fake_command("--model", str(n))}})
    assert client.wait()["phase"] == "ready"
    assert client.chat("x").json["model"] == "5"
    assert len(running_engines()) == 1
    client.send("DELETE", path)
    assert running_engines() == []


def test_listeners_hear_of_changes_and_of_the_end(client: PlatformClient) -> None:
    """One open stream: comments while nothing happens, then the word that the workload is gone."""
    workload = client.create(command=fake_command("--sick"))
    connection, answer = client.open("GET", f"{client.workloads}/bot/readiness-events")
    seen = b""
    while b": keep-alive\n\n" not in seen:
        seen += answer.read1()
    assert answer.getheader("content-type") == "text/event-stream"
    assert client.send("DELETE", f"/api/workloads/{workload['id']}").status == 204
    rest = answer.read()
    connection.close()
    assert rest.endswith(
        b"event: error\n"
        b'data: {"error":{"code":"not_found","message":"the workload was deleted"}}\n\n'
    )


def test_a_listener_lives_through_a_patch(client: PlatformClient) -> None:
    """The stream goes on with the new engine; its time goes on too."""
    workload = client.create(command=fake_command("--sick"))
    events: list[Any] = []
    listener = threading.Thread(target=lambda: events.extend(client.events()))
    listener.start()
    until(lambda: "health" not in str(events) and client.list()[0]["phase"] == "bootstrapping")
    time.sleep(0.1)
    change = {"config": {"command": fake_command()}}
    client.send("PATCH", f"/api/workloads/{workload['id']}", change)
    listener.join(10)
    assert events[-1]["phase"] == "ready"
    times = [event["elapsed_ms"] for event in events]
    assert times == sorted(times)


@pytest.mark.parametrize("fault", [(), ("--ignore-term",), ("--child", "same-group"),
                                   ("--child", "own-session")])  # fmt: skip
def test_delete_leaves_no_process(
    client: PlatformClient, platform: Platform, fault: tuple[str, ...]
) -> None:
    """When the answer is there, the engine and all its children are gone, willing or not."""
    workload = client.create(command=fake_command(*fault))
    assert client.wait()["phase"] == "ready"
    assert running_engines()
    assert client.send("DELETE", f"/api/workloads/{workload['id']}").status == 204
    assert running_engines() == []


def test_tokens_do_not_reach_engines(
    client: PlatformClient, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine inherits the environment, but not the platform's secrets."""
    for name, value in platform.env().items():
        monkeypatch.setenv(name, value)
    client.create(command=fake_command())
    assert client.wait()["phase"] == "ready"
    environ = Path(f"/proc/{engine_pid()}/environ").read_bytes()
    assert platform.sdk_token.encode() not in environ
    assert platform.api_key.encode() not in environ
    assert b"PATH=" in environ


def test_a_slug_has_no_length_cap(client: PlatformClient, platform: Platform) -> None:
    """A slug longer than a file's name may be is served, and has a log."""
    slug = client.create("a" * 300, command=fake_command())["slug"]
    assert client.wait(slug)["phase"] == "ready"
    assert client.chat("x", slug).status == 200
    assert "listens on" in platform.log(slug)


def test_logs_are_the_owners_only(client: PlatformClient, tmp_path: Path) -> None:
    """Everything that a platform writes has no right for others."""
    with Platform(data_dir=tmp_path / "data", db=tmp_path / "db", timings=QUICK) as platform:
        client = PlatformClient(platform.env())
        client.create(command=fake_command())
        assert client.wait()["phase"] == "ready"
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) >= 3
        assert [p for p in files if stat.S_IMODE(p.stat().st_mode) & 0o077] == []


def engine_pid() -> int:
    """The process of the one engine."""
    (pid,) = running_engines()
    return pid


def running_engines() -> list[int]:
    """All processes that this test's platforms have started, their children included."""
    own = f"XDG_RUNTIME_DIR={os.environ['XDG_RUNTIME_DIR']}".encode()
    marked = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                environ = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if own in environ and any(e.startswith(procs.MARK.encode()) for e in environ):
                marked.append(int(name))
    return marked
