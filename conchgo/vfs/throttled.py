"""Bandwidth and transfer quotas: open files that say when they may be read or written, and how much."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, ParamSpec

from conchgo.errors import NotBefore, QuotaExceeded, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.quota.bandwidth import Turn
from conchgo.quota.throttles import Throttle, Way
from conchgo.vfs.interface import File, OpenOptions

P = ParamSpec("P")

#: Seconds of the bandwidth that one write to a file should carry.
_PORTION: Final = 0.1
#: Reads that wait for a thread are no more; what nobody came for in the end is forgotten.
_MOST_PAID: Final = 256

Opener = Callable[[VirtualPath, OpenOptions], File]


def throttled(open_file: Opener, throttle: Throttle, *, at_once: bool) -> Opener:
    """Open files so that all their transfers share `throttle`. With `at_once` opening raises WouldBlock.

    Whoever may transfer nothing more can't open a file for it: QuotaExceeded, before anything is created or truncated.
    """

    def open_throttled(path: VirtualPath, options: OpenOptions) -> File:
        way = throttle.upload if options.write else throttle.download
        way.allowance.require(at_once=at_once)
        return ThrottledFile(open_file(path, options), throttle)

    return open_throttled


class ThrottledFile:
    """An open file whose transfers share `throttle`.

    What must wait for its time raises NotBefore, what is more than the user may transfer QuotaExceeded. What is read
    counts when it is there; what is written counts also where writing fails, for it came here.
    """

    def __init__(self, file: File, throttle: Throttle) -> None:
        self._file = file
        self._down = _Meter(throttle.download)
        #: Offsets and lengths of reads that a thread is about to do.
        self._paid: set[tuple[int, int]] = set()
        self._up = _Meter(throttle.upload)
        rate = throttle.upload.bucket.rate
        self.portion = int(rate * _PORTION) or None
        self.immediate = False
        self.stat = file.stat
        self.stat_now = file.stat_now
        self.set_attributes = file.set_attributes
        self.space = file.space
        self.sync = file.sync
        self.abandon = file.abandon
        self.close = file.close
        self.close_now = file.close_now
        self.inside = file.inside
        self.limit_reached = file.limit_reached

    def pread(self, length: int, offset: int) -> bytes:
        count = 0
        self._begin_read(length, offset)
        try:
            data = self._file.pread(length, offset)
            self._down.moved(len(data))
            count = len(data)
            return data
        finally:
            self._down.not_moved(length - count)

    def preadv(self, views: Sequence[memoryview], offset: int) -> int:
        length, count = _size(views), 0
        self._begin_read(length, offset)
        try:
            found = self._file.preadv(views, offset)
            self._down.moved(found)
            count = found
            return found
        finally:
            self._down.not_moved(length - count)

    def preadv_now(self, views: Sequence[memoryview], offset: int) -> int | None:
        """Raises NotBefore too, so that nobody takes a thread to find that out."""
        length = _size(views)
        self._begin_read(length, offset)
        found: int | None = 0
        try:
            found = self._file.preadv_now(views, offset)
            if found:
                self._down.moved(found, at_once=True)
        except WouldBlock:
            found = None
        except BaseException:
            self._down.not_moved(length)
            raise
        if found is None:
            # The caller takes a thread now: it need not wait there, and others know that they must.
            self._paid.add((offset, length))
        else:
            self._down.not_moved(length - found)
        return found

    def _begin_read(self, length: int, offset: int) -> None:
        """Raises NotBefore."""
        try:
            self._paid.remove((offset, length))
        except KeyError:
            if len(self._paid) > _MOST_PAID:
                self._paid.clear()
            self._down.begin(length)

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        self._write(_size(views), self._file.pwritev, views, offset)

    def pwritev_now(self, views: Sequence[memoryview], offset: int) -> bool:
        return False

    def append(self, data: memoryview, *, most: int | None = None) -> None:
        self._write(data.nbytes, self._file.append, data, most=most)

    def _write(self, count: int, write: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        self._up.begin(count)
        try:
            self._up.moved(count)
        except QuotaExceeded as error:
            self._up.not_moved(count)
            raise self._file.limit_reached(error) from error
        except BaseException:
            self._up.not_moved(count)
            raise
        try:
            write(*args, **kwargs)
        except NotBefore:
            # It will be asked again.
            self._up.undo(count)
            raise


class _Meter:
    """One direction of one open file."""

    __slots__ = ("_turn", "_way")

    def __init__(self, way: Way) -> None:
        self._way = way
        self._turn = Turn()

    def begin(self, count: int) -> None:
        """Raises NotBefore."""
        self._way.bucket.take(count, self._turn)

    def moved(self, count: int, *, at_once: bool = False) -> None:
        """Raises as `Allowance.spend`."""
        self._way.allowance.spend(count, at_once=at_once)

    def not_moved(self, count: int) -> None:
        """So many of those it began with."""
        self._way.bucket.give_back(count)

    def undo(self, count: int) -> None:
        self._way.allowance.give_back(count)
        self._way.bucket.give_back(count)


def _size(views: Sequence[memoryview]) -> int:
    return sum(view.nbytes for view in views)
