"""`inferencekey local`: whole outputs, exit codes, signals."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.conftest import Run, cli
from local.platform_client import PlatformClient, fake_command, until

COMMANDS = ["up", "down", "status", "env", "exec", "logs", "token"]


def test_help_names_every_command_and_an_example(run: Run) -> None:
    """Help goes to stdout and has an example; without a command it is shown too."""
    listed = run("local", "--help").stdout
    assert run("local").stdout == listed
    assert run().stdout == run("--help").stdout
    token = run("local", "token")
    assert (token.returncode, token.stderr) == (0, "")
    assert token.stdout == run("local", "token", "--help").stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name}  ", listed, re.MULTILINE)
        shown = run("local", name, "--help")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "Example" in shown.stdout


def test_help_shows_the_directory_itself(run: Run, state_dir: Path) -> None:
    """The default of `--data-dir` is a path, not a variable that may be unset."""
    shown = "".join(run("local", "status", "--help").stdout.split())
    assert f"[default:{state_dir}/inferencekey/local]" in shown


def test_no_color_is_heeded(state_dir: Path) -> None:
    """On a terminal errors are coloured, unless NO_COLOR is set (no-color.org)."""
    plain = on_terminal("local", "upp", NO_COLOR="1")
    assert plain == b"error: No such command 'upp'\r\n\r\nhint: see `inferencekey local --help`\r\n"
    assert b"\x1b[31m" in on_terminal("local", "upp", NO_COLOR="")


def on_terminal(*arguments: str, **env: str) -> bytes:
    """What a terminal gets on stderr."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        done = subprocess.run(
            cli(*arguments), stderr=theirs, env=os.environ | env, timeout=15, check=False
        )
        os.close(theirs)
        assert done.returncode == 1
        return terminal.read(4096)


@pytest.mark.parametrize(
    ("missing", "arguments", "stderr"),
    [
        ("click", ["local", "up"], "error: the command line needs the package `click`"),
        ("click", ["ls"], "error: the command line needs the package `click`"),
        ("aiohttp", ["local", "exec", "true"], "error: this command needs the package `aiohttp`"),
        ("multidict", ["local", "up"], "error: this command needs the package `multidict`"),
    ],
)
def test_a_missing_extra_is_named_at_once(missing: str, arguments: list[str], stderr: str) -> None:
    """Whatever is missing, one install line brings all of it."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from inferencekey.cli import main; sys.exit(main({arguments!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=15, check=False
    )
    assert done.returncode == 1
    extra = arguments[0] if arguments[0] == "local" else "cli"
    assert done.stderr == f'{stderr}\n\nhint: pip install "inferencekey[{extra}]"\n'


WRONG_USAGE = [
    # arguments, exit code, stderr
    (["local", "nope"], 1,
     "error: No such command 'nope'\n\nhint: see `inferencekey local --help`\n"),
    (["local", "up", "--port", "70000"], 1,
     "error: Invalid value for '--port': 70000 is not in the range 0<=x<=65535\n\n"
     "hint: see `inferencekey local up --help`\n"),
    (["local", "up", "--port", "abc"], 1,
     "error: Invalid value for '--port': 'abc' is not a valid port\n\n"
     "hint: see `inferencekey local up --help`\n"),
    (["local", "up", "--host", "no-such-host.invalid"], 1,
     "error: no-such-host.invalid is neither an address nor a name that leads to one\n\n"
     "hint: keep to 127.0.0.1\n"),
    (["local", "up", "--data-dir", "/dev/null/x"], 1,
     "error: cannot make the directory /dev/null/x: Not a directory\n\n"
     "hint: name another with `--data-dir`\n"),
    (["local", "up", "--detach", "--data-dir", "/dev/null/x"], 1,
     "error: cannot make the directory /dev/null/x: Not a directory\n\n"
     "hint: name another with `--data-dir`\n"),
    (["local", "token", "revoke", ""], 1,
     "error: Invalid value for TOKEN: neither the id nor the text of a token; "
     "`inferencekey local token list` shows the ids\n\n"
     "hint: see `inferencekey local token revoke --help`\n"),
    (["local", "up", "--host", "0.0.0.0"], 1,
     "error: 0.0.0.0 can be reached from other machines, and a control token runs commands on "
     "this one\n\n"
     "hint: keep to 127.0.0.1, or say `--allow-remote` on a network that you trust\n"),
    (["local", "status", "--data-dir", "/nowhere"], 1,
     "error: no platform is running with the directory /nowhere\n\n"
     "hint: start one with `inferencekey local up`, or name the directory of one by "
     "`--data-dir`\n"),
    (["local", "down", "--data-dir", "/nowhere"], 1,
     "error: no platform is running with the directory /nowhere\n\n"
     "hint: if one runs with another directory, name it by `--data-dir`\n"),
    (["local", "env", "--data-dir", "/nowhere"], 1,
     "error: no platform is running with the directory /nowhere\n\n"
     "hint: start one with `inferencekey local up`, or name the directory of one by "
     "`--data-dir`\n"),
    (["local", "logs", "bot"], 1,
     "error: no engine of workload `bot` in project `acme` has written a log\n\n"
     "hint: see `inferencekey local status` for the workloads and what they wait for\n"),
    (["local", "logs", "../x"], 1,
     "error: Invalid value for SLUG: may not contain the path part `.` or `..`\n\n"
     "hint: see `inferencekey local logs --help`\n"),
    (["local", "exec", "--", "no-such-command"], 127,
     "error: command not found: `no-such-command`\n\n"
     "hint: check its name and PATH; what follows `--` is run without a shell\n"),
    (["local", "exec", "--", "/"], 126, "error: cannot run `/`: Permission denied\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "stderr"),
    WRONG_USAGE,
    ids=[" ".join(case[0]) for case in WRONG_USAGE],
)
def test_errors_are_one_line_and_a_hint(
    run: Run, arguments: list[str], code: int, stderr: str
) -> None:
    """The whole of stderr, nothing on stdout."""
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", stderr)


def test_detached_from_up_to_down(run: Run, state_dir: Path) -> None:
    """Up, refused twice, env, status, logs, down: what a person sees."""
    up = run("local", "up", "--detach", "--port", "0")
    assert (up.returncode, up.stdout) == (0, "")
    base_url = re.search(r"(http://127\.0\.0\.1:\d+)\n", up.stderr)
    assert base_url, up.stderr
    assert up.stderr == (
        "inferencekey local is up, for development and tests, not for production\n\n"
        f"  base URL  {base_url[1]}\n"
        "  project   acme\n"
        "  state     in memory, gone when it stops (keep it with --db FILE)\n\n"
        'variables:  eval "$(inferencekey local env)"\n'
        f"log:        {state_dir}/inferencekey/local/platform.log\n"
        "stop:       inferencekey local down\n\n"
    )
    log = (state_dir / "inferencekey/local/platform.log").read_text()
    assert "stop:       inferencekey local down\n" in log
    assert "Ctrl-C" not in log

    again = run("local", "up", "--detach", "--port", "0")
    assert again.returncode == 1
    assert again.stderr.startswith(f"error: a platform is running already at {base_url[1]}")

    env = json.loads(run("local", "env", "--format", "json").stdout)
    assert env["INFERENCEKEY_BASE_URL"] == base_url[1]
    assert env["INFERENCEKEY_PROJECT"] == "acme"

    client = PlatformClient(env)
    assert run("local", "status").stdout.endswith("\nno workloads\n")
    client.create("bot", command=fake_command())
    client.create("broken", command="no-such-engine", backend="mine")
    assert client.wait("bot")["phase"] == "ready"
    assert client.wait("broken")["phase"] == "error"
    status = run("local", "status").stdout.splitlines()
    assert status[2].split() == ["workload", "phase", "backend", "model", "engine"]
    assert status[3].split()[:4] == ["acme/bot", "ready", "vllm", "fake-model"]
    assert status[4].split() == ["acme/broken", "error", "mine", "fake-model", "-"]
    assert (
        "broken: command not found: `no-such-engine`; install `no-such-engine` or put its folder "
        "on PATH; or start the platform with `--stand-in`: the bundled model serves instead"
    ) in status
    as_json = json.loads(run("local", "status", "--json").stdout)
    assert [w["phase"] for w in as_json["workloads"]] == ["ready", "error"]
    assert "fake engine listens on" in run("local", "logs", "Bot").stdout

    down = run("local", "down")
    assert (down.returncode, down.stdout) == (0, "")
    assert down.stderr == f"stopped the platform at {base_url[1]}\n"
    assert run("local", "status").returncode == 1
    assert run("local", "logs", "bot").returncode == 0, "the log stays"


@pytest.mark.parametrize("form", ["sh", "dotenv", "json"])
def test_env_is_what_each_reader_expects(up: Run, form: str) -> None:
    """Each form gives the same four variables, with tokens that work."""
    printed = up("local", "env", "--format", form).stdout
    expected = json.loads(up("local", "env", "--format", "json").stdout)
    if form == "json":
        env = json.loads(printed)
    else:
        prefix = "export " if form == "sh" else ""
        lines = printed.splitlines()
        assert all(line.startswith(prefix + "INFERENCEKEY_") for line in lines)
        env = dict(line.removeprefix(prefix).split("=", 1) for line in lines)
        shell = subprocess.run(
            ["sh", "-c", f"set -a\n{printed}\nenv"], capture_output=True, text=True, check=True
        )
        assert all(f"{name}={value}" in shell.stdout.splitlines() for name, value in env.items())
    assert env == expected
    assert len(env) == 4
    assert PlatformClient(env).list() == []


def test_tokens_from_create_to_revoke(up: Run) -> None:
    """A token is printed once and alone on stdout, listed without its secret, revoked at once."""
    created = up("local", "token", "create", "control", "--scope", "workload:read", "--name", "ro")
    token = created.stdout.strip()
    assert re.fullmatch(r"ik_sdk_[0-9a-f]{8}_[0-9a-f]{64}", token)
    key = up("local", "token", "create", "data", "--grant", "acme/bot").stdout.strip()
    assert re.fullmatch(r"ik_live_[0-9a-f]{8}_[0-9a-f]{64}", key)

    client = PlatformClient(json.loads(up("local", "env", "--format", "json").stdout))
    assert client.send("GET", client.workloads, token=token).status == 200
    listed = up("local", "token", "list").stdout
    assert f"ik_sdk_{token[7:15]}…" in listed
    assert token not in listed
    assert [line.split()[-3:] for line in listed.splitlines() if token[7:15] in line] == [
        ["ro", "in", "force"]
    ]
    for name in (token, key[8:16]):
        assert up("local", "token", "revoke", name).returncode == 0
    assert client.send("GET", client.workloads, token=token).status == 403
    assert client.chat("x", token=key).status == 401
    again = up("local", "token", "revoke", token)
    assert again.returncode == 1
    assert again.stderr == f"error: there is no token in force with the id `{token[7:15]}`\n"
    assert up("local", "token", "create", "data", "--scope", "workload:read").returncode == 1
    malformed = up("local", "token", "create", "data", "--grant", "acme")
    assert (malformed.returncode, malformed.stderr) == (
        1,
        "error: the grant 'acme' must look like `project/slug` or `project/*`\n",
    )


def test_a_revoked_default_token_does_not_come_back(run: Run) -> None:
    """Revocation outlives a platform whose state is in memory."""
    run("local", "up", "--detach", "--port", "0")
    before = json.loads(run("local", "env", "--format", "json").stdout)
    run("local", "token", "revoke", before["INFERENCEKEY_API_KEY"])
    run("local", "down")
    run("local", "up", "--detach", "--port", "0")
    after = json.loads(run("local", "env", "--format", "json").stdout)
    run("local", "down")
    assert after["INFERENCEKEY_SDK_TOKEN"] == before["INFERENCEKEY_SDK_TOKEN"]
    assert after["INFERENCEKEY_API_KEY"] != before["INFERENCEKEY_API_KEY"]


def test_a_detached_platform_that_cannot_start_says_why(up: Run, tmp_path: Path) -> None:
    """The reason comes to the terminal, not only into a log file."""
    port = json.loads(up("local", "status", "--json").stdout)["base_url"].rpartition(":")[2]
    done = up("local", "up", "--detach", "--port", port, "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f"error: port {port} on 127.0.0.1 is in use\n\n"
        "hint: take another with `--port`; 0 takes a free one\n"
    )


def test_follow_shows_what_comes(up: Run, state_dir: Path) -> None:
    """`logs --follow` goes on until Ctrl-C."""
    client = PlatformClient(json.loads(up("local", "env", "--format", "json").stdout))
    workload = client.create("bot", command=fake_command())
    assert client.wait()["phase"] == "ready"
    follow = subprocess.Popen(cli("local", "logs", "bot", "-f"), stdout=subprocess.PIPE, text=True)
    assert follow.stdout is not None
    seen = [follow.stdout.readline() for _ in range(3)]
    assert seen[2].startswith("fake engine listens on")
    client.send("DELETE", f"/api/workloads/{workload['id']}")
    assert follow.stdout.readline().startswith("--- ended: ")
    follow.send_signal(signal.SIGINT)
    assert follow.wait(10) == 130
    follow.stdout.close()


def test_exec_gives_the_variables_and_returns_the_code(run: Run) -> None:
    """The command finds a platform by its environment; its exit code is ours; nothing is left."""
    program = (
        "import os, sys, urllib.request as u\n"
        "env = os.environ\n"
        "path = '/api/projects/acme/workloads'\n"
        "head = {'authorization': 'Bearer ' + env['INFERENCEKEY_SDK_TOKEN']}\n"
        "print(u.urlopen(u.Request(env['INFERENCEKEY_BASE_URL'] + path, headers=head)).read())\n"
        "sys.exit(7)\n"
    )
    done = run("local", "exec", "--", sys.executable, "-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (7, "b'{\"workloads\":[]}'\n", "")


def test_exec_passes_options_of_the_command_on(run: Run) -> None:
    """Everything from the command's name on is the command's."""
    assert run("local", "exec", "echo", "--help", "-x").stdout == "--help -x\n"
    assert (
        run(
            "local", "exec", "--project", "p", "--", "sh", "-c", "echo $INFERENCEKEY_PROJECT"
        ).stdout
        == "p\n"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_exec_passes_signals_on(run: Run, number: signal.Signals) -> None:
    """The command gets the signal and may clean up, with the platform still there."""
    program = (
        "import os, signal, sys, time, urllib.request as u\n"
        "def clean_up(number, frame):\n"
        "    try: u.urlopen(os.environ['INFERENCEKEY_BASE_URL'])\n"
        "    except u.HTTPError as answer: print('platform', answer.code, flush=True)\n"
        "    sys.exit(9)\n"
        f"signal.signal({int(number)}, clean_up)\n"
        "print('up', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        cli("local", "exec", "--", sys.executable, "-c", program),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    assert process.stdout.read() == "platform 404\n"
    process.stdout.close()
    assert process.wait(10) == 9


def test_exec_of_a_command_ended_by_a_signal(run: Run) -> None:
    """128 + the signal's number, as shells say it."""
    done = run("local", "exec", "--", "sh", "-c", "kill -9 $$")
    assert (done.returncode, done.stderr) == (137, "the command ended with signal SIGKILL\n")


def test_foreground_stops_on_ctrl_c(run: Run, state_dir: Path) -> None:
    """Greeting and events on stderr, nothing on stdout; Ctrl-C stops it and its engines quickly."""
    process = subprocess.Popen(
        cli("local", "up", "--port", "0"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: (state_dir / "inferencekey/local/running.json").exists())
        client = PlatformClient(json.loads(run("local", "env", "--format", "json").stdout))
        client.create("bot", command=fake_command("--child", "same-group"))
        gone = client.create("gone", command=fake_command())
        client.send("DELETE", f"/api/workloads/{gone['id']}")
        assert client.wait()["phase"] == "ready"
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=10)
    finally:
        process.kill()
    assert time.monotonic() - began < 5
    assert (process.returncode, stdout) == (0, "")
    assert "acme/bot  ready  serving fake-model with " in stderr
    assert "acme/gone  deleted\n" in stderr
    assert stderr.endswith("stopped\n")
    assert "Traceback" not in stderr


def test_a_second_ctrl_c_hurries(run: Run, state_dir: Path) -> None:
    """An engine that will not end does not hold the terminal."""
    process = subprocess.Popen(cli("local", "up", "--port", "0"), stderr=subprocess.DEVNULL)
    try:
        until(lambda: (state_dir / "inferencekey/local/running.json").exists())
        client = PlatformClient(json.loads(run("local", "env", "--format", "json").stdout))
        client.create("bot", command=fake_command("--ignore-term"))
        assert client.wait()["phase"] == "ready"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        until(lambda: not (state_dir / "inferencekey/local/running.json").exists())
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 3
    finally:
        process.kill()
        process.wait()
