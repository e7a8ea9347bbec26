"""Bandwidth: a bucket that all transfers of one user in one direction pay from, and in which nobody sleeps."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Final

from conchgo.errors import NotBefore

#: Seconds of its rate that a bucket saves up while nothing is transferred: what timers lose by being late.
_SAVED: Final = 0.1
#: Seconds after which who waits asks again, however many there are before him.
_LONGEST: Final = 1.0
#: Seconds by which a turn may come later, by chance: where a request costs less than timers can tell apart, each of
#: those who wait comes first now and then, and finds something saved up for more than one request.
_CHANCE: Final = 0.02


class Turn:
    """When one of those who share a bucket may ask again."""

    __slots__ = ("at",)

    def __init__(self) -> None:
        self.at = 0.0


class Bucket:
    """Gives so many bytes per second, `rate` (0: as many as are asked for).

    Who comes when nothing is owed takes all that he asks for, and the next one waits until that is paid: so requests
    of any size pass, and over any time no more than the rate allows, what was saved up, and one request. `divisor`
    tells by how many workers the rate is shared. For any thread; `now` is time.monotonic, `chance` random.random.
    """

    def __init__(
        self,
        rate: int = 0,
        *,
        divisor: Callable[[], int] = lambda: 1,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.rate = rate
        self._divisor = divisor
        self._now = now
        self._chance = chance
        self._lock = threading.Lock()
        #: Until then it is paid for what was taken.
        self._paid = 0.0
        #: The last turn that was given, and how long the last one who took something took.
        self._last_turn = 0.0
        self._cost = 0.0

    @property
    def owes(self) -> bool:
        return self._paid > self._now()

    def take(self, count: int, turn: Turn) -> None:
        """Raises NotBefore: something is still owed; nothing was taken.

        Who waits gets a turn, one after the other: so each of them comes when he is served, and not all at once.
        """
        if not self.rate:
            return
        with self._lock:
            now = self._now()
            if now < self._paid:
                if turn.at <= now:
                    free = min(max(self._last_turn, self._paid), self._paid + _LONGEST)
                    turn.at = free + _CHANCE * self._chance()
                    self._last_turn = free + self._cost
                raise NotBefore(turn.at)
            self._cost = self._seconds(count)
            self._paid = max(self._paid, now - _SAVED) + self._cost

    def give_back(self, count: int) -> None:
        """So many of the bytes that were taken were not moved."""
        if count and self.rate:
            with self._lock:
                self._paid -= self._seconds(count)

    def _seconds(self, count: int) -> float:
        return count * max(1, self._divisor()) / self.rate
