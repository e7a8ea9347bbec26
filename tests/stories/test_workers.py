"""A service of several workers: one port, and the end of one is not the end of the others."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import paramiko
import pytest

from conchgo.service.handover import LOAD
from conchgo.service.load import Load
from tests.checkout import checkout_environment
from tests.stories.installation import PASSWORD, RUNNERS, Installation
from tests.stories.processes import PATIENCE, Process, running, sftp

COUNT = 2


@contextmanager
def serving(installation: Installation, runner: str = "twistd", **service: float) -> Iterator[Process]:
    installation.configure(workers=COUNT, **service)
    with installation.running(RUNNERS[runner](installation.config)) as process:
        process.wait_for(process.errors, f"with {COUNT} workers")
        yield process


def workers(process: Process) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """A process without a parent to ask for its status may stay for a while, as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def sessions(stack: ExitStack, installation: Installation, count: int) -> list[paramiko.SFTPClient]:
    return [stack.enter_context(sftp(installation.port, "mary", password=PASSWORD)) for _ in range(count)]


def lives(client: paramiko.SFTPClient) -> bool:
    try:
        client.stat("/")
    except (OSError, EOFError, paramiko.SSHException):
        return False
    return True


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_worker_that_is_killed_takes_only_its_own_sessions_and_is_replaced(
    installation: Installation, runner: str
) -> None:
    with serving(installation, runner) as process, ExitStack() as stack:
        clients = sessions(stack, installation, 4)
        until(lambda: len(installation.sessions()) == 4)
        pids = [session["pid"] for session in installation.sessions()]
        assert set(pids) <= set(workers(process))
        os.kill(pids[0], signal.SIGKILL)
        process.wait_for(process.errors, "ended: killed by signal 9")
        assert sum(map(lives, clients)) == 4 - pids.count(pids[0])
        process.wait_for(process.errors, "serves again")
        assert len(workers(process)) == COUNT
        assert pids[0] not in workers(process)
        assert all(map(lives, sessions(stack, installation, 4)))
        process.signal(signal.SIGTERM)
        stack.close()
        assert process.wait() in (0, -signal.SIGTERM)
    told = [(event["worker"], event["message"]) for event in process.log() if "worker" in event]
    assert {(0, "ended"), (1, "ended")} <= set(told)
    assert {line["status"] for line in installation.audit() if line["action"] == "login"} == {"ok"}
    assert installation.sessions() == []


def test_workers_share_the_port_and_no_pipes(installation: Installation) -> None:
    """A pipe that another worker has too would not end with the main process."""
    with serving(installation) as process:
        main, *each = (open_descriptors(pid) for pid in (process.pid, *workers(process)))
        shared = set.intersection(*each)
        assert [name for name in shared if name.startswith("pipe:")] == []
        (port,) = (name for name in shared if name.startswith("socket:"))
        assert port in main
        # Its orders, its reports, its standard error.
        assert [len([name for name in of_one & main if name.startswith("pipe:")]) for of_one in each] == [3, 3]


def test_workers_show_that_they_move(installation: Installation) -> None:
    with serving(installation) as process:
        memory = os.open(f"/proc/{workers(process)[0]}/fd/{LOAD}", os.O_RDWR)
        load = Load(memory, COUNT)
        os.close(memory)
        assert all(load.beats(number) > 0 for number in range(COUNT))


def open_descriptors(pid: int) -> set[str]:
    return {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}


def test_transfers_of_all_workers_may_finish_and_nothing_new_begins(installation: Installation) -> None:
    with serving(installation, grace_time=PATIENCE) as process, ExitStack() as stack:
        clients = sessions(stack, installation, 2 * COUNT)
        files = [client.open(f"/file{number}", "w") for number, client in enumerate(clients)]
        # To all of them, as some who start services do it: for a worker it counts once.
        process.signal_group(signal.SIGTERM)
        for number in range(COUNT):
            process.wait_for(process.errors, f'"seconds":{PATIENCE}.0,"worker":{number}')
        for file, client in zip(files, clients, strict=True):
            file.write(b"a" * 100_000)
            with pytest.raises(OSError, match="shutting down"):
                client.open("/more", "w")
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", installation.port), 5):
            pass
        for file in files:
            file.close()
        assert process.wait() == -signal.SIGTERM
        assert process.log()[-1]["message"] == "ended"
    for number in range(2 * COUNT):
        assert (installation.state / "users" / "mary" / f"file{number}").stat().st_size == 100_000
    assert [line["action"] for line in installation.audit()].count("logout") == 2 * COUNT


def test_a_worker_may_be_renewed(installation: Installation) -> None:
    with serving(installation, grace_time=PATIENCE) as process, ExitStack() as stack:
        files = [client.open(f"/{number}", "w") for number, client in enumerate(sessions(stack, installation, 4))]
        old, other = workers(process)
        os.kill(old, signal.SIGTERM)
        process.wait_for(process.errors, f'"seconds":{PATIENCE}.0,"worker"')
        # What it has may be finished; what is new is for the others.
        assert lives(stack.enter_context(sftp(installation.port, "mary", password=PASSWORD)))
        for file in files:
            file.write(b"a" * 100_000)
            file.close()
        process.wait_for(process.errors, "serves again")
        assert other in workers(process)
        assert len(workers(process)) == COUNT
    for number in range(4):
        assert (installation.state / "users" / "mary" / str(number)).stat().st_size == 100_000


def test_a_second_sigterm_ends_all_at_once(installation: Installation) -> None:
    with serving(installation, grace_time=3600) as process, ExitStack() as stack:
        files = [client.open("/big", "w") for client in sessions(stack, installation, COUNT)]
        for file in files:
            file.write(b"a")
        pids = workers(process)
        process.signal(signal.SIGTERM)
        for number in range(COUNT):
            process.wait_for(process.errors, f'"seconds":3600.0,"worker":{number}')
        process.signal(signal.SIGTERM)
        assert process.wait() == 128 + signal.SIGTERM
        until(lambda: all(map(is_gone, pids)))
    assert [line["action"] for line in installation.audit()].count("open") == COUNT


def test_workers_do_not_outlive_the_main_process(installation: Installation) -> None:
    with serving(installation, grace_time=PATIENCE) as process:
        with sftp(installation.port, "mary", password=PASSWORD) as client:
            file = client.open("/file", "w")
            pids = workers(process)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            # Nobody listens any more; what was begun is finished.
            until(lambda: refuses(installation.port))
            file.write(b"a" * 100_000)
            file.close()
        until(lambda: all(map(is_gone, pids)))
    assert (installation.state / "users" / "mary" / "file").stat().st_size == 100_000


def test_a_limit_of_sessions_holds_over_all_workers_and_outlives_none_of_them(installation: Installation) -> None:
    installation.add_user("limited", max_sessions=2)
    with serving(installation) as process, ExitStack() as stack:
        clients = [stack.enter_context(sftp(installation.port, "limited", password=PASSWORD)) for _ in range(2)]
        with pytest.raises(paramiko.AuthenticationException), sftp(installation.port, "limited", password=PASSWORD):
            pass
        assert [lives(client) for client in clients] == [True, True]
        victim = installation.sessions()[0]["pid"]
        os.kill(victim, signal.SIGKILL)
        process.wait_for(process.errors, "ended: killed by signal 9")
        # What he had there is over, and holds no place.
        left = len(installation.sessions())
        assert left < 2
        assert lives(stack.enter_context(sftp(installation.port, "limited", password=PASSWORD)))
        assert len(installation.sessions()) == left + 1


def test_a_worker_that_cannot_start_is_the_end_of_the_start(installation: Installation) -> None:
    installation.configure(workers=COUNT)
    (installation.state / "owners").write_text("no directory")
    with running(RUNNERS["serve"](installation.config), installation.directory / "run") as process:
        assert process.wait() == 1
        reason = f"{installation.state}/owners: cannot be made: File exists"
        assert process.said().count(f"conchgo: {installation.config}: {reason}\n") == 1


def refuses(port: int) -> bool:
    with suppress(ConnectionResetError), socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
    return True


def test_systemd_hears_of_the_main_process_only(installation: Installation, tmp_path: Path) -> None:
    installation.configure(workers=COUNT)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        environment = checkout_environment(NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="600000000")
        with installation.running(env=environment) as process:
            assert [manager.recv(100), manager.recv(100)] == [b"WATCHDOG=1", b"READY=1"]
            assert len(workers(process)) == COUNT
            process.signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            process.wait()
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)
