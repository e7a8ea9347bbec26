"""Who waits for room in one domain: the oldest first, and nobody for ever."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, NoReturn

from conchgo.errors import QuotaExceeded
from conchgo.quota.interface import Limits, Usage

#: Seconds that a change waits for room which others hold.
PATIENCE: Final = 5.0

_NOTHING: Final = Usage(0, 0)

#: Who has not asked again for so many seconds has gone away.
_FORGOTTEN: Final = 2.0


@dataclass(slots=True)
class Waiter:
    """`recalled`: the others were asked to give back what they do not need."""

    since: float
    asked: float
    need: Usage
    recalled: bool = False


class Queue:
    """Nobody sleeps in it: who waits asks again, and is known by what he asks for. Times are of time.monotonic()."""

    def __init__(self) -> None:
        self._waiters: dict[Hashable, Waiter] = {}

    def enter(self, key: Hashable, need: Usage, now: float) -> Waiter:
        """Take a place at the end, or keep one's own."""
        waiter = self._waiters.setdefault(key, Waiter(now, now, need))
        waiter.asked = now
        return waiter

    def get(self, key: Hashable) -> Waiter | None:
        """Who waits already."""
        return self._waiters.get(key)

    def leave(self, key: Hashable) -> None:
        """Served, or refused."""
        if self._waiters:
            self._waiters.pop(key, None)

    def before(self, key: Hashable, now: float) -> Usage:
        """What those need who came earlier than `key` (all, where it does not wait yet)."""
        if not self._waiters:
            return _NOTHING
        self._forget(now)
        size = files = 0
        for other, waiter in self._waiters.items():
            if other == key:
                break
            size += waiter.need.size
            files += waiter.need.files
        return Usage(size, files)

    def oldest(self, now: float) -> Waiter | None:
        """Who waits longest."""
        self._forget(now)
        return next(iter(self._waiters.values()), None)

    def _forget(self, now: float) -> None:
        for key in [key for key, waiter in self._waiters.items() if waiter.asked < now - _FORGOTTEN]:
            del self._waiters[key]


def fits(used: Usage, limits: Limits, need: Usage) -> bool:
    """Whether so much more may be used; who needs nothing more of the one kind may be beyond its limit."""
    return (limits.size is None or not need.size or used.size + need.size <= limits.size) and (
        limits.files is None or not need.files or used.files + need.files <= limits.files
    )


def refuse(used: Usage, limits: Limits, need: Usage) -> NoReturn:
    """Raises QuotaExceeded, with the limit that is in the way."""
    if limits.files is not None and need.files > 0 and used.files + need.files > limits.files:
        raise QuotaExceeded(f"quota exceeded: {used.files} of {limits.files} files are there")
    if limits.size is not None:
        raise QuotaExceeded(f"quota exceeded: {used.size} of {limits.size} bytes are used")
    raise QuotaExceeded
