"""Named, bounded thread pools that are fair to their users."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

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


class _Worker(Thread):
    """A thread that does one job after the other, and gives each result to the reactor's thread.

    Twisted's own pool passes every job through a coordinator with locks: that costs three times as much.
    """

    def __init__(self, name: str, ended: Callable[[_Worker, Any], None], reactor: IReactorFromThreads) -> None:
        super().__init__(name=name)
        self._jobs: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._ended = ended
        self._reactor = reactor
        self.job: tuple[str, Deferred[Any]]

    def begin(self, owner: str, done: Deferred[Any], work: Callable[[], Any]) -> None:
        self.job = owner, done
        self._jobs.put(work)

    def end(self) -> None:
        """After what it does now."""
        self._jobs.put(None)

    def run(self) -> None:
        while (work := self._jobs.get()) is not None:
            self._reactor.callFromThread(self._ended, self, _result(work))
            # Nothing of a job lives on while the thread waits for the next.
            del work


def _result(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except BaseException:
        return Failure()


class Pool:
    """At most `size` threads, at most half of them for one owner, whose work waits in order; owners take turns.

    All scheduling happens in the reactor thread, so there is nothing to lock. An owner with `queue_limit` jobs waiting
    gets Busy at once. Threads are made when they are needed; the one that rested last works next, its caches are warm.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str, size: int, queue_limit: int = 1024) -> None:
        self._reactor = reactor
        self._name = name
        self._size = size
        self._queue_limit = queue_limit
        self._share = max(1, int(size * _SHARE))
        self._workers: list[_Worker] = []
        self._idle: list[_Worker] = []
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

    def stop(self) -> None:
        """Wait for running work, then end the threads. What still waits, and all later work, gets ShuttingDown."""
        if self._stopped:
            return
        self._stopped = True
        waiting, self._waiting = self._waiting, OrderedDict()
        for jobs in waiting.values():
            for done, _ in jobs:
                done.errback(ShuttingDown())
        for worker in self._workers:
            worker.end()
        for worker in self._workers:
            worker.join()

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
        try:
            worker = self._idle.pop() if self._idle else self._hired()
        except RuntimeError:
            # The system gives no more threads.
            job[0].errback(Busy())
            return
        self._running += 1
        self._shares[owner] += 1
        worker.begin(owner, *job)

    def _hired(self) -> _Worker:
        worker = _Worker(f"{self._name}-{len(self._workers)}", self._ended, self._reactor)
        worker.start()
        self._workers.append(worker)
        return worker

    def _ended(self, worker: _Worker, result: Any) -> None:
        owner, done = worker.job
        del worker.job
        self._idle.append(worker)
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
        done.callback(result)

    def _following(self) -> str | None:
        """Whose turn it is."""
        return next(filter(self._has_share, self._waiting), None)
