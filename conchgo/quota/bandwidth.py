"""Bandwidth: a bucket that all transfers of one user in one direction pay from, and in which nobody sleeps."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from conchgo.errors import NotBefore

#: Seconds of its rate that a bucket saves up while nothing is transferred: what timers lose by being late.
_SAVED: Final = 0.1
#: Seconds that who waits comes late on purpose, to find something saved up for more than one small request.
_LATE: Final = 0.01
#: Seconds after which he asks again, however many there are before him.
_LONGEST: Final = 1.0
#: Who has not asked again so many seconds after his time has gone away.
_GONE: Final = 0.25


class Turn:
    """One of those who share a bucket, and when he may ask again."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = 0.0


class Bucket:
    """Gives so many bytes per second, `rate` (0: as many as are asked for).

    Who comes when nothing is owed takes all that he asks for, and the next one waits until that is paid: so requests
    of any size pass, and over any time no more than the rate allows, what was saved up, and one request. `divisor`
    tells by how many workers the rate is shared. For any thread; `now` is time.monotonic.
    """

    def __init__(
        self,
        rate: int = 0,
        *,
        divisor: Callable[[], int] = lambda: 1,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate = rate
        self._divisor = divisor
        self._now = now
        self._lock = threading.Lock()
        #: Until then it is paid for what was taken.
        self._paid = 0.0
        #: Who took something last: at his turn he goes on until something is owed. And how many seconds that took.
        self._last: Turn | None = None
        self._cost = 0.0
        #: In the order in which they came; a dictionary is a set that keeps it.
        self._waiting: dict[Turn, None] = {}

    @property
    def owes(self) -> bool:
        return self._paid > self._now()

    def take(self, count: int, turn: Turn) -> None:
        """Raises NotBefore: something is still owed, or somebody who came earlier is due; nothing was taken.

        Those who wait are told to come one after the other, each when what those before him took will be paid.
        """
        if not self.rate:
            return
        with self._lock:
            now = self._now()
            before = self._before(turn, now)
            others_turn = before and before[0].at <= now + _LATE and turn is not self._last
            if now < self._paid or others_turn:
                self._waiting.setdefault(turn)
                wait = _LATE + len(before) * max(self._cost, _LATE)
                turn.at = max(now, self._paid) + min(wait, _LONGEST)
                raise NotBefore(turn.at)
            self._waiting.pop(turn, None)
            self._last = turn
            self._cost = self._seconds(count)
            self._paid = max(self._paid, now - _SAVED) + self._cost

    def give_back(self, count: int) -> None:
        """So many of the bytes that were taken were not moved."""
        if count and self.rate:
            with self._lock:
                self._paid -= self._seconds(count)

    def _before(self, turn: Turn, now: float) -> list[Turn]:
        """Those who came earlier and still wait."""
        before = []
        for other in list(self._waiting):
            if other is turn:
                break
            if other.at + _GONE < now:
                del self._waiting[other]
            else:
                before.append(other)
        return before

    def _seconds(self, count: int) -> float:
        return count * max(1, self._divisor()) / self.rate
