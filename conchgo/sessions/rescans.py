"""Scans that nobody asks for: of what is uncertain, and of what is to be looked at again now and then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from conchgo.edge.pools import Runner
from conchgo.edge.waiting import PatientRunner, Waits
from conchgo.errors import Busy, Cancelled, ConchgoError, NotFound
from conchgo.sessions.counting import Counting

#: Seconds between looks whether there is something to do.
_PAUSE: Final = 60.0

#: Seconds after which a scan that waits gives way to the next.
_PATIENCE: Final = 30.0

#: In whose name the work is done in the pool: no user has one with a slash.
_OWNER: Final = "/quota"


class Rescans:
    """One domain after the other. `check` says what else is doubted, and blocks as counting does; `interval` is seconds
    after which a domain is due; 0: never by itself."""

    _log = Logger()

    def __init__(
        self, counting: Counting, check: Callable[[], None], interval: float, disk: Runner, reactor: IReactorTime
    ) -> None:
        self._counting = counting
        self._check = check
        self._interval = interval
        self._reactor = reactor
        self._disk = disk
        self._waits = Waits(reactor)
        self._runner = PatientRunner(disk, self._waits)
        self._timer: IDelayedCall | None = None
        self._working: Deferred[None] | None = None
        self._ends = False

    def start(self) -> None:
        self._timer = self._reactor.callLater(_PAUSE, self._begin)

    def stop(self) -> Deferred[None]:
        """What is begun goes on when the service runs again."""
        self._ends = True
        self._waits.cancel()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        done: Deferred[None] = Deferred()
        if self._working is None:
            done.callback(None)
        else:
            self._working.addBoth(lambda _: done.callback(None))
        return done

    def _begin(self) -> None:
        self._working = ensureDeferred(self._work())
        self._working.addErrback(lambda failure: self._log.failure("scanning failed", failure))
        self._working.addBoth(self._ended)

    def _ended(self, _: object) -> None:
        self._working = None
        if not self._ends:
            self.start()

    async def _work(self) -> None:
        try:
            await self._runner.run(_OWNER, self._check)
            for domain in await self._runner.run(_OWNER, self._counting.due, self._interval):
                await self._scan(domain)
        except ConchgoError as error:
            self._log.warn("no scan of quotas: {reason}", reason=error.text)

    async def _scan(self, domain: str) -> None:
        """A scan that waits too long for changes to end goes on the next time: a program may work for hours."""
        if self._ends:
            return
        waits = self._waits = Waits(self._reactor)
        patience = self._reactor.callLater(_PATIENCE, waits.cancel)
        try:
            await PatientRunner(self._disk, waits).run(_OWNER, self._counting.count, domain, self._go_on)
        except (Busy, Cancelled, NotFound):
            return
        except ConchgoError as error:
            self._log.warn("{domain} can't be counted: {reason}", domain=domain, reason=error.text)
        finally:
            if patience.active():
                patience.cancel()

    def _go_on(self, _seen: int, _left: int) -> None:
        if self._ends:
            raise Cancelled
