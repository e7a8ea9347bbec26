"""Transfer quotas: how much a user has uploaded and downloaded, and how much he still may."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, Protocol

from conchgo.errors import NotBefore, QuotaExceeded, WouldBlock
from conchgo.quota.outage import Outage

#: Bytes that are counted before they are transferred, so that not each request asks the counter; and the share of
#: what is left that is asked for at most, so that other workers find something near the limit.
_CHUNK: Final = 16 * 1024 * 1024
_SHARE: Final = 1 / 16
#: Seconds for which a refusal is remembered.
_REMEMBERED: Final = 1.0
#: Seconds until one asks again who finds another one asking.
_PAUSE: Final = 0.01


class Direction(Enum):
    UPLOAD = "upload"
    DOWNLOAD = "download"


class Transferred(NamedTuple):
    """Bytes."""

    upload: int = 0
    download: int = 0


class TransferLimits(NamedTuple):
    """The most that may be transferred, in bytes; None is no limit. `total` counts both directions."""

    upload: int | None = None
    download: int | None = None
    total: int | None = None

    def room(self, direction: Direction, used: Transferred) -> int | None:
        """Bytes that may still be transferred; None: any number."""
        uploads = direction is Direction.UPLOAD
        own, moved = (self.upload, used.upload) if uploads else (self.download, used.download)
        rooms = [max(0, limit - count) for limit, count in ((own, moved), (self.total, sum(used))) if limit is not None]
        return min(rooms, default=None)


class TransferCounter(Protocol):
    """What users have transferred, in all workers. Calls may block, and come from several threads at once."""

    def take(self, username: str, direction: Direction, count: int, limits: TransferLimits) -> int:
        """Count `count` bytes before they are transferred, or more than these (see `chunk`); how many were counted.

        Raises:
            QuotaExceeded: the limits leave no room for `count`; nothing was counted.
            Failure: the database did not answer.
        """
        ...

    def give_back(self, username: str, unused: Transferred) -> None:
        """So many of the bytes that were counted were not transferred.

        Raises Failure: nothing was given back, surely. (Where that is not known it is rather counted than lost.)
        """
        ...

    def transferred(self, username: str) -> Transferred:
        """What was counted so far. Raises Failure."""
        ...

    def reset(self, username: str) -> bool:
        """Count from 0 again, and say whether anything was counted; what workers have taken they may still transfer.

        Raises Failure.
        """
        ...


def chunk(count: int, room: int | None) -> int:
    """How many bytes to count where `count` are wanted now and there is so much room.

    Raises QuotaExceeded.
    """
    if room is None:
        return max(count, _CHUNK)
    if room < count:
        raise QuotaExceeded
    return max(count, min(_CHUNK, int(room * _SHARE)))


class MemoryTransferCounter:
    """For one process, and for what need not last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, Direction]] = Counter()

    def take(self, username: str, direction: Direction, count: int, limits: TransferLimits) -> int:
        with self._lock:
            taken = chunk(count, limits.room(direction, self.transferred(username)))
            self._counts[username, direction] += taken
            return taken

    def give_back(self, username: str, unused: Transferred) -> None:
        with self._lock:
            for direction, count in zip(Direction, unused, strict=True):
                self._counts[username, direction] = max(0, self._counts[username, direction] - count)

    def reset(self, username: str) -> bool:
        with self._lock:
            counted = [self._counts.pop((username, direction), 0) for direction in Direction]
        return any(counted)

    def transferred(self, username: str) -> Transferred:
        return Transferred(*(self._counts[username, direction] for direction in Direction))


class Allowance:
    """What one user may transfer in this worker, in one direction, without asking the counter. For any thread."""

    def __init__(
        self,
        username: str,
        direction: Direction,
        counter: TransferCounter,
        now: Callable[[], float] = time.monotonic,
        reclaim: Callable[[Allowance], bool] = lambda but: False,
        outage: Outage | None = None,
    ) -> None:
        """`reclaim` gives back to the counter what the user's other allowances here have left, if it is anything;
        `outage` is of the counter."""
        self._outage = outage or Outage(now)
        self._reclaim = reclaim
        self._username = username
        self._direction = direction
        self._counter = counter
        self._now = now
        self._limits = TransferLimits()
        self._limited = False
        self._left = 0
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        #: So much was refused, and until then it is again.
        self._refused = (0, 0.0)

    def limit(self, limits: TransferLimits) -> None:
        """From now on."""
        self._limits = limits
        self._limited = limits.room(self._direction, Transferred()) is not None

    def spend(self, count: int, *, at_once: bool = False) -> None:
        """Count what is transferred.

        Raises:
            QuotaExceeded: it is more than the user may; nothing was counted.
            WouldBlock: with `at_once`, where the counter must be asked.
            NotBefore: somebody else asks it just now, or the database does not answer.
            Failure: that has been so for a minute.
        """
        while self._limited and (missing := self._spend(count)):
            if at_once:
                raise WouldBlock
            self._ask(missing)

    def give_back(self, count: int) -> None:
        """It was not transferred."""
        if self._limited:
            with self._lock:
                self._left += count

    def require(self, *, at_once: bool = False) -> None:
        """That anything may still be transferred. Raises as `spend`."""
        self.spend(1, at_once=at_once)
        self.give_back(1)

    @property
    def left(self) -> int:
        """What is counted and not transferred."""
        return self._left

    def leave(self) -> int:
        """Take what is left: it was counted, and is not going to be transferred here."""
        with self._lock:
            left, self._left = self._left, 0
            return left

    def _spend(self, count: int) -> int:
        """Spend all of it, or nothing; how much is missing."""
        with self._lock:
            missing = max(0, count - self._left)
            if not missing:
                self._left -= count
            return missing

    def _take(self, count: int) -> int:
        try:
            return self._counter.take(self._username, self._direction, count, self._limits)
        except QuotaExceeded:
            if not self._reclaim(self):
                raise
        return self._counter.take(self._username, self._direction, count, self._limits)

    def _ask(self, count: int) -> None:
        now = self._now()
        refused, until = self._refused
        if now < until and count >= refused:
            raise self._refusal()
        if not self._asking.acquire(blocking=False):
            raise NotBefore(now + _PAUSE)
        try:
            taken = self._outage.ask(lambda: self._take(count))
        except QuotaExceeded:
            self._refused = count, now + _REMEMBERED
            raise self._refusal() from None
        finally:
            self._asking.release()
        with self._lock:
            self._left += taken

    def _refusal(self) -> QuotaExceeded:
        return QuotaExceeded(f"quota exceeded: the user has no {self._direction.value} data transfer left")
