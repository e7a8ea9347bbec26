"""Who waits for room in one domain: the oldest first, and nobody for ever."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, NoReturn

from conchgo.errors import QuotaExceeded
from conchgo.quota.interface import Limits, Usage

#: Seconds that a change waits for room which others hold.
PATIENCE: Final = 5.0

#: Who has not asked again for so many seconds has gone away.
_FORGOTTEN: Final = 2.0


@dataclass(slots=True)
class _Waiter:
    since: float
    asked: float
    need: Usage


class Queue:
    """Nobody sleeps in it: who waits asks again, and is known by what he asks for. Times are of time.monotonic()."""

    def __init__(self) -> None:
        self._waiters: dict[Hashable, _Waiter] = {}

    def enter(self, key: Hashable, need: Usage, now: float) -> float:
        """Take a place at the end, or keep one's own; since when it is one's own."""
        waiter = self._waiters.setdefault(key, _Waiter(now, now, need))
        waiter.asked = now
        return waiter.since

    def leave(self, key: Hashable) -> None:
        """Served, or refused."""
        if self._waiters:
            self._waiters.pop(key, None)

    def before(self, key: Hashable, now: float) -> Usage:
        """What those need who came earlier than `key` (all, where it does not wait yet)."""
        self._forget(now)
        size = files = 0
        for other, waiter in self._waiters.items():
            if other == key:
                break
            size += waiter.need.size
            files += waiter.need.files
        return Usage(size, files)

    def oldest(self, now: float) -> tuple[float, Usage] | None:
        """Since when the first one waits, and for what."""
        self._forget(now)
        for waiter in self._waiters.values():
            return waiter.since, waiter.need
        return None

    def _forget(self, now: float) -> None:
        for key in [key for key, waiter in self._waiters.items() if waiter.asked < now - _FORGOTTEN]:
            del self._waiters[key]


def refuse(used: Usage, limits: Limits, need: Usage) -> NoReturn:
    """Raises QuotaExceeded, with the limit that is in the way."""
    if limits.files is not None and need.files > 0 and used.files + need.files > limits.files:
        raise QuotaExceeded(f"quota exceeded: {used.files} of {limits.files} files are there")
    if limits.size is not None:
        raise QuotaExceeded(f"quota exceeded: {used.size} of {limits.size} bytes are used")
    raise QuotaExceeded
