from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from conchgo.edge.pools import Inline
from conchgo.errors import NotFound
from conchgo.sessions.runner import SessionRunner


class Held:
    """A Runner whose work ends when the test says so."""

    def __init__(self) -> None:
        self.working: list[Deferred[Any]] = []

    def run(self, owner: str, work: Any, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        self.working.append(Deferred())
        return self.working[-1]


class SessionRunnerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.held = Held()
        self.runner = SessionRunner(self.held)
        self.said: list[str] = []

    def idle(self) -> None:
        self.said.append("idle")

    def test_results_and_failures_pass(self) -> None:
        runner = SessionRunner(Inline())
        self.assertEqual(self.successResultOf(runner.run("alice", int, "12", base=3)), 5)

        def fail() -> None:
            raise NotFound

        self.failureResultOf(runner.run("alice", fail), NotFound)

    def test_is_idle_at_once_without_work(self) -> None:
        self.runner.when_idle(self.idle)
        self.assertEqual(self.said, ["idle"])

    def test_is_idle_after_the_last_work_once(self) -> None:
        first, second = (self.runner.run("alice", int) for _ in range(2))
        self.runner.when_idle(self.idle)
        self.held.working[1].errback(NotFound())
        self.failureResultOf(second, NotFound)
        self.assertEqual(self.said, [])
        self.held.working[0].callback(1)
        self.assertEqual(self.successResultOf(first), 1)
        self.assertEqual(self.said, ["idle"])
        self.runner.run("alice", int)
        self.held.working[2].callback(1)
        self.assertEqual(self.said, ["idle"])

    def test_what_a_result_brings_about_counts(self) -> None:
        """A file that was opened for a client that has gone is closed before its storage is."""
        opened = self.runner.run("alice", int)
        opened.addCallback(lambda _: self.said.append("opened") or self.runner.run("alice", int))  # type: ignore[func-returns-value]
        self.runner.when_idle(self.idle)
        self.held.working[0].callback(1)
        self.assertEqual(self.said, ["opened"])
        self.held.working[1].callback(1)
        self.assertEqual(self.said, ["opened", "idle"])

    def test_cancelled_work_counts_until_it_ends(self) -> None:
        done = self.runner.run("alice", int)
        self.runner.when_idle(self.idle)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.said, [])
        self.held.working[0].callback(1)
        self.assertEqual(self.said, ["idle"])
