"""An open file whose growth is paid for before it happens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Final

from conchgo.errors import ConchgoError, Failure, NotFound, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change
from conchgo.storage.arguments import check_changes, check_growth, check_range
from conchgo.storage.countable import CountableFile, CountableStorage
from conchgo.storage.interface import Attributes, FileStat, RangeCopies, Space
from conchgo.vfs.metering.meter import Meter
from conchgo.vfs.metering.quota_space import within_quota
from conchgo.vfs.range_copies import able

_ANYWHERE: Final = nullcontext()


class MeteredFile:
    """A `StorageFile` at `path` of `storage`.

    A write keeps the file to itself while it looks at its size and changes it, also where it stays inside: somebody
    might cut the file in between, and what the write then adds would be nobody's. Whoever grows a file that has left
    the storage, or has no name left, would pay for it at the wrong place or not at all: that is refused, and no
    directory moves meanwhile.
    """

    __slots__ = (
        "_file",
        "_meter",
        "_path",
        "_storage",
        "abandon",
        "append",
        "close",
        "close_now",
        "immediate",
        "pread",
        "preadv",
        "preadv_now",
        "pwritev",
        "pwritev_now",
        "set_attributes",
        "stat",
        "stat_now",
        "sync",
    )

    def __init__(
        self, file: CountableFile, storage: CountableStorage, path: VirtualPath, meter: Meter, *, write: bool
    ) -> None:
        self._file = file
        self._storage = storage
        self._path = path
        self._meter = meter
        self.immediate = file.immediate
        self.pread = file.pread
        self.preadv = file.preadv
        self.preadv_now = file.preadv_now
        self.stat = file.stat
        self.stat_now = file.stat_now
        self.sync = file.sync
        self.close = file.close
        self.close_now = file.close_now
        self.abandon = file.abandon
        self.pwritev: Callable[[Sequence[memoryview], int], None] = self._pwritev if write else file.pwritev
        self.pwritev_now = self._pwritev_now if write and file.immediate else file.pwritev_now
        self.append: Callable[..., None] = self._append if write else file.append
        self.set_attributes: Callable[[Attributes], None] = self._set_attributes if write else file.set_attributes

    def space(self) -> Space:
        return within_quota(self._file.space(), self._meter.ledger, self._meter.charge)

    def _pwritev(self, views: Sequence[memoryview], offset: int, *, at_once: bool = False) -> None:
        length = sum([view.nbytes for view in views])
        check_range(offset, length)
        with self._file.exclusively(at_once=at_once) as found:
            grow = offset + length - found.size if length else 0
            if grow <= 0:
                self._file.pwritev(views, offset)
                return
            # Not by way of `_counted`: most uploads are made of this.
            with self._staying(at_once=at_once):
                change = self._announced(found, grow, at_once=at_once)
                try:
                    self._file.pwritev(views, offset)
                except BaseException:
                    self._settle(change, found, grow)
                    raise
                change.done(found.identity, size=grow, files=0)

    def _pwritev_now(self, views: Sequence[memoryview], offset: int) -> bool:
        try:
            self._pwritev(views, offset, at_once=True)
        except WouldBlock:
            return False
        return True

    def copy_to(self, target: RangeCopies, offset: int, length: int, to: int) -> int:
        return able(self._file).copy_to(target, offset, length, to)

    def copy_from(self, source: RangeCopies, offset: int, length: int, to: int) -> int:
        file = able(self._file)
        check_range(to, length)
        with self._file.exclusively() as found:
            grow = to + length - found.size
            if grow <= 0:
                return file.copy_from(source, offset, length, to)
            with self._staying(at_once=False):
                change = self._announced(found, grow, at_once=False)
                try:
                    return file.copy_from(source, offset, length, to)
                finally:
                    # It may have been less.
                    self._settle(change, found, grow)

    def _append(self, data: memoryview, *, most: int | None = None) -> None:
        with self._file.exclusively() as found:
            check_growth(found.size, data.nbytes, most)
            self._counted(found, data.nbytes, partial(self._file.append, data), at_once=False)

    def _set_attributes(self, changes: Attributes) -> None:
        if changes.size is None:
            self._file.set_attributes(changes)
        else:
            self.resize(changes, changes.size, at_once=False)

    def resize(self, changes: Attributes, size: int, *, at_once: bool) -> None:
        """Make the changes, among them the size.

        Raises:
            WouldBlock: with `at_once`, where that has to wait.
        """
        check_changes(changes)
        with self._file.exclusively(at_once=at_once) as found:
            self._counted(found, size - found.size, partial(self._file.set_attributes, changes), at_once=at_once)

    def _counted(self, found: FileStat, grow: int, work: Callable[[], None], *, at_once: bool) -> None:
        """Do `work`, which adds so many bytes, if that can be paid; with a negative count it gives back."""
        if not grow or (grow < 0 and not found.nlink):
            work()
            return
        with self._staying(at_once=at_once):
            change = self._announced(found, grow, at_once=at_once)
            try:
                work()
            except BaseException:
                self._settle(change, found, grow)
                raise
            change.done(found.identity, size=grow, files=0)

    def _staying(self, *, at_once: bool) -> AbstractContextManager[object]:
        """Meanwhile no directory moves, and the file stays where it is charged."""
        return self._storage.still(alone=False, at_once=at_once) if self._meter.crossed else _ANYWHERE

    def _announced(self, found: FileStat, grow: int, *, at_once: bool) -> Change:
        if not found.nlink:
            raise NotFound("no such file or directory: the file was removed while it was open")
        if not self._storage.holds(self._file, self._path):
            raise Failure("the file was moved to another folder while it was open: open it there")
        return self._meter.change(
            self._meter.charge,
            self._path,
            identity=found.identity,
            before=found.size,
            grow=grow if grow > 0 else 0,
            at_once=at_once,
        )

    def _settle(self, change: Change, found: FileStat, grow: int) -> None:
        """What failed may have been done in part."""
        try:
            grown = self._file.stat().size - found.size
        except ConchgoError:
            grown = max(grow, 0)
        change.done(found.identity, size=grown, files=0)
