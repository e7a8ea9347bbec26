"""Named, bounded thread pools that are fair to their users."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from conchgo.errors import Busy

P = ParamSpec("P")
T = TypeVar("T")

_Job = tuple["Deferred[Any]", Callable[[], Any]]


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
    """At most `size` threads; work of one owner waits in order, and owners take turns.

    All scheduling happens in the reactor thread, so there is nothing to lock. An owner with `queue_limit` jobs waiting
    gets Busy at once.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str, size: int, queue_limit: int = 1024) -> None:
        self._reactor = reactor
        self._threads = ThreadPool(minthreads=0, maxthreads=size, name=name)
        self._size = size
        self._queue_limit = queue_limit
        self._running = 0
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
        """Wait for running work, then end the threads; what still waits is cancelled."""
        waiting, self._waiting = self._waiting, OrderedDict()
        for jobs in waiting.values():
            for done, _ in jobs:
                done.cancel()
        self._threads.stop()

    def run(self, owner: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        jobs = self._waiting.get(owner)
        if jobs is None:
            if self._running < self._size:
                return self._start(work, args, kwargs)
            jobs = self._waiting[owner] = deque()
        elif len(jobs) >= self._queue_limit:
            return fail(Busy())
        done: Deferred[T] = Deferred()
        jobs.append((done, lambda: work(*args, **kwargs)))
        return done

    def _start(self, work: Callable[..., T], args: Any = (), kwargs: Any = {}) -> Deferred[T]:  # noqa: B006
        self._running += 1
        done: Deferred[T] = deferToThreadPool(self._reactor, self._threads, work, *args, **kwargs)
        return done.addBoth(self._ended)

    def _ended(self, result: T) -> T:
        self._running -= 1
        while self._waiting and self._running < self._size:
            owner, jobs = self._waiting.popitem(last=False)
            done, work = jobs.popleft()
            if jobs:
                self._waiting[owner] = jobs
            if not done.called:
                self._start(work).chainDeferred(done)
        return result
