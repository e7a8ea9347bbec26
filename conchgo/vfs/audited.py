"""Audit: every open, change and refusal of a session becomes an event."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from conchgo.errors import ConchgoError, NotFound, PermissionDenied
from conchgo.events.bus import Bus
from conchgo.events.records import Event, Origin
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes
from conchgo.vfs.interface import File, FileStat, Filesystem, Identity, Listing, OpenOptions, Space

T = TypeVar("T")

Publish = Callable[[Event], None]


class AuditedFile:
    """An open file that counts its bytes and tells them when it is closed."""

    def __init__(self, file: File, path: VirtualPath, origin: Origin, publish: Publish) -> None:
        self._file = file
        self._path = path
        self._origin = origin
        self._publish = publish
        self._opened = time.monotonic()
        self._counting = threading.Lock()
        self._read = 0
        self._written = 0
        self._failure: str | None = None
        self.stat = file.stat
        self.set_attributes = file.set_attributes

    def pread(self, length: int, offset: int) -> bytes:
        data = self._file.pread(length, offset)
        self._count(read=len(data))
        return data

    def preadv(self, views: Sequence[memoryview], offset: int) -> int:
        count = self._file.preadv(views, offset)
        self._count(read=count)
        return count

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        self._noting_failure(self._file.pwritev, views, offset)
        self._count(written=sum(map(len, views)))

    def append(self, data: memoryview) -> None:
        self._noting_failure(self._file.append, data)
        self._count(written=len(data))

    def sync(self) -> None:
        self._noting_failure(self._file.sync)

    def close(self) -> None:
        try:
            self._noting_failure(self._file.close)
        finally:
            self._publish(
                Event(
                    "close",
                    self._origin,
                    status="ok" if self._failure is None else "failed",
                    reason=self._failure,
                    path=self._path,
                    bytes_read=self._read,
                    bytes_written=self._written,
                    elapsed=time.monotonic() - self._opened,
                )
            )

    def _count(self, *, read: int = 0, written: int = 0) -> None:
        with self._counting:
            self._read += read
            self._written += written

    def _noting_failure(self, work: Callable[..., None], *args: object) -> None:
        try:
            work(*args)
        except ConchgoError as error:
            self._failure = error.text
            raise


class AuditedFilesystem:
    """A `Filesystem` whose every change, open and refusal is published."""

    def __init__(self, filesystem: Filesystem, origin: Origin, bus: Bus) -> None:
        self._filesystem = filesystem
        self._origin = origin
        self._publish = bus.publish

    @property
    def identity(self) -> Identity:
        return self._filesystem.identity

    @property
    def start(self) -> VirtualPath:
        return self._filesystem.start

    @property
    def immediate(self) -> bool:
        return self._filesystem.immediate

    def stat(self, path: VirtualPath) -> FileStat:
        return self._looked("stat", path, lambda: self._filesystem.stat(path))

    def lstat(self, path: VirtualPath) -> FileStat:
        return self._looked("stat", path, lambda: self._filesystem.lstat(path))

    def realpath(self, path: VirtualPath) -> VirtualPath:
        return self._filesystem.realpath(path)

    def open(self, path: VirtualPath, options: OpenOptions) -> File:
        file = self._done("open", path, lambda: self._filesystem.open(path, options))
        return AuditedFile(file, path, self._origin, self._publish)

    def scan(self, path: VirtualPath) -> Listing:
        return self._done("list", path, lambda: self._filesystem.scan(path))

    def mkdir(self, path: VirtualPath, mode: int | None = None) -> None:
        self._done("mkdir", path, lambda: self._filesystem.mkdir(path, mode))

    def rmdir(self, path: VirtualPath) -> None:
        self._done("rmdir", path, lambda: self._filesystem.rmdir(path))

    def remove(self, path: VirtualPath) -> None:
        self._done("remove", path, lambda: self._filesystem.remove(path))

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        self._done("rename", old, lambda: self._filesystem.rename(old, new, replace=replace), new)

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        self._done("setstat", path, lambda: self._filesystem.set_attributes(path, changes, link=link))

    def readlink(self, path: VirtualPath) -> bytes:
        return self._looked("readlink", path, lambda: self._filesystem.readlink(path))

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        self._done("symlink", path, lambda: self._filesystem.symlink(target, path))

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        self._done("hardlink", existing, lambda: self._filesystem.link(existing, new), new)

    def space(self, path: VirtualPath) -> Space:
        return self._looked("stat", path, lambda: self._filesystem.space(path))

    def _looked(self, action: str, path: VirtualPath, work: Callable[[], T]) -> T:
        """What only looks is told of when it is refused."""
        try:
            return work()
        except PermissionDenied as error:
            self._tell(action, path, error, None)
            raise

    def _done(self, action: str, path: VirtualPath, work: Callable[[], T], target: VirtualPath | None = None) -> T:
        try:
            result = work()
        except NotFound:
            raise
        except ConchgoError as error:
            self._tell(action, path, error, target)
            raise
        self._publish(Event(action, self._origin, path=path, target=target))
        return result

    def _tell(self, action: str, path: VirtualPath, error: ConchgoError, target: VirtualPath | None) -> None:
        status = "refused" if isinstance(error, PermissionDenied) else "failed"
        self._publish(Event(action, self._origin, status=status, reason=error.text, path=path, target=target))
