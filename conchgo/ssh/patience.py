"""Whole packets instead of many small ones: who fills a window to its last byte cuts a packet each time it is opened.

OpenSSH's client opens its window by three packets at a time: whoever uses up the rest each time sends four for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: A client whose first window is smaller, in bytes, is not made to wait for anything.
LARGE_WINDOW: Final = 512 * 1024
#: How long a client may take to open a window that is nearly used up, in seconds.
PATIENCE: Final = 0.1


class Patience:
    """Whether one channel waits, with less than a packet of window left, until the client opens it further.

    A client may leave it shut until all of it is used (RFC 4254, section 5.2). Where it does not open it in time,
    nothing is waited for ever after. `retry` sends what may be sent.
    """

    __slots__ = ("_clock", "_opened", "_opened_then", "_retry", "_timer", "_waits")

    def __init__(self, clock: IReactorTime, first_window: int, retry: Callable[[], None]) -> None:
        self._clock = clock
        self._retry = retry
        self._waits = first_window >= LARGE_WINDOW
        self._timer: IDelayedCall | None = None
        self._opened = 0
        self._opened_then = 0

    def window_opened(self) -> None:
        self._opened += 1

    def waits(self) -> bool:
        # One timer for many waits: to begin and cancel one for each would cost what they save.
        if self._waits and self._timer is None:
            self._opened_then = self._opened
            self._timer = self._clock.callLater(PATIENCE, self._look)
        return self._waits

    def end(self) -> None:
        """The channel is closed."""
        self._waits = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._opened == self._opened_then:
            self._waits = False
        self._retry()
