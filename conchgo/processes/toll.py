"""What a program's bytes must wait for, and count in: the user's bandwidth and transfer quota, in one direction."""

from __future__ import annotations

from typing import Final

from conchgo.edge.pools import Runner
from conchgo.edge.waiting import PatientRunner, Waits
from conchgo.errors import NotBefore, WouldBlock
from conchgo.quota.bandwidth import Turn
from conchgo.quota.throttles import Way

#: Seconds of the bandwidth that one portion should carry.
_PORTION: Final = 0.1
_SMALLEST: Final = 1024


class Toll:
    """`way` is None where nothing is limited; `runner` is for work in a thread, for the user who is its `owner`."""

    def __init__(self, way: Way | None, runner: Runner, owner: str, waits: Waits) -> None:
        self._way = way
        self._runner = PatientRunner(runner, waits)
        self._owner = owner
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
            Cancelled: by `cancel`.
        """
        if self._way is None:
            return
        try:
            self._way.allowance.spend(count, at_once=True)
        except (WouldBlock, NotBefore):
            await self._runner.run(self._owner, self._way.allowance.spend, count)
        while True:
            try:
                self._way.bucket.take(count, self._turn)
                return
            except NotBefore as wait:
                await self._waits.until(wait.at)

    def cancel(self) -> None:
        """Nothing waits any more, now or later."""
        self._waits.cancel()
