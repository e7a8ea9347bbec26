"""Which programs run in this process right now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet.defer import Deferred, succeed

from conchgo.processes.guard import Guard


class Running:
    """Knows them from the place that they are given until all is settled. For the reactor thread."""

    def __init__(self) -> None:
        self._guards: set[Guard] = set()
        self._begun = 0
        self._ended: Deferred[None] | None = None

    def __len__(self) -> int:
        return len(self._guards)

    def begin(self) -> None:
        self._begun += 1

    def end(self) -> None:
        self._begun -= 1
        if not self._begun and self._ended is not None:
            ended, self._ended = self._ended, None
            ended.callback(None)

    @contextmanager
    def guarded(self, guard: Guard) -> Iterator[None]:
        """While it works."""
        self._guards.add(guard)
        try:
            yield
        finally:
            self._guards.discard(guard)

    # As a task of the server

    def start(self) -> None:
        """Nothing is to be done before somebody comes."""

    def stop(self) -> Deferred[None]:
        """End all, and wait until it is settled."""
        for guard in list(self._guards):
            guard.stop("the service is shutting down")
        if not self._begun:
            return succeed(None)
        self._ended = Deferred()
        return self._ended
