"""Lets the quota ledger tell and hear, twice a second and in a thread of the database."""

from __future__ import annotations

from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from conchgo.edge.pools import Runner
from conchgo.errors import ConchgoError

#: Seconds between ticks.
TICK: Final = 0.5

#: In whose name the pool works.
_OWNER: Final = "quota"


class Books(Protocol):
    """As `conchgo.quota.durable.DurableLedger`. Both calls block, and raise ConchgoError."""

    def tick(self) -> None: ...
    def close(self) -> None: ...


class Bookkeeping:
    """For the reactor's thread, but for `wake`."""

    _log = Logger()

    def __init__(self, books: Books, database: Runner, reactor: Any) -> None:
        self._books = books
        self._database = database
        self._reactor = reactor
        self._turn = DeferredLock()
        self._failing = self._stopped = False
        self._loop = LoopingCall(lambda: Deferred.fromCoroutine(self._tick()))
        self._loop.clock = reactor

    def start(self) -> None:
        self._loop.start(TICK, now=False)

    def wake(self) -> None:
        """There is much to tell: do not wait. From any thread."""
        self._reactor.callFromThread(lambda: Deferred.fromCoroutine(self._tick()))

    def stop(self) -> Deferred[None]:
        """Nothing changes any more: all is told, and the others may use the room."""
        if self._loop.running:
            self._loop.stop()
        return Deferred.fromCoroutine(self._close())

    async def _tick(self) -> None:
        async with self._turn:
            if self._stopped:
                return
            try:
                await self._database.run(_OWNER, self._books.tick)
                self._failing = False
            except Exception as error:
                self._complain(error)

    async def _close(self) -> None:
        async with self._turn:
            self._stopped = True
            try:
                await self._database.run(_OWNER, self._books.close)
            except Exception as error:
                self._failing = False
                self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Once, until it works again."""
        if self._failing:
            return
        self._failing = True
        if isinstance(error, ConchgoError):
            self._log.warn("the quota's database cannot be told, it is tried again: {text}", text=error.text)
        else:
            self._log.failure("the quota's database cannot be told, it is tried again")
