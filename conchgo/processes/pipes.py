"""Our ends of a program's pipes. They never block, and read straight into buffers of the channel.

Twisted's own copy each 8 KiB twice, and can't be read into views.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from conchgo.edge.bell import Bell
from conchgo.edge.pieces import ByteQueue, Pieces
from conchgo.edge.stream import Buffer

#: Bytes that the kernel keeps in a pipe, where a user has not too many of them.
_CAPACITY: Final = 256 * 1024
#: Bytes that wait for a program; above that the client waits.
_BACKLOG: Final = 256 * 1024
#: Buffers that one system call takes (IOV_MAX).
_MOST_VIEWS: Final = 1024


def pipe() -> tuple[int, int]:
    """The ends for reading and for writing, close-on-exec. Raises OSError."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    with suppress(OSError):
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _CAPACITY)
    return reading, writing


class _End:
    """What the reactor wants of a descriptor. `descriptor` is ours from now on."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._reactor = reactor
        self._descriptor = descriptor
        self._bell = Bell()

    @property
    def closed(self) -> bool:
        return self._descriptor < 0

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "a program's pipe"

    def close(self) -> None:
        """Idempotent. Whoever waits for it hears of it."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            os.close(self._descriptor)
            self._descriptor = -1
            self._bell.ring()


@implementer(IReadDescriptor)
class Outlet(_End):
    """What a program writes."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        super().__init__(reactor, descriptor)
        self._ready = True
        self._finished = False

    async def ready(self) -> bool:
        """Wait until there is something to read, or the program has closed it; False where it is closed here."""
        if not self._ready and not self.closed:
            self._reactor.addReader(self)
            await self._bell.until(lambda: self._ready or self.closed)
        return not self.closed

    def read(self, most: int) -> bytes | None:
        """Some bytes, none at the end; None: nothing is there now, wait until it is `ready`."""
        try:
            return os.read(self._descriptor, most)
        except BlockingIOError:
            self._ready = self._finished
            return b"" if self._finished else None

    def read_into(self, views: Sequence[memoryview]) -> int | None:
        """The same, into views: how many bytes."""
        try:
            return os.readv(self._descriptor, views)
        except BlockingIOError:
            self._ready = self._finished
            return 0 if self._finished else None

    def finish(self) -> None:
        """What is there now is all: its end is the end."""
        self._finished = True
        if not self.closed:
            self.doRead()

    def doRead(self) -> None:
        self._reactor.removeReader(self)
        self._ready = True
        self._bell.ring()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has seen that nobody writes any more."""
        if not self.closed:
            self.doRead()


@implementer(IWriteDescriptor)
class Inlet(_End):
    """What a program reads. What it does not read any more is dropped."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        super().__init__(reactor, descriptor)
        self._queue = ByteQueue()
        #: Taken from the queue, and not written yet.
        self._first = Pieces()
        self._ends = False

    def write(self, data: Sequence[Buffer]) -> None:
        """Always taken; wait for `room` before making more."""
        if self.closed or self._ends:
            return
        for part in data:
            self._queue.append(part)
        self._flush()

    async def room(self) -> None:
        await self._bell.until(lambda: self.closed or self._backlog < _BACKLOG)

    def end(self) -> None:
        """The program reads the end of file after what was written."""
        self._ends = True
        self._flush()

    def doWrite(self) -> None:
        self._reactor.removeWriter(self)
        self._flush()
        self._bell.ring()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has seen that nobody reads any more."""
        self.close()

    @property
    def _backlog(self) -> int:
        return len(self._first) + len(self._queue)

    def _flush(self) -> None:
        while not self.closed and self._backlog:
            if not self._first:
                self._first = self._queue.take(_BACKLOG)
            try:
                written = os.writev(self._descriptor, self._first.views[:_MOST_VIEWS])
            except BlockingIOError:
                self._reactor.addWriter(self)
                return
            except BrokenPipeError:
                self.close()
                return
            self._first = Pieces(_without(self._first.views, written))
        if self._ends:
            self.close()


def _without(views: Sequence[memoryview], count: int) -> list[memoryview]:
    """What is left after the first bytes."""
    left = []
    for view in views:
        if count < len(view):
            left.append(view[count:])
        count = max(0, count - len(view))
    return left
