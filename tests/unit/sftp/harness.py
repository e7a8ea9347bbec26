"""An engine with a client and a channel that are not there: bytes in, bytes out."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from conchgo.accounts.permissions import Permissions
from conchgo.edge.pools import Inline, Runner
from conchgo.edge.stream import FIRST_VIEW
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.paths import ROOT, VirtualPath
from conchgo.sftp import codec, extensions
from conchgo.sftp import constants as c
from conchgo.sftp.adapter import FilesystemAdapter
from conchgo.sftp.codec import Reader, string, uint32, uint64
from conchgo.sftp.conch_server import ConchServer
from conchgo.sftp.engine import Engine
from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.server import Server
from conchgo.storage.memory import MemoryStorage
from conchgo.storage.memory_file import MemoryFile
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.interface import Attributes, Filesystem, Identity

NO_ATTRIBUTES = codec.attributes(Attributes())
INIT = struct.pack(">IBI", 5, c.FXP_INIT, 3)
ALL = Permissions(rules={ROOT: frozenset({"*"})})
ME = Identity("ada", 1000, 1000)


class FakeStream:
    """A `Stream` that writes everything down."""

    def __init__(self) -> None:
        self.congested = False
        self.output = bytearray()
        self.writes = 0
        self.consumed_bytes = 0
        self.statuses: list[int] = []

    def write(self, *data: bytes) -> None:
        self.output += b"".join(data)
        self.writes += 1

    def reserve(self, count: int) -> list[memoryview]:
        """In two views: what is written must not depend on how they are cut."""
        self._room = bytearray(count)
        cut = min(count, FIRST_VIEW)
        return [memoryview(self._room)[:cut], memoryview(self._room)[cut:]]

    def commit(self, count: int) -> None:
        if count:
            self.write(bytes(self._room[:count]))

    def write_error(self, data: bytes) -> None:
        raise AssertionError("the engine has no standard error")

    def consumed(self, count: int) -> None:
        self.consumed_bytes += count

    def exit(self, status: int) -> None:
        self.statuses.append(status)


@dataclass(frozen=True)
class Reply:
    kind: int
    request_id: int
    body: bytes

    @property
    def reader(self) -> Reader:
        return Reader(self.body)

    @property
    def code(self) -> int:
        """The code of a STATUS; whatever else came has none."""
        assert self.kind == c.FXP_STATUS, self
        return self.reader.uint32()

    @property
    def text(self) -> str:
        assert self.kind == c.FXP_STATUS, self
        reader = self.reader
        reader.uint32()
        return reader.string().decode()

    @property
    def handle(self) -> bytes:
        assert self.kind == c.FXP_HANDLE, self
        return self.reader.string()

    @property
    def data(self) -> bytes:
        assert self.kind == c.FXP_DATA, self
        return self.reader.string()

    @property
    def attributes(self) -> Attributes:
        """As asked in SETSTAT: the mode without the file's type (see `mode`)."""
        assert self.kind == c.FXP_ATTRS, self
        return self.reader.attributes()

    @property
    def mode(self) -> int:
        """The whole mode of full ATTRS."""
        assert self.kind == c.FXP_ATTRS, self
        return int.from_bytes(self.body[20:24], "big")

    @property
    def names(self) -> list[tuple[bytes, bytes, Attributes]]:
        assert self.kind == c.FXP_NAME, self
        reader = self.reader
        return [(reader.string(), reader.string(), reader.attributes()) for _ in range(reader.uint32())]

    @property
    def path(self) -> bytes:
        ((name, _, _),) = self.names
        return name


def split(output: bytearray | bytes) -> list[Reply]:
    """The whole packets of an output."""
    replies = []
    at = 0
    while at < len(output):
        length, kind, request_id = struct.unpack_from(">IBI", output, at)
        assert at + 4 + length <= len(output), "half a packet"
        replies.append(Reply(kind, request_id, bytes(output[at + 9 : at + 4 + length])))
        at += 4 + length
    return replies


def extended(name: bytes, *fields: bytes) -> tuple[int, bytes]:
    return c.FXP_EXTENDED, string(name) + b"".join(fields)


class Client:
    """Sends requests to an engine and reads its replies. Ids count up from 1."""

    def __init__(self, server: Server, *, greet: bool = True) -> None:
        self.clock = Clock()
        self.stream = FakeStream()
        self.engine = Engine(server, self.clock)
        self.engine.started(self.stream)
        self.sent = 0
        self._read = 0
        self._last_id = 0
        if greet:
            self.feed(INIT)
            (self.version,) = self.replies()

    def feed(self, data: bytes) -> None:
        self.sent += len(data)
        self.engine.data_received(data)

    def send(self, kind: int, *fields: bytes) -> int:
        """Send one request; returns its id."""
        self._last_id += 1
        self.feed(codec.packet(kind, self._last_id, b"".join(fields)))
        return self._last_id

    def replies(self) -> list[Reply]:
        """What came since the last look."""
        for _ in range(10_000):
            if not self.clock.getDelayedCalls():
                break
            self.clock.advance(0)
        found = split(self.stream.output[self._read :])
        self._read = len(self.stream.output)
        return found

    def ask(self, kind: int, *fields: bytes) -> Reply:
        """Send one request; its reply comes at once."""
        request_id = self.send(kind, *fields)
        (reply,) = self.replies()
        assert reply.request_id == request_id
        return reply

    # The requests that nearly every test needs.

    def open(self, path: bytes, flags: int, attributes: bytes = NO_ATTRIBUTES) -> bytes:
        return self.ask(c.FXP_OPEN, string(path), uint32(flags), attributes).handle

    def create(self, path: bytes, content: bytes = b"") -> None:
        handle = self.open(path, c.FXF_WRITE | c.FXF_CREAT | c.FXF_TRUNC)
        for offset in range(0, len(content), c.MAX_DATA):
            assert self.write(handle, offset, content[offset : offset + c.MAX_DATA]).code == c.FX_OK
        assert self.close(handle).code == c.FX_OK

    def content(self, path: bytes) -> bytes:
        handle = self.open(path, c.FXF_READ)
        found = b""
        while (reply := self.read(handle, len(found), c.MAX_DATA)).kind == c.FXP_DATA:
            found += reply.data
        assert reply.code == c.FX_EOF
        self.close(handle)
        return found

    def read(self, handle: bytes, offset: int, length: int) -> Reply:
        return self.ask(c.FXP_READ, string(handle), uint64(offset), uint32(length))

    def write(self, handle: bytes, offset: int, data: bytes) -> Reply:
        return self.ask(c.FXP_WRITE, string(handle), uint64(offset), string(data))

    def close(self, handle: bytes) -> Reply:
        return self.ask(c.FXP_CLOSE, string(handle))

    def stat(self, path: bytes) -> Reply:
        return self.ask(c.FXP_STAT, string(path))


class LaterFile(MemoryFile):
    """A file that says it may block, and that nothing of it is at hand."""

    immediate = False

    def preadv_now(self, views: Sequence[memoryview], offset: int) -> None:
        return None

    def stat_now(self) -> None:
        return None

    def close_now(self) -> bool:
        return False


class LaterStorage(MemoryStorage):
    """Memory that says it may block, so that work goes through the runner."""

    at_once = None

    def open(self, path: VirtualPath, **how: Any) -> LaterFile:
        file = super().open(path, **how)
        file.__class__ = LaterFile
        return file


class LaterRunner:
    """Does no work until it is told, and in the order in which it is told."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], None]] = []

    def run(self, owner: str, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append(lambda: maybeDeferred(work, *args, **kwargs).chainDeferred(done))
        return done

    def do(self, index: int = 0) -> None:
        self.jobs.pop(index)()

    def do_all(self) -> None:
        while self.jobs:
            self.do()


def filesystem(
    storage: MemoryStorage | None = None,
    permissions: Permissions = ALL,
    start: VirtualPath = ROOT,
    bus: Bus | None = None,
) -> Filesystem:
    storage = storage or MemoryStorage(owner=(ME.uid, ME.gid))
    origin = Origin("ada", "1", "127.0.0.1")
    return compose(View({ROOT: Mount(storage)}, permissions, ME, origin, bus or Bus(), start))


def fast_server(files: Filesystem | None = None, runner: Runner | None = None) -> FilesystemServer:
    rows = extensions.by_name(extensions.FILESYSTEM)
    return FilesystemServer(files or filesystem(), runner or Inline(), "ada", rows, Clock())


def generic_server(files: Filesystem | None = None, runner: Runner | None = None) -> ConchServer:
    return ConchServer(FilesystemAdapter(object(), files or filesystem(), runner or Inline(), "ada"))
