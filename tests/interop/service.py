"""Running servers as tests see them: where one is, who may log in, what it logged."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import bcrypt

from conchgo.accounts.model import User
from tests.interop.keys import public_lines
from tests.interop.starter import FAST, Setup, start
from tests.ssh_server import HOST_KEY

USERNAME, PASSWORD = "alice", "secret"

#: A cheap hash: here nobody attacks it.
PASSWORD_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()

#: The host key as clients want to know it, in base64 without padding.
FINGERPRINT = base64.b64encode(hashlib.sha256(HOST_KEY.public().blob()).digest()).decode().rstrip("=")

#: Seconds after which an answer that must come has not come.
PATIENCE = 60

#: What no log of a healthy server holds.
_TROUBLE = ("Traceback", "Unhandled", '"traceback"', '"level":"error"', '"level":"critical"')


@dataclass(kw_only=True)
class Target:
    """What a client must know: where the server is, and how its user logs in.

    `keys` is a directory with the user's keys, `fingerprint` the host key's.
    """

    port: int
    keys: Path
    host: str = "127.0.0.1"
    username: str = USERNAME
    password: str = PASSWORD
    fingerprint: str = FINGERPRINT


@dataclass(kw_only=True)
class Service(Target):
    """One server process. `home` is the directory of its first user, `path` the way through the engine."""

    process: BaseProcess
    pipe: Connection
    state: Path
    home: Path
    path: str
    killed: bool = False

    def kill(self) -> None:
        """End it as a crash would."""
        self.killed = True
        self.process.kill()
        self.process.join()

    def audit(self, action: str, count: int) -> list[dict[str, Any]]:
        """The events of an action, once there are `count`: the audit log is written by a thread of its own."""
        eventually(lambda: len(self._events(action)) >= count, f"{count} times {action} in the audit log")
        events = self._events(action)
        assert len(events) == count
        return events

    def _events(self, action: str) -> list[dict[str, Any]]:
        whole_lines = (self.state / "audit").read_text().rpartition("\n")[0].splitlines()
        events = [json.loads(line) for line in whole_lines]
        return [event for event in events if event["action"] == action]

    def ask(self, question: str) -> Any:
        """What a method of `tests.interop.counters.Answerer` tells."""
        self.pipe.send(question)
        assert self.pipe.poll(PATIENCE), f"no answer to {question!r}"
        return self.pipe.recv()

    def descriptors(self) -> list[str]:
        """What the process has open, by name."""
        directory = f"/proc/{self.process.pid}/fd"
        return sorted(filter(None, (_link_target(f"{directory}/{name}") for name in os.listdir(directory))))

    def stop(self) -> None:
        """End it as systemd would. Fails where it does not end well, or where its log tells of trouble."""
        assert self.process.pid is not None
        if self.process.is_alive():
            os.kill(self.process.pid, signal.SIGTERM)
        self.process.join(10)
        late = self.process.is_alive()
        if late:
            self.process.kill()
            self.process.join()
        self.pipe.close()
        check_log((self.state / "log").read_text(errors="backslashreplace"))
        assert not late, "the server did not end in time"
        assert self.process.exitcode == (-signal.SIGKILL if self.killed else 0), (
            f"the server ended with {self.process.exitcode}"
        )


class Servers:
    """Starts servers for one test."""

    def __init__(self, directory: Path, keys: Path) -> None:
        self._directory = directory
        self._keys = keys
        self._running: list[Service] = []

    def user(self, username: str = USERNAME, **fields: Any) -> User:
        """A user who may do everything in a home of its own, as far as `fields` do not say otherwise."""
        home = self._directory / f"home-{username}"
        home.mkdir(exist_ok=True)
        record = {"home_dir": str(home), "password": PASSWORD_HASH, "public_keys": public_lines(self._keys), **fields}
        return User(username, **record)

    def start(self, *users: User, path: str = FAST, **setup: Any) -> Service:
        """A server for these users (default: one); `setup` is of `Setup`."""
        state = self._directory / f"state-{len(self._running)}"
        state.mkdir()
        users = users or (self.user(),)
        process, port, pipe = start(Setup(str(state), users, path, **setup))
        service = Service(
            process=process,
            pipe=pipe,
            port=port,
            state=state,
            home=Path(users[0].home_dir),
            path=path,
            keys=self._keys,
            username=users[0].username,
        )
        self._running.append(service)
        return service

    def stop(self) -> None:
        while self._running:
            self._running.pop().stop()


def _link_target(link: str) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""


def check_log(text: str) -> None:
    trouble = [line for line in text.splitlines() if any(word in line for word in _TROUBLE)]
    assert not trouble, "the server's log tells of trouble:\n" + "\n".join(trouble)


def status(pid: int | None, name: str) -> int:
    """A number of /proc/PID/status; sizes are KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(name)


def eventually(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)
