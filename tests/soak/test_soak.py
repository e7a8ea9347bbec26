"""Mixed work and random ends, again and again; when all clients are gone, nothing of them is left.

`make soak` does this for an hour, `make soak MINUTES=5` for five minutes: half of it against the service as it is run,
half against a server that can be asked. A round can be repeated by its seed: `make soak SEED=...`.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from conchgo.accounts.model import User
from conchgo.service.accounts import account_store
from conchgo.service.settings import ThreadsSection, load
from tests.checkout import checkout_environment, conchgo, free_port
from tests.interop.service import PASSWORD, Servers, check_log, eventually, status
from tests.soak.rounds import SESSIONS, run
from tests.stories.processes import Process, running

pytestmark = pytest.mark.full

USERS = ("ada", "bob", "cyd", "dan")
MINUTES = float(os.environ.get("SOAK_MINUTES") or 0) / 2
SEED = int(os.environ.get("SOAK_SEED") or random.randrange(2**32))

#: Keys change all the time, strangers that say nothing are cut off soon, and nobody is refused for coming with many.
SSH = {"rekey_bytes": 2**16, "login_grace_time": 20, "max_startups": 1000, "max_startups_per_host": 1000}

#: The reactor's own thread, the audit log's, and the pools'.
THREADS = 2 + sum(ThreadsSection().model_dump().values())


def rounds(target: Mapping[str, Any], left: Callable[[], Any], pid: int | None) -> None:
    """Rounds until the time is over, one at least. `left` tells what is there when nobody is connected."""
    before = left()
    end = time.monotonic() + 60 * MINUTES
    for seed in range(SEED, 2**64):
        print(f"seed {seed}: {SESSIONS} sessions", end="", flush=True)
        done = run(seed, target)
        assert not done.failures, f"seed {seed}: {len(done.failures)} failures, the first: {done.failures[0]}"
        eventually(lambda: left() == before, f"seed {seed}: everything is as before", 60)
        resident = status(pid, "VmRSS") // 1024
        print(f", {done.steps} things done, {done.killed} processes killed, {resident} MiB resident", flush=True)
        if time.monotonic() >= end:
            return


# The service as it is run


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[int, Process]]:
    port = free_port()
    config = tmp_path / "conchgo.toml"
    keys = "".join(f"{name} = {value}\n" for name, value in SSH.items())
    config.write_text(
        f'[ssh]\nlisten = ["127.0.0.1:{port}"]\nfailure_delay = 0\n{keys}[service]\nstate_directory = "s"\n'
    )
    settings = load(str(config))
    store, close = account_store(settings)
    for name in USERS:
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        store.add(User(name, os.path.join(settings.users.base_directory, name), password=hashed))
    close()
    with running(conchgo("serve", "--config", str(config)), tmp_path / "run", env=checkout_environment()) as process:
        process.wait_for(process.errors, "listening on")
        # The reactor has its own descriptors (for SIGCHLD, the last of them) once it answers.
        sockets = _sockets(process.pid)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.recv(1)
        eventually(lambda: _sockets(process.pid) == sockets, "the first connection is gone")
        yield port, process
        check_log(process.said())


def test_the_service_keeps_nothing(service: tuple[int, Process]) -> None:
    port, process = service

    def left() -> list[str]:
        """Descriptors but those of the database, of which each of its threads may have some."""
        assert status(process.pid, "Threads") <= THREADS
        return sorted(link for link in _links(process.pid) if "conchgo.db" not in link)

    rounds({"port": port, "users": USERS, "password": PASSWORD}, left, process.pid)


def _links(pid: int) -> list[str]:
    """What the descriptors of a process are."""
    links = [_link(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")]
    return [link for link in links if link]


def _sockets(pid: int) -> int:
    return sum(link.startswith("socket:") for link in _links(pid))


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


# A server that can be asked


def test_the_server_holds_nothing(servers: Servers) -> None:
    service = servers.start(*map(servers.user, USERS), ssh=SSH)
    target = {"port": service.port, "users": USERS, "password": PASSWORD}
    rounds(target, lambda: service.ask("left"), service.process.pid)
