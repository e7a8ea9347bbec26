"""Commands at work: over storage in memory, with a stream that writes everything down."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from conchgo.accounts.permissions import Permissions
from conchgo.commands.command import Call, Command
from conchgo.commands.files import Files
from conchgo.commands.program import CommandProgram
from conchgo.commands.table import commands
from conchgo.edge.filesystem_work import FilesystemWork
from conchgo.edge.pools import Inline, Runner
from conchgo.edge.stream import FIRST_VIEW
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Ledger
from conchgo.storage.interface import Storage
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.interface import Filesystem, Identity, OpenOptions
from conchgo.vfs.uploads.rules import UploadMode, UploadRules

#: The storages of this test, to be closed at its end.
OPENED: list[Storage] = []

EVERYTHING: Mapping[str, tuple[str, ...]] = {"/": ("*",)}


class Channel:
    """A `Stream`: what a client gets."""

    terminal = False

    def __init__(self) -> None:
        self.congested = False
        self.output = bytearray()
        self.errors = bytearray()
        self.taken = 0
        self.status: int | None = None
        self.signal: bytes | None = None

    def write(self, *data: bytes) -> None:
        self.output += b"".join(data)

    def reserve(self, count: int) -> list[memoryview]:
        self._room = bytearray(count)
        return [memoryview(self._room)[:FIRST_VIEW], memoryview(self._room)[FIRST_VIEW:]]

    def commit(self, count: int) -> None:
        self.output += self._room[:count]

    def write_error(self, data: bytes) -> None:
        self.errors += data

    def consumed(self, count: int) -> None:
        self.taken += count

    def exit(self, status: int) -> None:
        assert self.status is None
        self.status = status

    def linger(self) -> None:
        pass

    def exit_by_signal(self, name: bytes) -> None:
        assert self.status is None
        self.signal = name

    @property
    def complaints(self) -> list[str]:
        return [line.decode() for line in bytes(self.errors).splitlines()]


def filesystem(
    storage: Storage | Mount | None = None,
    permissions: Mapping[str, tuple[str, ...]] = EVERYTHING,
    start: bytes = b"/",
    uploads: UploadMode = UploadMode.DIRECT,
    ledger: Ledger | None = None,
) -> Filesystem:
    mount = storage if isinstance(storage, Mount) else Mount(storage or MemoryStorage())
    OPENED.append(mount.storage)
    return compose(
        View(
            mounts={ROOT: mount},
            permissions=Permissions.parse(permissions),
            identity=Identity("alice", os.getuid(), os.getgid()),
            origin=Origin("alice", "session", "192.0.2.1"),
            bus=Bus(),
            start=VirtualPath.parse(start),
            uploads=UploadRules(uploads),
            ledger=ledger,
        )
    )


def put(files: Filesystem, path: bytes, content: bytes) -> None:
    file = files.open(VirtualPath.parse(path), OpenOptions(write=True, create=True, truncate=True))
    file.pwritev([memoryview(content)], 0)
    file.close()


def get(files: Filesystem, path: bytes) -> bytes:
    file = files.open(VirtualPath.parse(path), OpenOptions(read=True))
    try:
        return file.pread(2**30, 0)
    finally:
        file.close()


class Later(Inline):
    """Does work when it is told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Deferred, Callable[[], object]]] = []

    def run(self, owner, work, /, *args, **kwargs):
        done: Deferred = Deferred()
        self.jobs.append((done, lambda: work(*args, **kwargs)))
        return done

    def do(self) -> None:
        done, work = self.jobs.pop(0)
        try:
            result = work()
        except Exception as error:
            done.errback(error)
        else:
            done.callback(result)


class Running:
    """A command that was started; its input is open until `run` or `end` closes it."""

    def __init__(
        self,
        files: Filesystem,
        name: str,
        *arguments: str,
        runner: Runner | None = None,
        row: Command | None = None,
        patterns: Sequence[str] = (),
    ) -> None:
        self.clock = Clock()
        self.channel = Channel()
        self.told: list[tuple[int, str | None]] = []
        work = Files(FilesystemWork(files, runner or Inline(), "alice", self.clock))
        self.program = CommandProgram(
            row or commands()[name],
            lambda console: Call(name, "alice", arguments, patterns or arguments, console, work, commands()),
            work,
            lambda status, reason, seconds: self.told.append((status, reason)),
        )
        self.program.started(self.channel)

    def send(self, data: bytes) -> None:
        self.program.data_received(data)

    def end(self) -> None:
        self.program.input_ended()


def run(files: Filesystem, name: str, *arguments: str, stdin: bytes = b"") -> Channel:
    """All of it; the command has ended."""
    running = Running(files, name, *arguments)
    if stdin:
        running.send(stdin)
    running.end()
    assert running.channel.status is not None
    return running.channel
