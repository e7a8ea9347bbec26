"""When the ledger is asked to tell, and what becomes of its failures."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from conchgo.edge.pools import Inline
from conchgo.errors import Failure
from conchgo.sessions.bookkeeping import TICK, Bookkeeping


class Books:
    def __init__(self) -> None:
        self.story: list[str] = []
        self.error: Exception | None = None

    def _heard(self, text: str) -> None:
        self.story.append(text)
        if self.error is not None:
            raise self.error

    def tick(self) -> None:
        self._heard("tick")

    def close(self) -> None:
        self._heard("close")


class Reactor(Clock):
    def callFromThread(self, work: Any, *args: Any) -> None:
        self.callLater(0, work, *args)


class SlowRunner(Inline):
    """Begins work at once, and is done with it when told."""

    def __init__(self) -> None:
        self.held: list[Deferred[None]] = []

    def run(self, owner: str, work: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        done = super().run(owner, work, *args, **kwargs)
        gate: Deferred[None] = Deferred()
        self.held.append(gate)
        return gate.addCallback(lambda _: done)


class BookkeepingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.books, self.reactor = Books(), Reactor()
        self.bookkeeping = Bookkeeping(self.books, Inline(), self.reactor)
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def complaints(self) -> int:
        return sum("cannot be told" in str(event.get("log_format")) for event in self.events)

    def test_it_tells_twice_a_second(self) -> None:
        self.bookkeeping.start()
        self.reactor.pump([TICK] * 3)
        self.assertEqual(self.books.story, ["tick"] * 3)

    def test_it_tells_soon_when_there_is_much(self) -> None:
        self.bookkeeping.start()
        self.bookkeeping.wake()
        self.reactor.advance(0)
        self.assertEqual(self.books.story, ["tick"])

    def test_one_at_a_time(self) -> None:
        slow = SlowRunner()
        self.bookkeeping = Bookkeeping(self.books, slow, self.reactor)
        self.bookkeeping.start()
        self.reactor.pump([TICK] * 3)
        self.bookkeeping.wake()
        self.reactor.advance(0)
        self.assertEqual(self.books.story, ["tick"])
        slow.held.pop().callback(None)
        self.assertEqual(self.books.story, ["tick"] * 2)

    def test_at_the_end_it_closes_after_what_goes_on_and_does_nothing_more(self) -> None:
        slow = SlowRunner()
        self.bookkeeping = Bookkeeping(self.books, slow, self.reactor)
        self.bookkeeping.start()
        self.reactor.advance(TICK)
        ended = self.bookkeeping.stop()
        self.bookkeeping.wake()
        self.reactor.advance(TICK)
        self.assertEqual(self.books.story, ["tick"])
        slow.held.pop().callback(None)
        self.assertEqual(self.books.story, ["tick", "close"])
        self.assertNoResult(ended)
        slow.held.pop().callback(None)
        self.successResultOf(ended)
        self.reactor.pump([TICK] * 3)
        self.assertEqual(self.books.story, ["tick", "close"])

    def test_a_database_that_fails_is_told_of_once_and_asked_again(self) -> None:
        self.bookkeeping.start()
        self.books.error = Failure("the database failed")
        self.reactor.pump([TICK] * 3)
        self.assertEqual((len(self.books.story), self.complaints()), (3, 1))
        self.books.error = None
        self.reactor.advance(TICK)
        self.books.error = Failure("the database failed")
        self.reactor.advance(TICK)
        self.assertEqual(self.complaints(), 2)
        self.successResultOf(self.bookkeeping.stop())
        self.assertEqual(self.complaints(), 3)

    def test_a_bug_does_not_end_it(self) -> None:
        self.bookkeeping.start()
        self.books.error = ZeroDivisionError()
        self.reactor.pump([TICK] * 3)
        self.assertEqual(len(self.books.story), 3)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
