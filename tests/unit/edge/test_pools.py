from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from conchgo.edge.pools import Inline, Pool
from conchgo.errors import Busy, NotFound, ShuttingDown


class PoolTests(TestCase):
    """A pool of one thread, which waits at a gate: so who comes next is known."""

    def setUp(self) -> None:
        self.pool = self.started(1)
        self.gate = threading.Event()
        self.done: list[str] = []

    def started(self, size: int, queue_limit: int = 1000) -> Pool:
        pool = Pool(reactor, "test", size, queue_limit)  # type: ignore[arg-type]
        self.addCleanup(pool.stop)
        # Cleanups run in reverse order: nobody waits at the gate when the pool is stopped.
        self.addCleanup(lambda: self.gate.set())
        return pool

    def blocked(self, pool: Pool, owner: str = "first") -> Deferred[bool]:
        """Takes a thread until the gate is opened."""
        return pool.run(owner, self.gate.wait)

    def noted(self, owner: str, count: int) -> list[Deferred[None]]:
        return [self.pool.run(owner, self.done.append, f"{owner}{number}") for number in range(count)]

    def test_gives_the_result_in_the_reactor_thread(self) -> Deferred[None]:
        def work(left: int, *, right: int) -> tuple[int, int]:
            return left + right, threading.get_ident()

        def check(result: tuple[int, int]) -> None:
            self.assertEqual(result[0], 3)
            self.assertNotEqual(result[1], here)
            self.assertEqual(threading.get_ident(), here)

        here = threading.get_ident()
        return self.pool.run("alice", work, 1, right=2).addCallback(check)

    def test_gives_what_was_raised_and_goes_on(self) -> Deferred[object]:
        def work() -> None:
            raise NotFound("gone")

        results: list[Deferred[object]] = []
        for _ in range(3):
            results.append(self.assertFailure(self.pool.run("alice", work), NotFound))
        return gatherResults(results).addCallback(lambda _: self.assertEqual(self.pool.running, 0))

    def test_a_thousand_jobs_of_one_owner_do_not_starve_another(self) -> Deferred[None]:
        waiting = [self.blocked(self.pool), *self.noted("a", 1000), *self.noted("b", 3)]
        self.assertEqual((self.pool.running, self.pool.waiting), (1, 1003))
        self.gate.set()

        def check(_: object) -> None:
            self.assertEqual(self.done[:8], ["a0", "b0", "a1", "b1", "a2", "b2", "a3", "a4"])
            self.assertEqual(len(self.done), 1003)
            self.assertEqual((self.pool.running, self.pool.waiting), (0, 0))

        return gatherResults(waiting).addCallback(check)

    def test_owners_take_turns_and_each_keeps_its_order(self) -> Deferred[None]:
        waiting = [self.blocked(self.pool, "a"), *self.noted("a", 2), *self.noted("b", 3), *self.noted("c", 1)]
        self.gate.set()
        return gatherResults(waiting).addCallback(
            lambda _: self.assertEqual(self.done, ["a0", "b0", "c0", "a1", "b1", "b2"])
        )

    def test_as_many_threads_work_as_there_are_and_no_more(self) -> Deferred[None]:
        pool = self.started(2)
        together = threading.Barrier(3)
        both = [pool.run(owner, together.wait) for owner in "ab"]
        third = pool.run("c", self.done.append, "c")
        self.assertEqual((pool.running, pool.waiting), (2, 1))
        # Only with both of them at work does the barrier open.
        together.wait()
        return gatherResults([*both, third]).addCallback(lambda _: self.assertEqual(self.done, ["c"]))

    def test_long_work_of_one_owner_leaves_threads_for_others(self) -> Deferred[None]:
        pool = self.started(4)
        long = [self.blocked(pool, "a") for _ in range(5)]
        self.assertEqual((pool.running, pool.waiting), (2, 3))
        others = [pool.run(owner, self.done.append, owner) for owner in ("b", "c", "", "", "")]

        def check(_: object) -> Deferred[list[bool]]:
            self.assertEqual(sorted(self.done), ["", "", "", "b", "c"])
            self.assertEqual((pool.running, pool.waiting), (2, 3))
            self.gate.set()
            return gatherResults(long)

        return gatherResults(others).addCallback(check).addCallback(lambda _: self.assertEqual(pool.running, 0))

    def test_a_full_queue_is_told_at_once_and_to_its_owner_only(self) -> Deferred[None]:
        pool = self.started(1, queue_limit=2)
        waiting: list[Deferred[object]] = [self.blocked(pool)]
        waiting += [pool.run("a", self.done.append, "a") for _ in range(2)]
        self.failureResultOf(pool.run("a", self.done.append, "too many"), Busy)
        waiting.append(pool.run("b", self.done.append, "b"))
        self.gate.set()

        def again(_: object) -> Deferred[None]:
            self.assertEqual(self.done, ["a", "b", "a"])
            return pool.run("a", self.done.append, "room again")

        return gatherResults(waiting).addCallback(again)

    def test_cancelled_work_that_waits_is_not_begun(self) -> Deferred[None]:
        first = self.blocked(self.pool)
        cancelled, kept = self.noted("a", 2)
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.gate.set()
        return gatherResults([first, kept]).addCallback(lambda _: self.assertEqual(self.done, ["a1"]))

    def test_cancelled_work_that_runs_keeps_its_thread_until_it_ends(self) -> Deferred[None]:
        first = self.blocked(self.pool)
        (second,) = self.noted("a", 1)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual((self.pool.running, self.pool.waiting), (1, 1))
        self.assertNoResult(second)
        self.gate.set()
        return second.addCallback(lambda _: self.assertEqual(self.pool.running, 0))

    def test_a_stopped_pool_ends_what_runs_and_refuses_the_rest(self) -> Deferred[bool]:
        first = self.blocked(self.pool)
        waiting = [*self.noted("a", 2), *self.noted("b", 1)]
        more: list[Deferred[None]] = []

        def ask_again(failure: object) -> object:
            more.extend(self.noted("c", 1))
            return failure

        for each in waiting:
            each.addErrback(ask_again)
        self.gate.set()
        self.pool.stop()
        more += self.noted("d", 1)
        for each in waiting + more:
            self.failureResultOf(each, ShuttingDown)
        self.assertEqual((self.pool.waiting, self.done), (0, []))
        return first.addCallback(self.assertTrue)

    def test_a_cancelled_job_does_not_mind_the_stop(self) -> Deferred[bool]:
        first = self.blocked(self.pool)
        (cancelled,) = self.noted("a", 1)
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        self.gate.set()
        self.pool.stop()
        return first

    def test_a_thread_that_rests_works_again(self) -> Deferred[None]:
        first, second = self.pool.run("a", threading.get_ident), self.pool.run("b", threading.get_ident)
        return gatherResults([first, second]).addCallback(lambda idents: self.assertEqual(len(set(idents)), 1))

    def test_a_thread_that_rests_holds_nothing_of_its_last_job(self) -> Deferred[None]:
        class Big:
            """Something that would be missed."""

        def made(given: Big) -> Big:
            result = Big()
            kept.add(result)
            return result

        async def check() -> None:
            big = Big()
            kept.add(big)
            self.pool.run("a", made, big)
            del big
            while self.pool.running:
                await deferLater(reactor, 0)  # type: ignore[arg-type]
            await deferLater(reactor, 0)  # type: ignore[arg-type]
            gc.collect()
            self.assertEqual(len(kept), 0)

        kept: weakref.WeakSet[Big] = weakref.WeakSet()
        return Deferred.fromCoroutine(check())

    def test_a_system_without_more_threads_is_busy(self) -> Deferred[None]:
        def none(_: object) -> None:
            raise RuntimeError("can't start new thread")

        self.patch(threading.Thread, "start", none)
        self.failureResultOf(self.pool.run("a", self.done.append, "a"), Busy)
        self.assertEqual((self.pool.running, self.pool.waiting), (0, 0))
        self.doCleanups()
        self.setUp()
        return self.pool.run("a", self.done.append, "a")


class InlineTests(TestCase):
    def test_does_the_work_at_once(self) -> None:
        self.assertEqual(self.successResultOf(Inline().run("alice", int, "12", base=3)), 5)

    def test_gives_what_was_raised(self) -> None:
        def work() -> Callable[[], None]:
            raise NotFound

        self.failureResultOf(Inline().run("alice", work), NotFound)
