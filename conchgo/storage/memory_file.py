"""An open file in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock

from conchgo.errors import BadHandle, NotBefore, WouldBlock
from conchgo.storage.arguments import check_changes, check_growth, check_range, is_within_reach
from conchgo.storage.countable import PAUSE
from conchgo.storage.interface import Attributes, FileStat, Space
from conchgo.storage.memory_tree import Budget, Node


class MemoryFile:
    """A `CountableFile`; lock, budget and clock are its storage's."""

    def __init__(
        self, node: Node, lock: RLock, budget: Budget, now: Callable[[], int], *, read: bool, write: bool
    ) -> None:
        self._node = node
        self._lock = lock
        self._budget = budget
        self._now = now
        self._read = read
        self._write = write
        self._open = True
        node.handles += 1

    def pread(self, length: int, offset: int) -> bytes:
        found = is_within_reach(offset, length)
        with self._lock:
            self._check(self._read)
            return bytes(self._node.data[offset : offset + length]) if found else b""

    @property
    def immediate(self) -> bool:
        return True

    def preadv(self, views: Sequence[memoryview], offset: int) -> int:
        is_within_reach(offset, 0)
        done = 0
        with self._lock:
            self._check(self._read)
            for view in views:
                start = offset + done
                data = self._node.data[start : start + view.nbytes]
                view.cast("B")[: len(data)] = data
                done += len(data)
        return done

    def preadv_now(self, views: Sequence[memoryview], offset: int) -> int | None:
        return self.preadv(views, offset)

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        data = b"".join(views)
        check_range(offset, len(data))
        with self._lock:
            self._check(self._write)
            self._put(data, offset)

    def pwritev_now(self, views: Sequence[memoryview], offset: int) -> bool:
        self.pwritev(views, offset)
        return True

    def append(self, data: memoryview, *, most: int | None = None) -> None:
        with self._lock:
            self._check(self._write)
            check_growth(len(self._node.data), data.nbytes, most)
            self._put(bytes(data), len(self._node.data))

    def stat(self) -> FileStat:
        with self._lock:
            self._check(True)
            return self._node.stat()

    stat_now = stat

    def set_attributes(self, changes: Attributes) -> None:
        check_changes(changes)
        with self._lock:
            self._check(self._write or changes.size is None)
            if changes.size is not None:
                self._budget.resize(self._node, changes.size, self._now())
            self._node.apply(changes)

    @contextmanager
    def exclusively(self, *, at_once: bool = False) -> Iterator[FileStat]:
        self._check(True)
        if not self._node.mutex.acquire(blocking=False):
            raise WouldBlock if at_once else NotBefore(time.monotonic() + PAUSE)
        try:
            yield self.stat()
        finally:
            self._node.mutex.release()

    def space(self) -> Space:
        with self._lock:
            self._check(True)
            return self._budget.space()

    def sync(self) -> None:
        self._check(True)

    def close(self) -> None:
        with self._lock:
            if self._open:
                self._open = False
                self._node.handles -= 1
                self._budget.release(self._node)

    abandon = close

    def close_now(self) -> bool:
        self.close()
        return True

    def _check(self, allowed: bool) -> None:
        if not (self._open and allowed):
            raise BadHandle

    def _put(self, data: bytes, offset: int) -> None:
        if not data:
            return
        end = offset + len(data)
        if end > len(self._node.data):
            self._budget.resize(self._node, end, self._now())
        self._node.data[offset:end] = data
        self._node.mtime = self._now()
