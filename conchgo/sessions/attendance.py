"""Keeps the roll from the reactor: what begins and ends is told together, and only limited users wait for it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from conchgo.database.owners import BEAT
from conchgo.edge.pools import Runner
from conchgo.errors import ConchgoError
from conchgo.events.records import Origin
from conchgo.sessions.roll import Roll, Session

#: Seconds between looks whether there is something to tell or to ask, while there are sessions.
PULSE: Final = 1.0

#: Seconds until a refusal is final: of a session that has just ended in another worker we may not have heard.
SECOND_LOOK: Final = 0.25

#: In whose name the pool works.
_OWNER: Final = "sessions"


class Attendance:
    """The sessions of this worker, as all workers shall know them. For the reactor's thread, but for `workers_of`."""

    _log = Logger()

    def __init__(self, roll: Roll, database: Runner, reactor: IReactorTime) -> None:
        self._roll = roll
        self._database = database
        self._reactor = reactor
        self._numbers = itertools.count(1)
        self._present: dict[int, Session] = {}
        self._reserved: set[int] = set()
        #: What the roll does not know yet.
        self._begun: dict[int, Session] = {}
        self._ended: set[int] = set()
        self._turn = DeferredLock()
        self._failing = False
        self._asked: set[str] = set()
        self._workers: Mapping[str, int] = {}
        self._pulse = self._loop(self._look)
        self._heart = self._loop(self._beat)

    def _loop(self, work: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> LoopingCall:
        loop = LoopingCall(lambda: Deferred.fromCoroutine(work()))
        loop.clock = self._reactor
        return loop

    def start(self) -> None:
        if self._roll.shared:
            self._heart.start(BEAT, now=False)

    def stop(self) -> Deferred[None]:
        """There are no sessions any more; the others hear of it."""
        for loop in (self._pulse, self._heart):
            if loop.running:
                loop.stop()
        return Deferred.fromCoroutine(self._leave())

    def session(self, origin: Origin, protocol: str) -> Session:
        """One that has not begun."""
        return Session(next(self._numbers), origin.username, origin.ip, protocol, origin.session, time.time())

    def begin(self, session: Session) -> None:
        """A session that nothing limits: the others hear of it within a second."""
        self._present[session.number] = session
        self._begun[session.number] = session
        self._look_now_and_then()

    def reserve(self, session: Session, limit: int) -> Deferred[bool]:
        """Whether the session has begun, which it has where its user had fewer than `limit` everywhere.

        Fails with ConchgoError where nobody can tell.
        """
        return Deferred.fromCoroutine(self._asked_twice(lambda: self._reserve(session, limit)))

    def has_room(self, username: str, limit: int) -> Deferred[bool]:
        """Whether the user has fewer than `limit` sessions everywhere, now.

        Fails with ConchgoError where nobody can tell.
        """
        return Deferred.fromCoroutine(
            self._asked_twice(lambda: self._database.run(username, self._roll.has_room, username, limit))
        )

    def end(self, session: Session) -> None:
        """The session has ended; of one that was reserved the others hear at once."""
        number = session.number
        del self._present[number]
        if self._begun.pop(number, None) is None:
            self._ended.add(number)
        if number in self._reserved:
            self._reserved.remove(number)
            Deferred.fromCoroutine(self._tell())

    def workers_of(self, username: str) -> int:
        """In how many workers the user has sessions, who has one here; learnt a second after the first question."""
        self._asked.add(username)
        return self._workers.get(username, 1)

    async def _asked_twice(self, ask: Callable[[], Deferred[bool]]) -> bool:
        if await ask():
            return True
        await deferLater(self._reactor, SECOND_LOOK)
        return await ask()

    def _reserve(self, session: Session, limit: int) -> Deferred[bool]:
        ended, self._ended = self._ended, set()
        asked = self._database.run(session.username, self._roll.reserve, session, limit, ended)
        return asked.addCallbacks(
            lambda room: self._reserve_answered(room, session),
            lambda failure: self._reserve_failed(failure, session, ended),
        )

    def _reserve_answered(self, room: bool, session: Session) -> bool:
        if room:
            self._present[session.number] = session
            self._reserved.add(session.number)
            self._look_now_and_then()
        return room

    def _reserve_failed(self, failure: Failure, session: Session, ended: set[int]) -> Failure:
        # Perhaps it was written, and only the answer was lost.
        self._ended |= {*ended, session.number}
        return failure

    def _look_now_and_then(self) -> None:
        if not self._pulse.running:
            self._pulse.start(PULSE, now=False)

    async def _look(self) -> None:
        await self._tell()
        await self._ask()
        if not (self._present or self._begun or self._ended) and self._pulse.running:
            self._pulse.stop()

    async def _tell(self) -> None:
        async with self._turn:
            begun, self._begun = self._begun, {}
            ended, self._ended = self._ended, set()
            if not begun and not ended:
                return
            try:
                await self._database.run(_OWNER, self._roll.tell, list(begun.values()), ended)
                self._failing = False
            except Exception as error:
                # Perhaps it was written all the same: it does no harm to tell it twice.
                self._begun |= {number: session for number, session in begun.items() if number in self._present}
                self._ended |= ended | {number for number in begun if number not in self._present}
                self._complain(error)

    async def _beat(self) -> None:
        try:
            if not await self._database.run(_OWNER, self._roll.beat):
                self._log.warn("the others took this process for dead; its sessions are told anew")
                self._begun = dict(self._present)
            self._failing = False
        except Exception as error:
            self._complain(error)

    async def _ask(self) -> None:
        if self._asked:
            self._asked &= {session.username for session in self._present.values()}
            try:
                self._workers = await self._database.run(_OWNER, self._roll.workers_of, list(self._asked))
            except Exception as error:
                self._complain(error)

    async def _leave(self) -> None:
        async with self._turn:
            try:
                await self._database.run(_OWNER, self._roll.leave)
            except Exception as error:
                self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Once, until it works again."""
        if self._failing:
            return
        self._failing = True
        if isinstance(error, ConchgoError):
            self._log.warn("other workers cannot be told of sessions, it is tried again: {text}", text=error.text)
        else:
            self._log.failure("other workers cannot be told of sessions, it is tried again")
