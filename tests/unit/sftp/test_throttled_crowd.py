"""Twelve throttled users with a hundred sessions, and what everybody else notices of them: nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from twisted.internet.task import Clock

from conchgo.accounts.model import User
from conchgo.accounts.permissions import Permissions
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.throttles import Throttles
from conchgo.quota.transfers import MemoryTransferCounter
from conchgo.sftp import constants as c
from conchgo.sftp import extensions
from conchgo.sftp.codec import string, uint32, uint64
from conchgo.sftp.engine import MAX_OUTSTANDING
from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.interface import Identity
from tests.unit.sftp.harness import Client, LaterFile, LaterRunner, LaterStorage

KB = 1024
#: KB/s of each user in each direction, and bytes of each request.
RATE, REQUEST = 16, 32 * KB
FILE = 100 * REQUEST


class Disk(LaterRunner):
    """Threads, which work at once, or (`later`) when they are told: how often each user had one."""

    def __init__(self) -> None:
        super().__init__()
        self.later = False
        self.used: Counter[str] = Counter()

    def run(self, owner: str, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        self.used[owner] += 1
        done = super().run(owner, work, *args, **kwargs)
        if not self.later:
            self.do_all()
        return done


class ColdFile(LaterFile):
    """Nothing of it is in memory; counts what is really read and written."""

    moved: Counter[str]

    def pread(self, length: int, offset: int) -> bytes:
        data = super().pread(length, offset)
        self.moved["read"] += len(data)
        return data

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        super().pwritev(views, offset)
        self.moved["written"] += sum(map(len, views))


class ColdStorage(LaterStorage):
    def __init__(self) -> None:
        super().__init__()
        self.moved: Counter[str] = Counter()

    def open(self, path: VirtualPath, **how: Any) -> ColdFile:
        file = super().open(path, **how)
        file.__class__ = ColdFile
        file.moved = self.moved  # type: ignore[attr-defined]
        return file  # type: ignore[return-value]


@dataclass
class Session:
    client: Client
    reading: bytes
    writing: bytes

    def ask_for_much(self) -> None:
        """As a client does that downloads one file and uploads another."""
        for number in range(MAX_OUTSTANDING // 2):
            offset = uint64(number * REQUEST)
            self.client.send(c.FXP_READ, string(self.reading), offset, uint32(REQUEST))
            self.client.send(c.FXP_WRITE, string(self.writing), offset, string(bytes(REQUEST)))


@dataclass
class Server:
    clock: Clock = field(default_factory=Clock)
    disk: Disk = field(default_factory=Disk)
    storages: dict[str, MemoryStorage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock.advance(1000)
        self.throttles = Throttles(MemoryTransferCounter(), now=self.clock.seconds)

    def session(self, name: str, rate: int, *, cold: bool) -> Session:
        user = User(name, f"/srv/{name}", upload_bandwidth=rate, download_bandwidth=rate)
        storage = self.storages.setdefault(name, ColdStorage() if cold else MemoryStorage())
        view = View(
            {ROOT: Mount(storage)},
            Permissions.parse({"/": ["*"]}),
            Identity(name, 1000, 1000),
            Origin(name, "1", "::1"),
            Bus(),
        )
        unthrottled = Client(self._server(name, view))
        unthrottled.create(b"/file", bytes(FILE))
        throttle = self.throttles.join(user, "::1")
        client = Client(self._server(name, View(**{**_fields(view), "throttle": throttle})))
        number = str(id(client)).encode()
        writing = client.open(b"/new" + number, c.FXF_WRITE | c.FXF_CREAT)
        return Session(client, client.open(b"/file", c.FXF_READ), writing)

    def _server(self, name: str, view: View) -> FilesystemServer:
        rows = extensions.by_name(extensions.FILESYSTEM)
        return FilesystemServer(compose(view), self.disk, name, rows, self.clock, self.clock.seconds)

    def moved(self, name: str) -> Counter[str]:
        return self.storages[name].moved  # type: ignore[attr-defined]


def _fields(view: View) -> dict[str, Any]:
    return {name: getattr(view, name) for name in view.__slots__}


@pytest.mark.parametrize("cold", [True, False], ids=["disk", "memory"])
def test_nobody_else_notices_them(cold: bool) -> None:
    server = Server()
    names = [f"user{number}" for number in range(12)]
    crowd = [server.session(names[number % 12], RATE, cold=cold) for number in range(100)]
    neighbour = server.session("neighbour", 0, cold=cold)
    for storage in server.storages.values():
        if isinstance(storage, ColdStorage):
            storage.moved.clear()
    server.disk.used.clear()
    server.disk.later = True
    for session in crowd:
        session.ask_for_much()

    # One read of each user and one write of each file take a thread; then they wait, with a timer for each file.
    assert len(server.disk.jobs) <= len(names) + len(crowd)
    server.disk.do_all()
    assert len(server.clock.getDelayedCalls()) <= 2 * len(crowd)

    server.disk.used.clear()
    neighbour.ask_for_much()
    server.disk.do_all()
    server.clock.advance(0.01)
    server.disk.do_all()
    assert len(neighbour.client.replies()) == MAX_OUTSTANDING
    assert sum(server.disk.used.values()) == server.disk.used["neighbour"]

    server.disk.used.clear()
    seconds = 60
    for _ in range(seconds * 20):
        server.clock.advance(0.05)
        server.disk.do_all()
    granted = RATE * KB * seconds // REQUEST
    if cold:
        for name in names:
            for moved in server.moved(name).values():
                assert granted - 2 <= moved / REQUEST <= granted + 2
    # A write asks in its thread: each once a second at most, besides those that are granted.
    assert max(server.disk.used.values()) <= 2 * granted + 9 * seconds

    for session in crowd:
        session.client.engine.connection_lost()
    server.disk.do_all()
    assert not server.clock.getDelayedCalls()
