"""The platform as a process: what outlives a restart and a kill, and that no engine does."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from local.conftest import QUICK
from local.platform_client import PlatformClient, fake_command, until
from local.test_lives import running_engines

from inferencekey.local import LocalError, Platform
from inferencekey.local.orphans import EngineRecords
from inferencekey.local.store import SCHEMA_VERSION

ROOT = Path(__file__).parents[3]


@contextmanager
def platform_process(*options: str) -> Iterator[tuple[subprocess.Popen[str], PlatformClient]]:
    """`local up` in the foreground on a free port, killed at the end if it still runs."""
    argv = [sys.executable, "-m", "inferencekey.cli", "local", "up", "--port", "0", *options]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("stop:"):
                break
        # Read on to the end: a full pipe would stop the platform.
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        env = json.loads(command_output("env", "--format", "json"))
        yield process, PlatformClient(env)
    finally:
        process.kill()
        process.wait()
        drain.join()
        process.stderr.close()


def command_output(*arguments: str) -> str:
    """What `inferencekey local …` prints on stdout."""
    argv = [sys.executable, "-m", "inferencekey.cli", "local", *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_state_survives_and_engines_do_not(tmp_path: Path, end: signal.Signals) -> None:
    """After a stop or a kill -9: the same tokens and workloads, ready again; no old process."""
    db = str(tmp_path / "platform.db")
    with platform_process("--db", db) as (process, client):
        client.create("kept", command=fake_command("--child", "same-group"))
        client.create("gone", command="no-such-engine")
        assert client.wait("kept")["phase"] == "ready"
        gone = client.list()[1]
        assert client.send("DELETE", f"/api/workloads/{gone['id']}").status == 204
        before = client.list()
        old_engines = set(running_engines())
        assert old_engines
        process.send_signal(end)
        process.wait(10)

    with platform_process("--db", db) as (process, client):
        assert not old_engines & set(running_engines()), "the next start ends what was left"
        assert client.wait("kept")["phase"] == "ready"
        assert client.list() == before
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert running_engines() == []


@pytest.mark.timeout(60)
def test_an_engine_dies_with_a_killed_platform() -> None:
    """The system itself ends the engine: nobody has to start a platform again for that."""
    with platform_process() as (process, client):
        client.create(command=fake_command())
        assert client.wait()["phase"] == "ready"
        assert len(running_engines()) == 1
        process.kill()
        until(lambda: running_engines() == [])


def test_leftovers_of_a_dead_platform_only_are_ended(own_runtime_dir: Path) -> None:
    """A record of a living platform is left alone; one of a dead platform is acted on once."""
    records = EngineRecords(own_runtime_dir)
    mark = "f" * 32
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env=os.environ | {"INFERENCEKEY_ENGINE_MARK": mark},
        start_new_session=True,
    )
    try:
        records.add(mark, orphan.pid)
        assert records.sweep() == 0
        assert orphan.poll() is None
        record = own_runtime_dir / "engines" / f"{mark}.json"
        content = json.loads(record.read_text()) | {"owner_started": "another process"}
        record.write_text(json.dumps(content))
        assert records.sweep() == 1
        assert orphan.wait(10) == -signal.SIGKILL
        assert records.sweep() == 0
        assert not record.exists()
    finally:
        orphan.kill()
        orphan.wait()


def test_a_reused_process_id_is_nobody(own_runtime_dir: Path) -> None:
    """A record whose process id belongs to another process by now ends nothing."""
    records = EngineRecords(own_runtime_dir)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        records.add("e" * 32, bystander.pid)
        record = own_runtime_dir / "engines" / f"{'e' * 32}.json"
        gone = subprocess.Popen([sys.executable, "-c", ""])
        gone.wait()
        changed = {"owner": gone.pid, "owner_started": "long ago", "started": "earlier"}
        record.write_text(json.dumps(json.loads(record.read_text()) | changed))
        assert records.sweep() == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_the_end_of_a_program_is_the_end_of_its_platform() -> None:
    """A program that never stops its platform still exits at once, and leaves no engine."""
    program = (
        "import sys; sys.path.insert(0, 'tests/python')\n"
        "from inferencekey.local import Platform\n"
        "from local.platform_client import PlatformClient, fake_command\n"
        "client = PlatformClient(Platform().start().env())\n"
        "client.create(command=fake_command())\n"
        "assert client.wait()['phase'] == 'ready'\n"
        "sys.exit(5)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stderr) == (5, "")
    assert running_engines() == []


def test_in_process_state_survives_too(tmp_path: Path) -> None:
    """`Platform(db=…)` twice over one file: tokens and workloads are the same."""
    db = tmp_path / "db"
    with Platform(db=db, timings=QUICK) as platform:
        env = platform.env()
        data_key = platform.create_token("live", grants=("acme/bot",))
        client = PlatformClient(env)
        client.create(command=fake_command())
        before = client.list()[0]
        platform.revoke_token(platform.api_key)
    with Platform(db=db, timings=QUICK) as platform:
        assert platform.sdk_token == env["INFERENCEKEY_SDK_TOKEN"]
        assert platform.api_key != env["INFERENCEKEY_API_KEY"], "a revoked token does not come back"
        client = PlatformClient(platform.env())
        assert client.list()[0] | {"phase": None} == before | {"phase": None}
        assert client.wait()["phase"] == "ready"
        assert client.chat("x", token=data_key).status == 200
        assert client.chat("x", token=env["INFERENCEKEY_API_KEY"]).status == 401
    content = b"".join(
        path.read_bytes() for path in tmp_path.glob("db*") if path.name != "db.tokens"
    )
    assert data_key.encode() not in content, "only hashes are kept"


REFUSED_STARTS = [
    # name, options, words of the error and of its hint
    ("another address", {"host": "0.0.0.0"}, ["0.0.0.0", "--allow-remote"]),
    ("no address of this machine", {"host": "192.0.2.1", "allow_remote": True}, ["192.0.2.1"]),
    ("a project that is no slug", {"project": "My Project"}, ["My Project", "a-z"]),
    ("a database that is none", {"db": "/proc/version"}, ["/proc/version", "--db"]),
]


@pytest.mark.parametrize(
    ("options", "words"),
    [case[1:] for case in REFUSED_STARTS],
    ids=[case[0] for case in REFUSED_STARTS],
)
def test_a_start_that_cannot_be_is_refused(options: dict[str, str], words: list[str]) -> None:
    """LocalError with what to do; nothing runs afterwards."""
    with pytest.raises(LocalError) as refusal, Platform(**options):  # type: ignore[arg-type]
        pass
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_a_taken_port_is_refused(platform: Platform) -> None:
    """The second platform on a port names it."""
    port = int(platform.base_url.rpartition(":")[2])
    with pytest.raises(LocalError, match=f"port {port}"), Platform(port=port):
        pass


def test_a_database_serves_one_platform(tmp_path: Path) -> None:
    """A second platform over the same file would run every engine twice."""
    with (
        Platform(db=tmp_path / "db"),
        pytest.raises(LocalError, match="another platform uses"),
        Platform(db=tmp_path / "db"),
    ):
        pass
    with Platform(db=tmp_path / "db"):
        pass


def test_a_stop_ends_open_streams(tmp_path: Path) -> None:
    """A readiness stream ends without a terminal phase, so its client opens it again (2.11)."""
    platform = Platform(timings=QUICK).start()
    client = PlatformClient(platform.env())
    client.create(command=fake_command("--sick"))
    events: list[Any] = []
    listener = threading.Thread(target=lambda: events.extend(client.events()))
    listener.start()
    until(lambda: client.list()[0]["phase"] == "bootstrapping")
    until(lambda: bool(events))
    platform.stop()
    listener.join(5)
    assert not listener.is_alive()
    assert all(event["phase"] not in ("ready", "error") for event in events)


def test_the_fixture_for_users(tmp_path: Path) -> None:
    """A test that names `inferencekey_platform` gets a platform and its four variables."""
    (tmp_path / "test_user.py").write_text(
        "import os, pytest\n"
        "@pytest.fixture\n"
        "def inferencekey_platform_options():\n"
        "    return {'project': 'demo'}\n"
        "def test_it(inferencekey_platform):\n"
        "    assert inferencekey_platform.env().items() <= os.environ.items()\n"
        "    assert os.environ['INFERENCEKEY_PROJECT'] == 'demo'\n"
        "def test_after():\n"
        "    assert 'INFERENCEKEY_PROJECT' not in os.environ\n"
    )
    # By its entry point where the package is installed, else by its module.
    installed = metadata.entry_points(group="pytest11", name="inferencekey")
    plugin = "inferencekey" if installed else "inferencekey.local.pytest_plugin"
    argv = [sys.executable, "-m", "pytest", "-p", plugin, "-p", "no:cacheprovider", str(tmp_path)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert "2 passed" in done.stdout, done.stdout


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """A file of a later version is not touched."""
    database = sqlite3.connect(tmp_path / "db")
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(LocalError, match="newer"), Platform(db=tmp_path / "db"):
        pass


def test_stopping_twice_and_using_a_stopped_platform() -> None:
    """The second stop does nothing; an address is not given for what does not run."""
    platform = Platform().start()
    platform.stop()
    platform.stop()
    with pytest.raises(LocalError, match="not running"):
        platform.env()
