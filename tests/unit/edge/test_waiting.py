"""Work that must wait for time to pass: nobody's thread waits, the order stays, and it ends with its client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from conchgo.edge.pools import Inline
from conchgo.edge.waiting import Line, PatientRunner, Waits
from conchgo.errors import Cancelled, NotBefore, NotFound


class Bench:
    """A clock, and what came of the work."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.waits = Waits(self.clock, self.clock.seconds)
        self.tried: list[str] = []
        self.came: list[tuple[str, Any]] = []

    def not_before(self, name: str, seconds: float, result: Any = None) -> Callable[[], Any]:
        """Work that may be done from then on."""
        at = self.clock.seconds() + seconds

        def work() -> Any:
            self.tried.append(name)
            if self.clock.seconds() < at:
                raise NotBefore(at)
            if isinstance(result, Exception):
                raise result
            return name if result is None else result

        return work

    def note(self, name: str, done: Deferred[Any]) -> None:
        done.addCallbacks(
            lambda result: self.came.append((name, result)), lambda failure: self.came.append((name, failure.type))
        )

    @property
    def idle(self) -> bool:
        return not self.waits and not self.clock.getDelayedCalls()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_may_be_done_now_is_done_now(bench: Bench) -> None:
    runner = PatientRunner(Inline(), bench.waits)
    bench.note("sum", runner.run("ada", lambda one, two: one + two, 1, two=2))
    assert bench.came == [("sum", 3)]
    assert bench.idle


def test_work_is_done_again_when_its_time_has_come(bench: Bench) -> None:
    runner = PatientRunner(Inline(), bench.waits)
    bench.note("a", runner.run("ada", bench.not_before("a", 7)))
    bench.clock.advance(6.9)
    assert bench.tried == ["a"]
    assert bench.came == []

    bench.clock.advance(0.2)
    assert bench.came == [("a", "a")]
    assert bench.idle


def test_it_may_have_to_wait_again_and_may_fail_then(bench: Bench) -> None:
    answers: list[Exception] = [NotBefore(1001), NotBefore(1005), NotFound()]

    def work() -> None:
        raise answers.pop(0)

    bench.note("a", PatientRunner(Inline(), bench.waits).run("ada", work))
    bench.clock.pump([1, 1, 3])
    assert bench.came == [("a", NotFound)]
    assert bench.idle


def test_a_time_that_has_passed_is_now(bench: Bench) -> None:
    answers: list[Any] = [NotBefore(3), "done"]

    def work() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    bench.note("a", PatientRunner(Inline(), bench.waits).run("ada", work))
    bench.clock.advance(0)
    assert bench.came == [("a", "done")]


def test_nobody_waits_for_a_client_that_is_gone(bench: Bench) -> None:
    runner, line = PatientRunner(Inline(), bench.waits), Line(bench.waits)
    bench.note("a", runner.run("ada", bench.not_before("a", 1)))
    bench.note("b", line.do(bench.not_before("b", 2)))
    bench.note("c", line.do(bench.not_before("c", 0)))
    assert len(bench.waits) == 2
    bench.waits.cancel()
    assert bench.came == [("a", Cancelled), ("b", Cancelled), ("c", Cancelled)]
    assert bench.idle

    bench.note("d", runner.run("ada", bench.not_before("d", 1)))
    bench.note("e", line.do(bench.not_before("e", 1)))
    bench.note("f", line.do(bench.not_before("f", 0)))
    assert bench.came[3:] == [("d", Cancelled), ("e", Cancelled), ("f", "f")]
    assert bench.idle


def test_in_a_line_only_the_first_is_tried_and_all_come_in_order(bench: Bench) -> None:
    line = Line(bench.waits)
    for name, seconds in [("a", 5), ("b", 0), ("c", 8), ("d", 0)]:
        bench.note(name, line.do(bench.not_before(name, seconds)))
    assert bench.tried == ["a"]
    assert len(bench.waits) == 1

    bench.clock.advance(5)
    assert bench.came == [("a", "a"), ("b", "b")]
    bench.clock.advance(3)
    assert bench.came == [(name, name) for name in "abcd"]
    assert bench.tried == ["a", "a", "b", "c", "c", "d"]
    assert bench.idle


def test_a_failure_is_the_answer_to_one_and_the_next_goes_on(bench: Bench) -> None:
    line = Line(bench.waits)
    bench.note("a", line.do(bench.not_before("a", 1, NotFound())))
    bench.note("b", line.do(bench.not_before("b", 1)))
    bench.clock.advance(1)
    assert bench.came == [("a", NotFound), ("b", "b")]


def test_what_goes_on_in_a_thread_holds_nobody_up(bench: Bench) -> None:
    line, thread = Line(bench.waits), Deferred[Any]()
    bench.note("a", line.do(bench.not_before("a", 1, thread)))
    bench.note("b", line.do(bench.not_before("b", 1)))
    bench.clock.advance(1)
    assert bench.came == [("b", "b")]
    thread.callback("read")
    assert bench.came == [("b", "b"), ("a", "read")]


@pytest.mark.parametrize("seconds", [0, 2])
def test_an_answer_may_bring_the_next_work(bench: Bench, seconds: float) -> None:
    line = Line(bench.waits)
    first = line.do(bench.not_before("a", 1))
    first.addCallback(lambda _: bench.note("b", line.do(bench.not_before("b", seconds))))
    bench.clock.advance(1)
    bench.clock.advance(2)
    assert bench.came == [("b", "b")]
    assert bench.tried.count("b") == 1 + (seconds > 0)
    assert bench.idle
