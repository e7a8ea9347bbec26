"""An open file of the operating system."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from conchgo.errors import BadHandle, NoSpace, NotBefore, Unsupported, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.storage.arguments import PLAIN_MODE, check_changes, check_growth, check_range, is_within_reach
from conchgo.storage.beneath import Root
from conchgo.storage.countable import PAUSE, CountableFile
from conchgo.storage.interface import Attributes, FileStat, RangeCopies, Space
from conchgo.storage.local_attributes import asked_owner, asked_times, file_stat, space_found
from conchgo.storage.local_copy import copy_range
from conchgo.storage.oserrors import domain_error, translated
from conchgo.storage.patience import Patience
from conchgo.storage.residence import Residence

#: What /proc puts behind a path that is gone; a name may also end so.
_DELETED: Final = b" (deleted)"
_IOV_MAX: Final = os.sysconf("SC_IOV_MAX")
#: Seconds after which the kernel has long begun to write what was changed (half a minute: vm.dirty_expire_centisecs).
_SETTLED: Final = 60


#: What one session has found out is so for all.
_patience = Patience("the file is locked: another program on the server keeps it to itself, try again later")


class _Exclusive:
    """flock(2) keeps out other open files, wherever they are open; the mutex other threads with the same one."""

    __slots__ = ("_at_once", "_descriptor", "_mutex")

    def __init__(self, descriptor: int, mutex: threading.Lock, at_once: bool) -> None:
        self._descriptor = descriptor
        self._mutex = mutex
        self._at_once = at_once

    def __enter__(self) -> FileStat:
        if self._descriptor < 0:
            raise BadHandle
        if not self._mutex.acquire(blocking=False):
            raise self._later()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = file_stat(os.fstat(self._descriptor))
        except BlockingIOError:
            self._mutex.release()
            raise self._refused() from None
        except OSError as error:
            self._mutex.release()
            raise domain_error(error) from error
        if _patience:
            _patience.granted(found.identity)
        return found

    def __exit__(self, *_: object) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        finally:
            self._mutex.release()

    def _later(self) -> Exception:
        return WouldBlock() if self._at_once else NotBefore(time.monotonic() + PAUSE)

    def _refused(self) -> Exception:
        """Another open file has it, of whatever program."""
        if self._at_once:
            return WouldBlock()
        try:
            found = os.fstat(self._descriptor)
        except OSError as error:
            return domain_error(error)
        return _patience.refused((found.st_dev, found.st_ino))


class LocalFile:
    """A `CountableFile`; it owns the descriptor of a regular file."""

    __slots__ = ("_descriptor", "_mutex", "_residence", "_writable", "immediate")

    def __init__(self, descriptor: int, *, writable: bool, residence: Residence) -> None:
        self._descriptor = descriptor
        self._writable = writable
        self._residence = residence
        self._mutex = threading.Lock()
        self.immediate = residence is Residence.MEMORY

    def pread(self, length: int, offset: int) -> bytes:
        if not is_within_reach(offset, length):
            return b""
        try:
            data = os.pread(self._descriptor, length, offset)
            while data and len(data) < length:
                more = os.pread(self._descriptor, length - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise domain_error(error) from error
        return data

    def preadv_now(self, views: Sequence[memoryview], offset: int) -> int | None:
        """What the page cache holds: preadv2(2) with RWF_NOWAIT."""
        length = sum(map(len, views))
        if self.immediate or not is_within_reach(offset, length):
            return self.preadv(views, offset)
        try:
            count = os.preadv(self._descriptor, views, offset, os.RWF_NOWAIT)
            if count < length and offset + count < os.fstat(self._descriptor).st_size:
                return None
        except OSError:
            # It would wait, or the file system can't tell: a thread reads, and gets the error if it is one.
            return None
        return count

    def preadv(self, views: Sequence[memoryview], offset: int) -> int:
        if not is_within_reach(offset, sum(view.nbytes for view in views)):
            return 0
        return _transfer(os.preadv, self._descriptor, views, offset)

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        length = sum(view.nbytes for view in views)
        check_range(offset, length)
        if _transfer(os.pwritev, self._descriptor, views, offset) < length:
            raise NoSpace

    def pwritev_now(self, views: Sequence[memoryview], offset: int) -> bool:
        if self.immediate:
            self.pwritev(views, offset)
        return self.immediate

    def copy_to(self, target: RangeCopies, offset: int, length: int, to: int) -> int:
        return target.copy_from(self, offset, length, to)

    def copy_from(self, source: RangeCopies, offset: int, length: int, to: int) -> int:
        if not isinstance(source, LocalFile):
            raise Unsupported
        check_range(to, length)
        if not is_within_reach(offset, length):
            return 0
        return copy_range(source._descriptor, self._descriptor, offset, length, to)

    def append(self, data: memoryview, *, most: int | None = None) -> None:
        if most is not None:
            with self.exclusively() as found:
                check_growth(found.size, data.nbytes, most)
                self.append(data)
        elif _transfer(_append, self._descriptor, [data], 0) < data.nbytes:
            raise NoSpace

    def stat(self) -> FileStat:
        try:
            return file_stat(os.fstat(self._descriptor))
        except OSError as error:
            raise domain_error(error) from error

    def stat_now(self) -> FileStat | None:
        return None if self._residence is Residence.ELSEWHERE else self.stat()

    def set_attributes(self, changes: Attributes) -> None:
        check_changes(changes)
        if changes.size is not None and not self._writable:
            raise BadHandle("the file is not open for writing")
        with translated():
            if changes.size is not None:
                os.ftruncate(self._descriptor, changes.size)
            owner = asked_owner(changes)
            if owner:
                os.fchown(self._descriptor, *owner)
            if changes.mode is not None:
                os.fchmod(self._descriptor, changes.mode & PLAIN_MODE)
            times = asked_times(changes, os.fstat(self._descriptor))
            if times:
                os.utime(self._descriptor, ns=times)

    def space(self) -> Space:
        with translated():
            return space_found(os.fstatvfs(self._descriptor))

    def exclusively(self, *, at_once: bool = False) -> _Exclusive:
        return _Exclusive(self._descriptor, self._mutex, at_once)

    def real_path(self) -> bytes | None:
        """What became of the name it was opened by, renames included; None once that was removed. Raises OSError."""
        path = os.readlink(b"/proc/self/fd/%d" % self._descriptor)
        if path.endswith(_DELETED) and not self._is_at(path):
            return None
        return path

    def _is_at(self, path: bytes) -> bool:
        try:
            return os.path.samestat(os.lstat(path), os.fstat(self._descriptor))
        except FileNotFoundError:
            return False

    def sync(self) -> None:
        if self._descriptor < 0:
            raise BadHandle
        with translated():
            os.fsync(self._descriptor)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with translated():
                os.close(descriptor)

    abandon = close

    def close_now(self) -> bool:
        if self._descriptor >= 0 and not self._closes_at_once():
            return False
        self.close()
        return True

    def _closes_at_once(self) -> bool:
        """Whether there is nothing to do but to forget the descriptor.

        The last close of a removed file frees its blocks, and on a disk any close, a reader's too, may flush what
        others wrote after a truncation (ext4 and XFS do: 300 MiB took 44 ms). ctime tells of it, and nobody can set
        that.
        """
        if self._residence is Residence.ELSEWHERE or (self._writable and not self.immediate):
            return False
        found = os.fstat(self._descriptor)
        return found.st_nlink > 0 and (self.immediate or found.st_ctime + _SETTLED < time.time())


def is_held(file: CountableFile, root: Root, path: VirtualPath, lstat: Callable[[VirtualPath], FileStat]) -> bool:
    """As `Countable.holds`, of a storage with that root. Many writes ask."""
    if not isinstance(file, LocalFile):
        return False
    try:
        real = file.real_path()
        return real is not None and root.is_above(real)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise domain_error(error) from error
    # So deep that the kernel has no path for it.
    return lstat(path).identity == file.stat().identity


def _append(descriptor: int, views: Sequence[memoryview], _: int) -> int:
    # The kernel finds the end and writes there in one step, whoever else appends; the offset is not looked at.
    return os.pwritev(descriptor, views, 0, os.RWF_APPEND)


def _transfer(
    move: Callable[[int, Sequence[memoryview], int], int], descriptor: int, views: Sequence[memoryview], offset: int
) -> int:
    """Repeat `move` (descriptor, views, offset; the count of bytes) until all is done or it moves nothing."""
    left = views
    done = 0
    try:
        while left:
            moved = move(descriptor, left[:_IOV_MAX], offset + done)
            if not moved:
                break
            done += moved
            left = _behind(left, moved)
    except OSError as error:
        raise domain_error(error) from error
    return done


def _behind(views: Sequence[memoryview], count: int) -> Sequence[memoryview]:
    """What is left of the views behind their first `count` bytes."""
    for index, view in enumerate(views):
        if count < view.nbytes:
            return [view.cast("B")[count:], *views[index + 1 :]] if count else views[index:]
        count -= view.nbytes
    return []
