"""What one worker tells of its sessions, and when."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from conchgo.database.owners import BEAT
from conchgo.edge.pools import Inline
from conchgo.errors import Failure
from conchgo.events.records import Origin
from conchgo.sessions.attendance import PULSE, SECOND_LOOK, Attendance
from conchgo.sessions.roll import MemoryRoll, Session

MARY = Origin("mary", "connection-1", "192.0.2.7")


class TalkativeRoll(MemoryRoll):
    """Tells what it was told; fails, forgets and knows of other workers where the test says so."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.story: list[str] = []
        self.failing = self.forgetful = False
        self.workers: dict[str, int] = {}

    def _heard(self, text: str) -> None:
        self.story.append(text)
        if self.failing:
            raise Failure("the database failed")

    def numbers(self) -> list[int]:
        return sorted(self._sessions)

    def beat(self) -> bool:
        self._heard("beat")
        return not self.forgetful

    def tell(self, begun: Any, ended: Any) -> None:
        self._heard(f"tell +{sorted(session.number for session in begun)} -{sorted(ended)}")
        super().tell(begun, ended)

    def reserve(self, session: Session, limit: int, ended: Any) -> bool:
        self._heard(f"reserve {session.number} -{sorted(ended)}")
        return super().reserve(session, limit, ended)

    def workers_of(self, usernames: Any) -> dict[str, int]:
        self._heard(f"ask {sorted(usernames)}")
        return self.workers

    def leave(self) -> None:
        self._heard("leave")


class SlowRunner(Inline):
    """Does the work when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Any] = []

    def run(self, owner: str, work: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.waiting.append((done, lambda: work(*args, **kwargs)))
        return done

    def work_off(self) -> None:
        done, work = self.waiting.pop(0)
        Inline().run("", work).chainDeferred(done)


class Attending(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.roll = Clock(), TalkativeRoll()
        self.attendance = self.attend(Inline())

    def attend(self, runner: Any) -> Attendance:
        attendance = Attendance(self.roll, runner, self.clock)
        attendance.start()
        return attendance

    def begun(self) -> Session:
        session = self.attendance.session(MARY, "SFTP")
        self.attendance.begin(session)
        return session

    def test_without_a_limit_a_login_asks_nothing_of_the_database(self) -> None:
        first, second = self.begun(), self.begun()
        self.attendance.end(first)
        self.assertEqual(self.roll.story, [])
        self.clock.advance(PULSE)
        self.assertEqual(self.roll.story, ["tell +[2] -[]"])
        self.attendance.end(second)
        third = self.begun()
        self.clock.advance(PULSE)
        self.assertEqual(self.roll.story[1:], ["tell +[3] -[2]"])
        self.attendance.end(third)
        self.clock.advance(PULSE)
        self.clock.advance(PULSE)
        self.assertEqual(self.roll.story[2:], ["tell +[] -[3]"])

    def test_with_a_limit_its_begin_and_its_end_are_told_at_once(self) -> None:
        session = self.attendance.session(MARY, "SFTP")
        self.assertTrue(self.successResultOf(self.attendance.reserve(session, 1)))
        self.attendance.end(session)
        self.assertEqual(self.roll.story, ["reserve 1 -[]", "tell +[] -[1]"])

    def test_a_refusal_is_looked_at_twice(self) -> None:
        first, second = (self.attendance.session(MARY, "SFTP") for _ in range(2))
        self.successResultOf(self.attendance.reserve(first, 1))
        reserved = self.attendance.reserve(second, 1)
        room = self.attendance.has_room("mary", 1)
        self.assertNoResult(reserved)
        self.clock.advance(SECOND_LOOK)
        self.assertFalse(self.successResultOf(reserved))
        self.assertFalse(self.successResultOf(room))
        reserved = self.attendance.reserve(second, 1)
        self.attendance.end(first)
        self.clock.advance(SECOND_LOOK)
        self.assertTrue(self.successResultOf(reserved))

    def test_a_database_that_is_away_loses_nothing(self) -> None:
        stays, ends = self.begun(), self.begun()
        self.roll.failing = True
        self.clock.advance(PULSE)
        self.attendance.end(ends)
        limited = self.attendance.session(MARY, "SFTP")
        self.failureResultOf(self.attendance.reserve(limited, 1), Failure)
        for _ in range(3):
            self.clock.advance(PULSE)
        self.roll.failing = False
        self.clock.advance(PULSE)
        # Perhaps the reservation was written, and only the answer was lost.
        self.assertEqual(self.roll.story[-1], f"tell +[{stays.number}] -[{limited.number}]")
        self.assertEqual(self.roll.numbers(), [stays.number])

    def test_what_ends_while_its_begin_is_told_is_taken_away_after_it(self) -> None:
        slow = SlowRunner()
        self.attendance = self.attend(slow)
        session = self.begun()
        self.clock.advance(PULSE)
        self.attendance.end(session)
        self.clock.advance(PULSE)
        self.assertEqual(len(slow.waiting), 1)
        slow.work_off()
        self.clock.advance(PULSE)
        slow.work_off()
        self.assertEqual(self.roll.story, ["tell +[1] -[]", "tell +[] -[1]"])
        self.assertEqual(self.roll.numbers(), [])

    def test_who_was_taken_for_dead_tells_all_anew(self) -> None:
        self.begun()
        self.clock.advance(PULSE)
        self.roll.forgetful = True
        self.clock.pump([PULSE] * int(BEAT / PULSE + 1))
        self.assertEqual(self.roll.story, ["tell +[1] -[]", "beat", "tell +[1] -[]"])

    def test_it_beats(self) -> None:
        self.clock.pump([PULSE] * int(3 * BEAT / PULSE))
        self.assertEqual(self.roll.story, ["beat"] * 3)

    def test_without_sessions_and_others_nothing_goes_on(self) -> None:
        attendance = Attendance(MemoryRoll(), Inline(), clock := Clock())
        attendance.start()
        self.assertEqual(clock.getDelayedCalls(), [])
        session = attendance.session(MARY, "SFTP")
        attendance.begin(session)
        clock.pump([PULSE] * 3)
        self.assertEqual(len(clock.getDelayedCalls()), 1)
        attendance.end(session)
        clock.pump([PULSE] * 3)
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_in_how_many_workers_a_user_is(self) -> None:
        session = self.begun()
        self.clock.advance(PULSE)
        self.roll.story.clear()
        self.assertEqual(self.attendance.workers_of("mary"), 1)
        self.roll.workers = {"mary": 3}
        self.clock.advance(PULSE)
        self.assertEqual(self.attendance.workers_of("mary"), 3)
        self.roll.workers = {"mary": 2}
        self.clock.advance(PULSE)
        self.assertEqual(self.attendance.workers_of("mary"), 2)
        self.assertEqual(self.roll.story, ["ask ['mary']"] * 2)
        other = self.attendance.session(Origin("bob", "connection-2", "192.0.2.7"), "SFTP")
        self.attendance.begin(other)
        self.attendance.end(session)
        self.clock.advance(PULSE)
        self.clock.advance(PULSE)
        # Who is gone is asked for no longer.
        self.assertEqual(self.roll.story[2:], ["tell +[2] -[1]", "ask []"])

    def test_a_roll_that_is_broken_is_asked_again(self) -> None:
        self.patch(self.roll, "tell", lambda begun, ended: 1 // 0)
        self.begun()
        for _ in range(3):
            self.clock.advance(PULSE)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        del self.roll.tell
        self.clock.advance(PULSE)
        self.assertEqual(self.roll.story, ["tell +[1] -[]"])

    def test_the_end(self) -> None:
        self.successResultOf(self.attendance.stop())
        self.assertEqual(self.roll.story, ["leave"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_end_that_nobody_hears_is_an_end(self) -> None:
        self.roll.failing = True
        self.successResultOf(self.attendance.stop())
