from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from conchgo.edge.stream import Program
from conchgo.sessions.admission import Admission
from tests.unit.sessions.helpers import WrittenProgram, WrittenStream


class Admitting(SynchronousTestCase):
    def setUp(self) -> None:
        self.decided: Deferred[Program] = Deferred()
        self.asked = 0
        self.stream, self.program = WrittenStream(), WrittenProgram()
        self.admission = Admission(self.decide)

    def decide(self) -> Deferred[Program]:
        self.asked += 1
        return self.decided

    def test_nothing_is_decided_before_there_is_a_channel(self) -> None:
        self.assertEqual(self.asked, 0)
        self.admission.started(self.stream)
        self.assertEqual(self.asked, 1)

    def test_what_came_before_is_not_lost_and_not_consumed(self) -> None:
        self.admission.started(self.stream)
        self.assertTrue(self.admission.busy)
        self.admission.data_received(b"1")
        self.admission.drained()
        self.admission.data_received(b"2")
        self.admission.input_ended()
        self.assertEqual((self.program.told, self.stream.input_consumed), ([], 0))
        self.decided.callback(self.program)
        self.assertEqual(self.program.told, ["started", "data b'1'", "data b'2'", "input ended"])
        self.assertFalse(self.admission.busy)
        self.program.busy = True
        self.assertTrue(self.admission.busy)

    def test_later_it_is_the_program(self) -> None:
        self.admission.started(self.stream)
        self.decided.callback(self.program)
        self.admission.data_received(b"1")
        self.admission.drained()
        self.admission.input_ended()
        self.admission.connection_lost()
        self.assertEqual(self.program.told, ["started", "data b'1'", "drained", "input ended", "lost"])

    def test_a_program_that_comes_too_late_holds_nothing(self) -> None:
        self.admission.started(self.stream)
        self.admission.connection_lost()
        self.decided.callback(self.program)
        self.assertEqual(self.program.told, ["lost"])

    def test_a_program_that_fails_ends_its_channel(self) -> None:
        self.admission.started(self.stream)
        self.decided.errback(RuntimeError("broken"))
        self.assertEqual(self.stream.status, 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
