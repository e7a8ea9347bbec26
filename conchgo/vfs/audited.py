"""Audit: every open, change and refusal of a session becomes an event."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

from conchgo.errors import ConchgoError, NotBefore, NotFound, PermissionDenied, QuotaExceeded, Unsupported, WouldBlock
from conchgo.events.records import Event, Origin
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, RangeCopies
from conchgo.vfs.interface import File, FileStat, Inside, Listing, OpenOptions, Space
from conchgo.vfs.session import SessionFilesystem
from conchgo.vfs.throttled import Opener

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Audit:
    """Publishes what comes of a session's requests."""

    origin: Origin
    publish: Callable[[Event], None]

    def looked(self, action: str, path: VirtualPath, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What only looks is told of when it is refused."""
        try:
            return work(*args, **kwargs)
        except PermissionDenied as error:
            self.tell(action, path, error)
            raise

    def done(self, action: str, path: VirtualPath, work: Callable[[], T], target: VirtualPath | None = None) -> T:
        """What changes or gives access is told of in any case, but for what is not there, or is still to be asked."""
        try:
            result = work()
        except (NotFound, WouldBlock, NotBefore):
            raise
        except Exception as error:
            self.tell(action, path, error, target)
            raise
        self.publish(Event(action, self.origin, path=path, target=target))
        return result

    def tell(self, action: str, path: VirtualPath, error: Exception, target: VirtualPath | None = None) -> None:
        status = "refused" if isinstance(error, PermissionDenied) else "failed"
        self.publish(Event(action, self.origin, status=status, reason=_reason(error), path=path, target=target))


def _reason(error: Exception) -> str:
    """Errors of our own never show a real path; of others that is not known."""
    return error.text if isinstance(error, ConchgoError) else "internal error"


class AuditedFile:
    """An open file that counts its bytes and tells them when it is closed."""

    def __init__(self, file: File, path: VirtualPath, audit: Audit) -> None:
        self._file = file
        self._path = path
        self._audit = audit
        self._opened = time.monotonic()
        self._lock = threading.Lock()
        self._read = 0
        self._written = 0
        self._failure: str | None = None
        self._refused = False
        self._closed = False
        self.stat = file.stat
        self.stat_now = file.stat_now
        self.immediate = file.immediate
        self.portion = file.portion

    def limit_reached(self, error: QuotaExceeded) -> ConchgoError:
        return self._file.limit_reached(error)

    @property
    def inside(self) -> Inside:
        return _AuditedInside(self, self._file.inside)

    def pread(self, length: int, offset: int) -> bytes:
        data = self._noting(self._file.pread, length, offset)
        self._count(read=len(data))
        return data

    def preadv_now(self, views: Sequence[memoryview], offset: int) -> int | None:
        count = self._noting(self._file.preadv_now, views, offset)
        if count:
            self._count(read=count)
        return count

    def preadv(self, views: Sequence[memoryview], offset: int) -> int:
        count = self._noting(self._file.preadv, views, offset)
        self._count(read=count)
        return count

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        self._noting(self._file.pwritev, views, offset)
        self._count(written=sum(view.nbytes for view in views))

    def pwritev_now(self, views: Sequence[memoryview], offset: int) -> bool:
        done = self._noting(self._file.pwritev_now, views, offset)
        if done:
            self._count(written=sum(view.nbytes for view in views))
        return done

    def append(self, data: memoryview, *, most: int | None = None) -> None:
        self._noting(self._file.append, data, most=most)
        self._count(written=data.nbytes)

    def set_attributes(self, changes: Attributes) -> None:
        self._audit.done("setstat", self._path, lambda: self._file.set_attributes(changes))

    def space(self) -> Space:
        return self._audit.looked("stat", self._path, self._file.space)

    def sync(self) -> None:
        self._noting(self._file.sync)

    def close(self) -> None:
        self._end(self._file.close)

    def close_now(self) -> bool:
        if self._closed:
            return True
        if not self._noting(self._file.close_now):
            return False
        self._closed = True
        self._tell_closed()
        return True

    def abandon(self) -> None:
        self._failure = self._failure or "the client left before it closed the file"
        self._end(self._file.abandon)

    def _end(self, close: Callable[[], None]) -> None:
        with self._lock:
            closed, self._closed = self._closed, True
        if closed:
            return
        try:
            self._noting(close)
        except NotBefore:
            # It is still open.
            self._closed = False
            raise
        finally:
            if self._closed:
                self._tell_closed()

    def _tell_closed(self) -> None:
        self._audit.publish(
            Event(
                "close",
                self._audit.origin,
                status="ok" if self._failure is None else "failed",
                reason=self._failure,
                path=self._path,
                bytes_read=self._read,
                bytes_written=self._written,
                elapsed=time.monotonic() - self._opened,
            )
        )

    def _count(self, *, read: int = 0, written: int = 0) -> None:
        with self._lock:
            self._read += read
            self._written += written

    def _noting(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Remember a failure for the end. A refusal lost no data: it is told of at once, the first time."""
        try:
            return work(*args, **kwargs)
        except PermissionDenied as error:
            with self._lock:
                told, self._refused = self._refused, True
            if not told:
                self._audit.tell("open", self._path, error)
            raise
        except (WouldBlock, NotBefore, Unsupported):
            # Nothing was done, and nothing lost.
            raise
        except Exception as error:
            self._failure = _reason(error)
            raise


class _AuditedInside:
    """What is read and written inside the server counts as a part of `file`."""

    __slots__ = ("_file", "_inside")

    def __init__(self, file: AuditedFile, inside: Inside) -> None:
        self._file = file
        self._inside = inside

    def pread(self, length: int, offset: int) -> bytes:
        data = self._file._noting(self._inside.pread, length, offset)
        self._file._count(read=len(data))
        return data

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        self._file._noting(self._inside.pwritev, views, offset)
        self._file._count(written=sum(view.nbytes for view in views))

    def copy_to(self, target: RangeCopies, offset: int, length: int, to: int) -> int:
        # What goes wrong is the target's.
        count = self._inside.copy_to(target, offset, length, to)
        self._file._count(read=count)
        return count

    def copy_from(self, source: RangeCopies, offset: int, length: int, to: int) -> int:
        count = self._file._noting(self._inside.copy_from, source, offset, length, to)
        self._file._count(written=count)
        return count

    def append(self, data: memoryview) -> None:
        self._file._noting(self._inside.append, data)
        self._file._count(written=data.nbytes)


class AuditedFilesystem:
    """A `Filesystem` whose every change, open and refusal is published; `at_once` is another one.

    `opens` opens its files, where the filesystem does not do so itself.
    """

    __slots__ = ("_audit", "_filesystem", "_opens", "at_once", "identity", "start")

    def __init__(
        self,
        filesystem: SessionFilesystem,
        audit: Audit,
        at_once: AuditedFilesystem | None = None,
        opens: Opener | None = None,
    ) -> None:
        self._filesystem = filesystem
        self._opens = opens
        self._audit = audit
        self.identity = filesystem.identity
        self.start = filesystem.start
        self.at_once = at_once

    @property
    def inside(self) -> AuditedFilesystem:
        return AuditedFilesystem(self._filesystem.unfollowing(), self._audit)

    def speaking(self, protocol: str) -> AuditedFilesystem:
        audit = replace(self._audit, origin=replace(self._audit.origin, protocol=protocol))
        at_once = None if self.at_once is None else self.at_once.speaking(protocol)
        return AuditedFilesystem(self._filesystem, audit, at_once, self._opens)

    def stat(self, path: VirtualPath) -> FileStat:
        return self._audit.looked("stat", path, self._filesystem.stat, path)

    def lstat(self, path: VirtualPath) -> FileStat:
        return self._audit.looked("stat", path, self._filesystem.lstat, path)

    def peek(self, path: VirtualPath) -> FileStat | None:
        return self._filesystem.peek(path)

    def realpath(self, path: VirtualPath) -> VirtualPath:
        return self._filesystem.realpath(path)

    def require(self, verb: str, path: VirtualPath) -> VirtualPath:
        return self._audit.looked(verb, path, self._filesystem.require, verb, path)

    def open(self, path: VirtualPath, options: OpenOptions) -> File:
        opens = self._opens or self._filesystem.open
        file = self._audit.done("open", path, lambda: opens(path, options))
        return AuditedFile(file, path, self._audit)

    def scan(self, path: VirtualPath) -> Listing:
        return self._audit.done("list", path, lambda: self._filesystem.scan(path))

    def mkdir(self, path: VirtualPath, mode: int | None = None) -> None:
        self._audit.done("mkdir", path, lambda: self._filesystem.mkdir(path, mode))

    def rmdir(self, path: VirtualPath) -> None:
        self._audit.done("rmdir", path, lambda: self._filesystem.rmdir(path))

    def remove(self, path: VirtualPath) -> None:
        self._audit.done("remove", path, lambda: self._filesystem.remove(path))

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        self._audit.done("rename", old, lambda: self._filesystem.rename(old, new, replace=replace), new)

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        self._audit.done("setstat", path, lambda: self._filesystem.set_attributes(path, changes, link=link))

    def readlink(self, path: VirtualPath) -> bytes:
        return self._audit.looked("readlink", path, self._filesystem.readlink, path)

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        meant = VirtualPath.parse(target, path.parent)
        self._audit.done("symlink", path, lambda: self._filesystem.symlink(target, path), meant)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        self._audit.done("hardlink", existing, lambda: self._filesystem.link(existing, new), new)

    def space(self, path: VirtualPath) -> Space:
        return self._audit.looked("stat", path, self._filesystem.space, path)
