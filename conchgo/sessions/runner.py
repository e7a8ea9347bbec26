"""The work of one session in a shared thread pool, counted, so that nothing is closed under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from twisted.internet.defer import Deferred

from conchgo.edge.pools import Runner

P = ParamSpec("P")
T = TypeVar("T")


class SessionRunner:
    """A `Runner` that knows when none of its session's work is left."""

    __slots__ = ("_at_end", "_pending", "_runner")

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._pending = 0
        self._at_end: Callable[[], None] | None = None

    def run(self, owner: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        self._pending += 1
        done: Deferred[T] = Deferred()
        working: Deferred[T] = self._runner.run(owner, work, *args, **kwargs)
        # Cancelling `done` does not end the work. What the result brings about (closing a file) still counts.
        working.chainDeferred(done)
        working.addBoth(self._ended)
        return done

    def hold(self) -> None:
        """There is more to come, though nothing works just now."""
        self._pending += 1

    def release(self) -> None:
        """Nothing more is to come of what held it."""
        self._ended(None)

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call once, as soon as no work is left: now, perhaps."""
        self._at_end = call
        self._check()

    def _ended(self, _: object) -> None:
        self._pending -= 1
        self._check()

    def _check(self) -> None:
        if not self._pending and self._at_end is not None:
            call, self._at_end = self._at_end, None
            call()
