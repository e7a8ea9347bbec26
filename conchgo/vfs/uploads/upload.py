"""Files that are open to be written, and what becomes of them where an upload fails.

The first failure ends an upload: what comes after it would go into a file that lacks something, so it is refused with
the same words, and nobody takes the result for a whole file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from conchgo.errors import ConchgoError, Failure, QuotaExceeded, Unsupported
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, RangeCopies, StorageFile
from conchgo.vfs.range_copies import able
from conchgo.vfs.uploads.rules import UploadRules


class Upload:
    """A `StorageFile` that keeps to the largest size allowed, and whose times, once they are set, hold after its end.

    `path` is what the session calls it now.
    """

    __slots__ = (
        "_ended",
        "_failure",
        "_file",
        "_rules",
        "_times",
        "_touched",
        "_written",
        "immediate",
        "path",
        "pread",
        "preadv",
        "preadv_now",
        "space",
        "stat",
        "stat_now",
    )

    def __init__(self, file: StorageFile, path: VirtualPath, rules: UploadRules) -> None:
        self.path = path
        self._file = file
        self._rules = rules
        self._failure: QuotaExceeded | Failure | None = None
        self._times: Attributes | None = None
        self._written = False
        self._touched = False
        self._ended = False
        self.pread = file.pread
        self.preadv = file.preadv
        self.preadv_now = file.preadv_now
        self.stat = file.stat
        self.stat_now = file.stat_now
        self.space = file.space
        self.immediate = file.immediate

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        self._write(self._file.pwritev, views, offset)

    def pwritev_now(self, views: Sequence[memoryview], offset: int) -> bool:
        return self.immediate and self._write(self._file.pwritev_now, views, offset) is not False

    def _write(
        self, write: Callable[[Sequence[memoryview], int], bool | None], views: Sequence[memoryview], offset: int
    ) -> bool | None:
        end = offset + sum([view.nbytes for view in views])
        try:
            self._begin(offset)
            if self._rules.max_size is not None:
                self._rules.require(end, self._file.stat)
            done = write(views, offset)
        except ConchgoError as error:
            raise self._failed(error) from error
        if done is not False:
            self._wrote(end)
        return done

    def limit_reached(self, error: QuotaExceeded) -> ConchgoError:
        """As `conchgo.vfs.interface.File.limit_reached`."""
        return self._failed(error)

    def append(self, data: memoryview, *, most: int | None = None) -> None:
        limits = [limit for limit in (most, self._rules.max_size) if limit is not None]
        try:
            self._begin(None)
            self._file.append(data, most=min(limits, default=None))
        except ConchgoError as error:
            raise self._failed(error) from error
        self._appended(data.nbytes)

    def copy_to(self, target: RangeCopies, offset: int, length: int, to: int) -> int:
        return able(self._file).copy_to(target, offset, length, to)

    def copy_from(self, source: RangeCopies, offset: int, length: int, to: int) -> int:
        file = able(self._file)
        try:
            self._begin(to)
            if self._rules.max_size is not None:
                self._rules.require(to + length, self._file.stat)
            count = file.copy_from(source, offset, length, to)
        except Unsupported:
            raise
        except ConchgoError as error:
            raise self._failed(error) from error
        if count:
            self._wrote(to + count)
        return count

    def sync(self) -> None:
        self._file.sync()

    def set_attributes(self, changes: Attributes) -> None:
        if changes.size is not None:
            self._rules.require(changes.size, self._file.stat)
        self._file.set_attributes(changes)
        if changes.size is not None:
            self._resized(changes.size)
        self.remember_times(changes)

    def remember_times(self, changes: Attributes) -> None:
        """The client has set them: what it still writes must not change them again."""
        if changes.atime is not None or changes.mtime is not None:
            self._times = Attributes(atime=changes.atime, mtime=changes.mtime)
            self._touched = False

    @property
    def _times_are_lost(self) -> bool:
        return self._times is not None and self._touched

    def _restore_times(self) -> None:
        if self._times is not None and self._touched:
            with suppress(ConchgoError):
                self._file.set_attributes(self._times)

    def _begin(self, offset: int | None) -> None:
        """Before a write at `offset`, or (None) at the end: refuse it where the upload has failed."""
        if self._failure is not None:
            raise again(self._failure)

    def _failed(self, error: ConchgoError) -> ConchgoError:
        """What the client is told of a write that failed."""
        raise NotImplementedError

    def _wrote(self, end: int) -> None:
        self._written = self._touched = True

    def _appended(self, length: int) -> None:
        self._written = self._touched = True

    def _resized(self, size: int) -> None:
        self._touched = True


def again(error: QuotaExceeded | Failure) -> ConchgoError:
    """A new one with the same words: one that is raised again and again would gather tracebacks."""
    return type(error)(error.text)
