"""For coroutines that wait until something has changed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred


class Bell:
    """Who waits looks again each time it rings. For the reactor thread."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return as soon as that is so, whoever made it so having rung."""
        while not is_so():
            rung: Deferred[None] = Deferred()
            self._waiting.append(rung)
            await rung

    def ring(self) -> None:
        waiting, self._waiting = self._waiting, []
        for rung in waiting:
            rung.callback(None)
