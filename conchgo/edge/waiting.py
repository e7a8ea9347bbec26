"""Waiting for time to pass, without a thread: for work that raises `conchgo.errors.NotBefore`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from conchgo.edge.pools import Runner
from conchgo.errors import Cancelled, NotBefore

P = ParamSpec("P")
T = TypeVar("T")


class Waits:
    """What waits on behalf of one client, until it is gone. `now` is the clock that NotBefore tells the time by."""

    __slots__ = ("_cancelled", "_clock", "_now", "_timers")

    def __init__(self, clock: IReactorTime, now: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._now = now
        # None in place of an empty one: that takes 64 bytes of each idle session.
        self._timers: dict[Deferred[None], IDelayedCall] | None = None
        self._cancelled = False

    def __len__(self) -> int:
        return len(self._timers or ())

    def until(self, at: float) -> Deferred[None]:
        """Fires at that time, or with Cancelled as soon as the client is gone."""
        if self._cancelled:
            return fail(Cancelled())
        done: Deferred[None] = Deferred()
        if self._timers is None:
            self._timers = {}
        self._timers[done] = self._clock.callLater(max(0.0, at - self._now()), self._passed, done)
        return done

    def cancel(self) -> None:
        """Nobody waits any more, now or later."""
        self._cancelled = True
        timers, self._timers = self._timers or {}, None
        for timer in timers.values():
            timer.cancel()
        for done in timers:
            done.errback(Cancelled())

    def _passed(self, done: Deferred[None]) -> None:
        if self._timers is not None:
            del self._timers[done]
        done.callback(None)


class PatientRunner:
    """A `Runner` that does work again when its time has come; until then it takes no thread."""

    __slots__ = ("_runner", "_waits")

    def __init__(self, runner: Runner, waits: Waits) -> None:
        self._runner = runner
        self._waits = waits

    def run(self, owner: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        working: Deferred[T] = self._runner.run(owner, work, *args, **kwargs)
        working.addErrback(self._later, owner, work, args, kwargs)
        return working

    def _later(self, failure: Failure, owner: str, work: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        wait = failure.value
        if not isinstance(wait, NotBefore):
            return failure
        return self._waits.until(wait.at).addCallback(lambda _: self.run(owner, work, *args, **kwargs))


class Line:
    """Work of one kind on one file. Once some of it must wait, what comes later waits behind it.

    So each of many requests is tried when it may succeed, and the one that the client wants first comes first.
    """

    __slots__ = ("_going", "_waiting", "_waits")

    def __init__(self, waits: Waits) -> None:
        self._waits: Final = waits
        # A list: it is short.
        self._waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self._going = False

    def do(self, work: Callable[[], T | Deferred[T]]) -> Deferred[T]:
        """What `work` returns or raises, as soon as its turn and its time have come."""
        done: Deferred[T] = Deferred()
        self._waiting.append((work, done))
        if len(self._waiting) == 1 and not self._going:
            self._go_on()
        return done

    def _go_on(self, _: object = None) -> None:
        self._going = True
        while self._waiting:
            work, done = self._waiting[0]
            try:
                result = work()
            except NotBefore as wait:
                self._waits.until(wait.at).addCallbacks(self._go_on, self._end)
                break
            except Exception:
                result = Failure()
            del self._waiting[0]
            _give(done, result)
        self._going = False

    def _end(self, failure: Failure) -> None:
        waiting, self._waiting = self._waiting, []
        for _, done in waiting:
            done.errback(failure)


def _give(done: Deferred[Any], result: Any) -> None:
    if isinstance(result, Deferred):
        result.chainDeferred(done)
    elif isinstance(result, Failure):
        done.errback(result)
    else:
        done.callback(result)
