"""Named, bounded thread pools that are fair to their users."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from conchgo.errors import Busy, ShuttingDown

P = ParamSpec("P")
T = TypeVar("T")

_Job = tuple["Deferred[Any]", Callable[[], Any]]

#: Of the threads, for one owner: who has long work never has them all.
_SHARE: Final = 1 / 2


class Runner(Protocol):
    """Somewhere to do work that may block."""

    def run(self, owner: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do `work` for `owner`; the Deferred fires in the reactor thread with what it returned or raised."""
        ...


class Inline:
    """Does the work at once, in the caller's thread: for storage that answers at once, and for tests."""

    def run(self, owner: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return maybeDeferred(work, *args, **kwargs)


class Pool:
    """At most `size` threads, at most half of them for one owner, whose work waits in order; owners take turns.

    All scheduling happens in the reactor thread, so there is nothing to lock. An owner with `queue_limit` jobs waiting
    gets Busy at once.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str, size: int, queue_limit: int = 1024) -> None:
        self._reactor = reactor
        self._threads = ThreadPool(minthreads=0, maxthreads=size, name=name)
        self._size = size
        self._queue_limit = queue_limit
        self._share = max(1, int(size * _SHARE))
        self._running = 0
        self._shares: Counter[str] = Counter()
        self._stopped = False
        self._waiting: OrderedDict[str, deque[_Job]] = OrderedDict()

    @property
    def running(self) -> int:
        """How many threads work right now."""
        return self._running

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return sum(len(jobs) for jobs in self._waiting.values())

    def start(self) -> None:
        self._threads.start()

    def stop(self) -> None:
        """Wait for running work, then end the threads. What still waits, and all later work, gets ShuttingDown."""
        if self._stopped:
            return
        self._stopped = True
        waiting, self._waiting = self._waiting, OrderedDict()
        for jobs in waiting.values():
            for done, _ in jobs:
                done.errback(ShuttingDown())
        self._threads.stop()

    def run(self, owner: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        if self._stopped:
            return fail(ShuttingDown())
        job: _Job = Deferred(), partial(work, *args, **kwargs)
        jobs = self._waiting.get(owner)
        if jobs is None and self._running < self._size and self._has_share(owner):
            self._start(owner, job)
        elif jobs is None:
            self._waiting[owner] = deque((job,))
        elif len(jobs) < self._queue_limit:
            jobs.append(job)
        else:
            return fail(Busy())
        return job[0]

    def _has_share(self, owner: str) -> bool:
        return self._shares[owner] < self._share

    def _start(self, owner: str, job: _Job) -> None:
        """A cancelled Deferred does not end the thread's work: that takes its place until it is done."""
        done, work = job
        self._running += 1
        self._shares[owner] += 1
        working: Deferred[Any] = deferToThreadPool(self._reactor, self._threads, work)
        working.addBoth(self._ended, owner).chainDeferred(done)

    def _ended(self, result: T, owner: str) -> T:
        self._running -= 1
        self._shares[owner] -= 1
        if not self._shares[owner]:
            del self._shares[owner]
        while self._running < self._size and (following := self._following()) is not None:
            jobs = self._waiting.pop(following)
            job = jobs.popleft()
            if jobs:
                self._waiting[following] = jobs
            if not job[0].called:
                self._start(following, job)
        return result

    def _following(self) -> str | None:
        """Whose turn it is."""
        return next(filter(self._has_share, self._waiting), None)
