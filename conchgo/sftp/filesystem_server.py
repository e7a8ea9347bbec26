"""Serves the engine from a session's Filesystem: paths are made here, and blocking work goes to its thread."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from conchgo.edge.filesystem_work import FilesystemWork
from conchgo.edge.pieces import Pieces
from conchgo.edge.pools import Runner
from conchgo.edge.stream import Buffer
from conchgo.edge.waiting import Line
from conchgo.errors import ConchgoError, InvalidArgument, NotBefore, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.gathered_writes import GatheredWrites
from conchgo.sftp.longname import longname
from conchgo.sftp.rows import Name
from conchgo.sftp.server import Maybe, ServedDirectory, ServedFile
from conchgo.vfs.hashing import Hash, hash_part
from conchgo.vfs.interface import Attributes, Entry, File, FileStat, Filesystem, Listing, OpenOptions
from conchgo.vfs.range_copies import copy_part

if TYPE_CHECKING:
    from conchgo.sftp.rows import Row

P = ParamSpec("P")
T = TypeVar("T")

#: As OpenSSH sends: with names of 255 bytes a reply stays well below what clients take.
NAMES_PER_REPLY: Final = 100


class FilesystemServer(FilesystemWork):
    """A `conchgo.sftp.server.Server`."""

    __slots__ = ("_extensions",)

    def __init__(
        self,
        filesystem: Filesystem,
        runner: Runner,
        owner: str,
        extensions: Mapping[bytes, Row],
        clock: IReactorTime,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(filesystem, runner, owner, clock, now)
        self._extensions = extensions

    def extensions(self) -> Mapping[bytes, Row]:
        return self._extensions

    def open(self, path: bytes, flags: int, attributes: Attributes) -> Maybe[ServedFile]:
        virtual, options = self.path(path), open_options(flags, attributes)
        return self.run(lambda files: OpenedFile(self, files.open(virtual, options), options))

    def opendir(self, path: bytes) -> Maybe[ServedDirectory]:
        virtual = self.path(path)
        return self.run(lambda files: self._opened(files, virtual))

    def _opened(self, files: Filesystem, path: VirtualPath) -> OpenedDirectory:
        # Before the listing is opened, and told: these may say that they would wait.
        dots = [Entry(b".", files.peek(path)), Entry(b"..", files.peek(path.parent))]
        directory = OpenedDirectory(self, files.scan(path), dots, immediate=files is self._at_once)
        directory.read_ahead()
        return directory

    def stat(self, path: bytes) -> Maybe[bytes]:
        virtual = self.path(path)
        return self.run(lambda files: codec.stat_attributes(files.stat(virtual)))

    def lstat(self, path: bytes) -> Maybe[bytes]:
        virtual = self.path(path)
        return self.run(lambda files: codec.stat_attributes(files.lstat(virtual)))

    def setstat(self, path: bytes, changes: Attributes, *, link: bool = False) -> Maybe[None]:
        virtual = self.path(path)
        return self.run(lambda files: files.set_attributes(virtual, changes, link=link))

    def remove(self, path: bytes) -> Maybe[None]:
        virtual = self.path(path)
        return self.run(lambda files: files.remove(virtual))

    def mkdir(self, path: bytes, attributes: Attributes) -> Maybe[None]:
        virtual = self.path(path)
        return self.run(lambda files: files.mkdir(virtual, attributes.mode))

    def rmdir(self, path: bytes) -> Maybe[None]:
        virtual = self.path(path)
        return self.run(lambda files: files.rmdir(virtual))

    def realpath(self, path: bytes) -> Maybe[bytes]:
        virtual = self.path(path)
        return self.run(lambda files: bytes(files.realpath(virtual)))

    def rename(self, old: bytes, new: bytes, *, replace: bool = False) -> Maybe[None]:
        """Version 3 forbids that it replaces; posix-rename@openssh.com does."""
        source, target = self.path(old), self.path(new)
        return self.run(lambda files: files.rename(source, target, replace=replace))

    def readlink(self, path: bytes) -> Maybe[bytes]:
        virtual = self.path(path)
        return self.run(lambda files: files.readlink(virtual))

    def symlink(self, target: bytes, link: bytes) -> Maybe[None]:
        virtual = self.path(link)
        return self.run(lambda files: files.symlink(target, virtual))

    def link(self, existing: bytes, new: bytes) -> Maybe[None]:
        source, target = self.path(existing), self.path(new)
        return self.run(lambda files: files.link(source, target))

    def space(self, path: VirtualPath) -> Maybe[bytes]:
        return self.run(lambda files: codec.space(files.space(path)))


async def awaited(result: Maybe[T]) -> T:
    """What was known at once, or is known now."""
    return await result if isinstance(result, Deferred) else result


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

    def __init__(self, server: FilesystemServer, file: File, options: OpenOptions) -> None:
        self._server = server
        self._file = file
        self._writes = GatheredWrites(server.hop, file.pwritev, server.clock, file.portion)
        # From the first read on that must wait.
        self._line: Line | None = None
        self.appending = options.append

    def read(self, offset: int, length: int) -> Maybe[Buffer]:
        """At once what is in memory, else in a thread; and where that must wait, one after the other."""
        if self._line is None:
            try:
                return self._read(offset, length)
            except NotBefore:
                self._line = Line(self._server.waits)
        return self._line.do(partial(self._read, offset, length))

    def _read(self, offset: int, length: int) -> Maybe[Buffer]:
        data = bytearray(length)
        with memoryview(data) as view:
            count = self._file.preadv_now([view], offset)
        if count is None:
            return self._server.hop(self._file.pread, length, offset)
        # Cut, not only shown in part: who waits for a client holds no more than what he is to get.
        del data[count:]
        return data

    def read_now(self, offset: int, views: Sequence[memoryview]) -> int | None:
        return self._file.preadv_now(views, offset)

    def write(self, offset: int, data: Pieces, *, more: bool) -> Maybe[None]:
        """Opened for appending, the offset means nothing (draft-ietf-secsh-filexfer-02, 6.3)."""
        if self.appending:
            return self._server.hop(self._file.append, memoryview(bytes(data)))
        if self._file.immediate:
            try:
                if self._file.pwritev_now(data.views, offset):
                    return None
            except NotBefore:
                pass
        return self._writes.write(offset, data, more=more)

    def copy_to(self, target: OpenedFile, offset: int, length: int, to: int) -> Maybe[int]:
        """Copy a part, in a thread even where each call would answer at once: a long copy is many parts.

        Gives the count of bytes, which may be fewer, and is 0 only where this file ends.
        """
        return self._server.hop(self._copy_to, target, offset, length, to)

    def hash_part(self, digest: Hash, offset: int, length: int) -> Deferred[int]:
        """Add a part to a hash, in a thread; the count of bytes, as `copy_to`."""
        return self._server.hop(hash_part, self._file, digest, offset, length)

    def _copy_to(self, target: OpenedFile, offset: int, length: int, to: int) -> int:
        if not target.appending:
            return copy_part(self._file.inside, target._file.inside, offset, length, to)
        data = memoryview(self._file.inside.pread(length, offset))
        target._file.inside.append(data)
        return len(data)

    def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Maybe[T]:
        if self._file.immediate:
            try:
                return work(*args, **kwargs)
            except (WouldBlock, NotBefore):
                pass
        return self._server.hop(work, *args, **kwargs)

    def found(self) -> Maybe[FileStat]:
        """What `stat` tells, as it is known here."""
        known = self._file.stat_now()
        return self._server.hop(self._file.stat) if known is None else known

    def stat(self) -> Maybe[bytes]:
        known = self._file.stat_now()
        if known is not None:
            return codec.stat_attributes(known)
        return self._server.hop(lambda: codec.stat_attributes(self._file.stat()))

    def set_attributes(self, changes: Attributes) -> Maybe[None]:
        """In a thread where the size changes: what is cut off a large file must be freed."""
        run = self._run if changes.size is None else self._server.hop
        return run(self._file.set_attributes, changes)

    def sync(self) -> Maybe[None]:
        return self._server.hop(self._file.sync)

    def space(self) -> Maybe[bytes]:
        return self._server.hop(lambda: codec.space(self._file.space()))

    def close(self) -> Maybe[None]:
        return None if self._file.close_now() else self._server.close(self._file.close, self._file.abandon)

    def abandon(self) -> Maybe[None]:
        return self._server.close(self._file.abandon)


class OpenedDirectory:
    """A `ServedDirectory`: `dots` first, then the entries as the storage gives them.

    Where the storage may have to wait, the first names are read by the thread that opens it, and the last closes it: a
    short listing takes one way to a thread and back.
    """

    def __init__(self, server: FilesystemServer, listing: Listing, dots: Sequence[Entry], *, immediate: bool) -> None:
        self._server = server
        self._listing = listing
        self._entries = itertools.chain(dots, listing)
        self._immediate = immediate
        self._ahead: Sequence[Name] | ConchgoError | None = None
        self._ended = False

    def read_ahead(self) -> None:
        """What goes wrong is the answer to the first READDIR."""
        if self._immediate:
            return
        try:
            self._ahead = self._next_names()
        except ConchgoError as error:
            self._ahead = error

    def names(self) -> Maybe[Sequence[Name]]:
        ahead, self._ahead = self._ahead, None
        if isinstance(ahead, ConchgoError):
            raise ahead
        if ahead is not None:
            return ahead
        if self._ended:
            return ()
        return self._next_names() if self._immediate else self._server.hop(self._next_names)

    def close(self) -> Maybe[None]:
        if self._immediate:
            self._listing.close()
        return None if self._immediate or self._ended else self._server.close(self._listing.close)

    abandon = close

    def _next_names(self) -> Sequence[Name]:
        identity, now = self._server.filesystem.identity, time.time()
        names = [
            Name(entry.name, longname(entry.name, entry.stat, identity, now), codec.stat_attributes(entry.stat))
            for entry in itertools.islice(self._entries, NAMES_PER_REPLY)
        ]
        if len(names) < NAMES_PER_REPLY:
            self._ended = True
            self._listing.close()
        return names
