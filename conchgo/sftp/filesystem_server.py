"""Serves the engine from a session's Filesystem: paths are made here, and blocking work goes to its thread."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from conchgo.edge.pieces import Pieces
from conchgo.edge.pools import Runner
from conchgo.edge.stream import Buffer
from conchgo.errors import Busy, InvalidArgument
from conchgo.paths import VirtualPath
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.longname import longname
from conchgo.sftp.rows import Name
from conchgo.sftp.server import Maybe, ServedDirectory, ServedFile
from conchgo.vfs.interface import Attributes, Entry, File, FileStat, Filesystem, Listing, OpenOptions

if TYPE_CHECKING:
    from conchgo.sftp.rows import Row

P = ParamSpec("P")
T = TypeVar("T")

#: As OpenSSH sends: with names of 255 bytes a reply stays well below what clients take.
NAMES_PER_REPLY: Final = 100


class FilesystemServer:
    """A `conchgo.sftp.server.Server`. `owner` is whose turn it is in the thread pool."""

    def __init__(self, filesystem: Filesystem, runner: Runner, owner: str, extensions: Mapping[bytes, Row]) -> None:
        self.filesystem = filesystem
        self._runner = runner
        self._owner = owner
        self._extensions = extensions
        self.cancelled = False

    def path(self, raw: bytes) -> VirtualPath:
        """Raises InvalidPath."""
        return VirtualPath.parse(raw, self.filesystem.start)

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Maybe[T]:
        """Do what may block: at once where the storage answers at once, else in a thread."""
        if self.filesystem.immediate:
            return work(*args, **kwargs)
        return self._runner.run(self._owner, work, *args, **kwargs)

    def close(self, close: Callable[[], None]) -> Maybe[None]:
        """Closing is never refused: where the pool takes no more work it is done here, for a wait is no leak."""
        closed = self.run(close)
        return closed.addErrback(close_now, close) if isinstance(closed, Deferred) else closed

    def cancel(self) -> None:
        self.cancelled = True

    def extensions(self) -> Mapping[bytes, Row]:
        return self._extensions

    def open(self, path: bytes, flags: int, attributes: Attributes) -> Maybe[ServedFile]:
        return self.run(self._open, self.path(path), open_options(flags, attributes))

    def _open(self, path: VirtualPath, options: OpenOptions) -> ServedFile:
        return OpenedFile(self, self.filesystem.open(path, options), path, options)

    def opendir(self, path: bytes) -> Maybe[ServedDirectory]:
        return self.run(self._opendir, self.path(path))

    def _opendir(self, path: VirtualPath) -> ServedDirectory:
        return OpenedDirectory(self, self.filesystem.scan(path), path)

    def stat(self, path: bytes) -> Maybe[bytes]:
        virtual = self.path(path)
        return self.run(lambda: codec.stat_attributes(self.filesystem.stat(virtual)))

    def lstat(self, path: bytes) -> Maybe[bytes]:
        virtual = self.path(path)
        return self.run(lambda: codec.stat_attributes(self.filesystem.lstat(virtual)))

    def setstat(self, path: bytes, changes: Attributes) -> Maybe[None]:
        return self.run(self.filesystem.set_attributes, self.path(path), changes)

    def remove(self, path: bytes) -> Maybe[None]:
        return self.run(self.filesystem.remove, self.path(path))

    def mkdir(self, path: bytes, attributes: Attributes) -> Maybe[None]:
        return self.run(self.filesystem.mkdir, self.path(path), attributes.mode)

    def rmdir(self, path: bytes) -> Maybe[None]:
        return self.run(self.filesystem.rmdir, self.path(path))

    def realpath(self, path: bytes) -> Maybe[bytes]:
        virtual = self.path(path)
        return self.run(lambda: bytes(self.filesystem.realpath(virtual)))

    def rename(self, old: bytes, new: bytes) -> Maybe[None]:
        """Version 3 forbids that it replaces; posix-rename@openssh.com does."""
        return self.run(self.filesystem.rename, self.path(old), self.path(new), replace=False)

    def readlink(self, path: bytes) -> Maybe[bytes]:
        return self.run(self.filesystem.readlink, self.path(path))

    def symlink(self, target: bytes, link: bytes) -> Maybe[None]:
        return self.run(self.filesystem.symlink, target, self.path(link))

    def space(self, path: VirtualPath) -> Maybe[bytes]:
        return self.run(lambda: codec.space(self.filesystem.space(path)))


def close_now(refused: Failure, close: Callable[[], None]) -> None:
    """What a pool refused as Busy, done in this thread; other failures stay what they are."""
    refused.trap(Busy)
    close()


def open_options(flags: int, attributes: Attributes) -> OpenOptions:
    """The flags of OPEN, section 6.3.

    Raises:
        InvalidArgument: neither reading nor writing is asked.
    """
    if not flags & (c.FXF_READ | c.FXF_WRITE | c.FXF_APPEND):
        raise InvalidArgument("open neither for reading nor for writing")
    return OpenOptions(
        read=bool(flags & c.FXF_READ),
        write=bool(flags & (c.FXF_WRITE | c.FXF_APPEND)),
        append=bool(flags & c.FXF_APPEND),
        create=bool(flags & c.FXF_CREAT),
        truncate=bool(flags & c.FXF_TRUNC),
        exclusive=bool(flags & c.FXF_EXCL),
        mode=attributes.mode,
    )


class OpenedFile:
    """A `ServedFile`."""

    def __init__(self, server: FilesystemServer, file: File, path: VirtualPath, options: OpenOptions) -> None:
        self._server = server
        self._file = file
        self._path = path
        self.appending = options.append

    def read(self, offset: int, length: int) -> Maybe[Buffer]:
        """At once what is in memory, else in a thread."""
        found = self._file.pread_now(length, offset)
        return self._server.run(self._file.pread, length, offset) if found is None else found

    def write(self, offset: int, data: Pieces) -> Maybe[None]:
        """Opened for appending, the offset means nothing (draft-ietf-secsh-filexfer-02, 6.3)."""
        if self.appending:
            return self._run(self._file.append, memoryview(bytes(data)))
        return self._run(self._file.pwritev, data.views, offset)

    def copy_to(self, target: OpenedFile, offset: int, length: int, to: int) -> Maybe[int]:
        """Copy a part, in a thread even where each call would answer at once: a long copy is many parts.

        Gives the count of bytes, fewer than `length` only at the end of this file.
        """
        return self._server.run(self._copy_to, target, offset, length, to)

    def _copy_to(self, target: OpenedFile, offset: int, length: int, to: int) -> int:
        data = memoryview(self._file.pread(length, offset))
        if target.appending:
            target._file.append(data)
        elif data:
            target._file.pwritev([data], to)
        return len(data)

    def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Maybe[T]:
        return work(*args, **kwargs) if self._file.immediate else self._server.run(work, *args, **kwargs)

    def found(self) -> Maybe[FileStat]:
        """What `stat` tells, as it is known here."""
        return self._server.run(self._file.stat)

    def stat(self) -> Maybe[bytes]:
        return self._server.run(lambda: codec.stat_attributes(self._file.stat()))

    def set_attributes(self, changes: Attributes) -> Maybe[None]:
        return self._server.run(self._file.set_attributes, changes)

    def sync(self) -> Maybe[None]:
        return self._server.run(self._file.sync)

    def space(self) -> Maybe[bytes]:
        return self._server.space(self._path)

    def close(self) -> Maybe[None]:
        return self._server.close(self._file.close)

    def abandon(self) -> Maybe[None]:
        return self._server.close(self._file.abandon)


class OpenedDirectory:
    """A `ServedDirectory`: `.` and `..` first, then the entries as the storage gives them."""

    def __init__(self, server: FilesystemServer, listing: Listing, path: VirtualPath) -> None:
        self._server = server
        self._listing = listing
        self._entries = itertools.chain(self._dots(path), listing)

    def names(self) -> Maybe[Sequence[Name]]:
        return self._server.run(self._next_names)

    def close(self) -> Maybe[None]:
        return self._server.close(self._listing.close)

    abandon = close

    def _next_names(self) -> Sequence[Name]:
        identity, now = self._server.filesystem.identity, time.time()
        return [
            Name(entry.name, longname(entry.name, entry.stat, identity, now), codec.stat_attributes(entry.stat))
            for entry in itertools.islice(self._entries, NAMES_PER_REPLY)
        ]

    def _dots(self, path: VirtualPath) -> Iterator[Entry]:
        for name, meant in ((b".", path), (b"..", path.parent)):
            yield Entry(name, self._server.filesystem.peek(meant))
