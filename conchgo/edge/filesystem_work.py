"""Work on a session's Filesystem: at once where that is possible, else in a thread, and when its time has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from conchgo.edge.pools import Runner
from conchgo.edge.waiting import PatientRunner, Waits
from conchgo.errors import Busy, Cancelled, NotBefore, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.vfs.interface import Filesystem

P = ParamSpec("P")
T = TypeVar("T")


class FilesystemWork:
    """Work for one client. `owner` is whose turn it is in the thread pool.

    What must wait for time to pass does so here, until the client is gone; `now` is the clock of NotBefore.
    """

    __slots__ = ("_at_once", "_owner", "_runner", "cancelled", "clock", "filesystem", "waits")

    def __init__(
        self,
        filesystem: Filesystem,
        runner: Runner,
        owner: str,
        clock: IReactorTime,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.filesystem = filesystem
        self.clock = clock
        self.waits = Waits(clock, now)
        self._runner = PatientRunner(runner, self.waits)
        self._owner = owner
        self._at_once = filesystem.at_once
        self.cancelled = False

    def path(self, raw: bytes) -> VirtualPath:
        """Raises InvalidPath."""
        return VirtualPath.parse(raw, self.filesystem.start)

    def run(self, work: Callable[[Filesystem], T]) -> T | Deferred[T]:
        """Ask what is known at once, and where that is not enough, ask again in a thread."""
        if self._at_once is not None:
            try:
                return work(self._at_once)
            except (WouldBlock, NotBefore):
                pass
        return self.hop(work, self.filesystem)

    def hop(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do what may block, in a thread, and when its time has come."""
        return self._runner.run(self._owner, work, *args, **kwargs)

    def close(self, close: Callable[[], None], abandon: Callable[[], None] | None = None) -> Deferred[None]:
        """Closing is never refused: where the pool takes no more work it is done here, for a wait is no leak.

        Where the client leaves while it waits for its time, `abandon` is done instead.
        """
        closed = self.hop(close).addErrback(close_now, close)
        return closed if abandon is None else closed.addErrback(self._left, abandon)

    def cancel(self) -> None:
        """The client is gone: nothing waits for its time any more."""
        self.cancelled = True
        self.waits.cancel()

    def _left(self, failure: Failure, abandon: Callable[[], None]) -> Deferred[None]:
        failure.trap(Cancelled)
        return self.close(abandon)


def close_now(refused: Failure, close: Callable[[], None]) -> None:
    """What a pool refused as Busy, done in this thread; other failures stay what they are."""
    refused.trap(Busy)
    close()
