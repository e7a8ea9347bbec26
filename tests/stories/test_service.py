"""The service from start to end, as systemd or an administrator runs it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest

from tests.checkout import checkout_environment, twistd
from tests.stories.installation import PASSWORD, RUNNERS, Installation
from tests.stories.processes import PATIENCE, sftp


@pytest.mark.parametrize("runner", RUNNERS)
def test_from_the_first_login_to_the_end(installation: Installation, runner: str) -> None:
    with installation.running(RUNNERS[runner](installation.config)) as process:
        with pytest.raises(paramiko.AuthenticationException), sftp(installation.port, "mary", password="wrong guess"):
            pass
        with sftp(installation.port, "mary", password=PASSWORD) as client:
            with client.open("/report", "w") as file:
                file.write(b"numbers")
            with pytest.raises(FileNotFoundError):
                client.stat("/missing")
        process.signal(signal.SIGTERM)
        assert process.wait() in (0, -signal.SIGTERM)
        log = process.log()
    assert {"time", "level", "system", "message"} <= set.intersection(*(set(line) for line in log))
    text = json.dumps(log)
    for secret in (PASSWORD, "wrong guess", "numbers", str(installation.state)):
        assert secret not in text
    story = [(line["action"], line["status"]) for line in installation.audit()]
    for event in (("login", "ok"), ("open", "ok"), ("close", "ok"), ("logout", "ok")):
        assert event in story
    assert any(action == "login" and status != "ok" for action, status in story)
    assert (installation.state / "users" / "mary" / "report").read_bytes() == b"numbers"


def test_the_soft_limit_of_descriptors_is_raised(installation: Installation) -> None:
    command = ["sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh", *RUNNERS["twistd"](installation.config)]
    with installation.running(command) as process:
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        (line,) = [line for line in limits if line.startswith("Max open files")]
        soft, hard = line.split()[3:5]
        assert soft == hard


def test_a_transfer_may_finish_and_nothing_new_begins(installation: Installation) -> None:
    installation.configure(grace_time=PATIENCE)
    with installation.running() as process:
        with sftp(installation.port, "mary", password=PASSWORD) as client:
            file = client.open("/big", "w")
            file.write(b"a" * 100_000)
            process.signal(signal.SIGTERM)
            process.wait_for(process.errors, "ending")
            file.write(b"b" * 100_000)
            with pytest.raises(OSError, match="shutting down"):
                client.open("/more", "w")
            with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", installation.port), 5):
                pass
            file.close()
            assert process.wait() == -signal.SIGTERM
        assert process.log()[-1]["message"] == "ended"
    assert (installation.state / "users" / "mary" / "big").stat().st_size == 200_000
    assert installation.audit()[-1]["action"] == "logout"


def test_the_grace_time_has_an_end(installation: Installation) -> None:
    installation.configure(grace_time=0.2)
    with installation.running() as process, sftp(installation.port, "mary", password=PASSWORD) as client:
        client.open("/big", "w").write(b"a")
        process.signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
    assert [line["action"] for line in installation.audit()][-2:] in (["close", "logout"], ["logout", "close"])


def test_a_second_sigterm_ends_at_once(installation: Installation) -> None:
    installation.configure(grace_time=3600)
    with installation.running() as process, sftp(installation.port, "mary", password=PASSWORD) as client:
        client.open("/big", "w").write(b"a")
        process.signal(signal.SIGTERM)
        process.wait_for(process.errors, "ending")
        process.signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
    assert "open" in [line["action"] for line in installation.audit()]


def occupied_port(installation: Installation) -> str:
    return f"ssh.listen: 127.0.0.1:{installation.port}: Address already in use"


def database_unreachable(installation: Installation) -> str:
    (installation.state / "conchgo.db").write_bytes(b"this is no database, whatever its name says" * 100)
    return "database.url: "


def open_host_key(installation: Installation) -> str:
    keys = installation.state / "host_keys"
    keys.mkdir(mode=0o700)
    (keys / "ssh_host_rsa_key").write_text("")
    (keys / "ssh_host_rsa_key").chmod(0o644)
    return "ssh.host_key_directory: host key "


def no_place_for_the_audit_log(installation: Installation) -> str:
    with open(installation.config, "a") as file:
        file.write('[log]\naudit_file = "missing/audit.log"\n')
    return "log.audit_file: "


def unknown_key(installation: Installation) -> str:
    with open(installation.config, "a") as file:
        file.write("[log]\nlvl = 1\n")
    return "log.lvl: unknown key"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "spoil",
    [occupied_port, database_unreachable, open_host_key, no_place_for_the_audit_log, unknown_key],
    ids=lambda it: it.__name__,
)
def test_what_prevents_the_start_is_one_line(
    installation: Installation, spoil: Callable[[Installation], str], workers: int
) -> None:
    installation.configure(workers=workers)
    line = f"conchgo: {installation.config}: {spoil(installation)}"
    with socket.create_server(("127.0.0.1", installation.port)):
        done = subprocess.run(
            RUNNERS["twistd"](installation.config), env=checkout_environment(), capture_output=True, text=True,
            timeout=60, check=False, cwd="/",
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_daemon(installation: Installation, tmp_path: Path, workers: int) -> None:
    installation.configure(workers=workers)
    pid_file = tmp_path / "pid"
    command = twistd(f"--pidfile={pid_file}", "conchgo", "--config", installation.config)
    options: Any = {"env": checkout_environment(), "timeout": 60, "cwd": "/", "capture_output": True, "text": True}
    assert subprocess.run(command, check=False, **options).returncode == 0
    pid = int(pid_file.read_text())
    try:
        with sftp(installation.port, "mary", password=PASSWORD) as client:
            assert client.listdir() == []
        pid_file.unlink()
        second = subprocess.run(command, check=False, **options)
        assert second.returncode == 1
        assert "Address already in use" in second.stderr
    finally:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert installation.audit()[-1]["action"] == "logout"


def test_systemd_hears_how_it_is(installation: Installation, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        environment = checkout_environment(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="600000000")
        with installation.running(env=environment) as process:
            assert manager.recv(100) == b"READY=1"
            assert manager.recv(100) == b"WATCHDOG=1"
            process.signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            process.wait()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_socket_that_systemd_opened(installation: Installation, workers: int) -> None:
    installation.configure(listen="systemd:domain=INET:index=0", workers=workers)
    with socket.create_server(("127.0.0.1", installation.port)) as listening:
        number = listening.fileno()
        script = (
            f"import os, sys; os.dup2({number}, 3);"
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='ssh');"
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        command = [sys.executable, "-c", script, *RUNNERS["twistd"](installation.config)]
        with (
            installation.running(command, pass_fds=[number]),
            sftp(installation.port, "mary", password=PASSWORD) as client,
        ):
            assert client.listdir() == []
