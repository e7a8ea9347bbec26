"""What a program's bytes must wait for, and count in: the user's bandwidth and transfer quota, in one direction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from conchgo.edge.waiting import Waits
from conchgo.errors import NotBefore, WouldBlock
from conchgo.quota.bandwidth import Turn
from conchgo.quota.throttles import Way

#: Seconds of the bandwidth that one portion should carry.
_PORTION: Final = 0.1
_SMALLEST: Final = 1024


class Toll:
    """`way` is None where nothing is limited; `hop` does work in a thread, and when its time has come."""

    def __init__(self, way: Way | None, hop: Callable[..., Awaitable[Any]], waits: Waits) -> None:
        self._way = way
        self._hop = hop
        self._waits = waits
        self._turn = Turn()

    @property
    def is_free(self) -> bool:
        return self._way is None

    def portion(self, most: int) -> int:
        """How many bytes had better go at once."""
        rate = 0 if self._way is None else self._way.bucket.rate
        return min(most, max(_SMALLEST, int(rate * _PORTION))) if rate else most

    async def pay(self, count: int) -> None:
        """Return when so many may pass.

        Raises:
            QuotaExceeded: they are more than the user may transfer.
            Cancelled: the client is gone.
        """
        if self._way is None:
            return
        try:
            self._way.allowance.spend(count, at_once=True)
        except (WouldBlock, NotBefore):
            await self._hop(self._way.allowance.spend, count)
        while True:
            try:
                self._way.bucket.take(count, self._turn)
                return
            except NotBefore as wait:
                await self._waits.until(wait.at)
