"""Writes that wait for a thread go together, and each is answered for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from conchgo.edge.pieces import Pieces
from conchgo.errors import Busy, NoSpace
from conchgo.sftp.gathered_writes import ENOUGH, MAX_GATHERED, PATIENCE, GatheredWrites


class Disk:
    """A file of so many bytes at most, and a thread that works when it is told."""

    def __init__(self, size: int = 2**62) -> None:
        self.size = size
        self.data = bytearray()
        self.calls: list[tuple[int, int]] = []
        self.jobs: list[Callable[[], None]] = []
        self.outcomes: dict[int, Any] = {}
        self.clock = Clock()
        self.writes = GatheredWrites(self._hop, self._pwritev, self.clock)

    def _hop(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        done: Deferred[Any] = Deferred()
        self.jobs.append(lambda: maybeDeferred(work, *args).chainDeferred(done))
        return done

    def _pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        whole = b"".join(views)
        self.calls.append((offset, len(whole)))
        room = max(self.size - offset, 0)
        self.data.extend(bytes(max(offset - len(self.data), 0)))
        self.data[offset : offset + len(whole[:room])] = whole[:room]
        if len(whole) > room:
            raise NoSpace

    def write(self, number: int, offset: int, data: bytes, *, more: bool = False) -> None:
        half = len(data) // 2
        self.writes.write(offset, Pieces([data[:half], data[half:]]), more=more).addBoth(
            lambda result: self.outcomes.update({number: result})
        )

    def work(self) -> None:
        """One way to the thread."""
        self.jobs.pop(0)()


def test_the_first_write_waits_for_nobody_and_the_others_go_together() -> None:
    disk = Disk()
    for number in range(5):
        disk.write(number, number * 10, bytes([number]) * 10)
    assert len(disk.jobs) == 1

    disk.work()
    assert disk.outcomes == {0: None}
    disk.work()
    assert disk.outcomes == dict.fromkeys(range(5))
    assert disk.calls == [(0, 10), (10, 40)]
    assert disk.data == b"".join(bytes([number]) * 10 for number in range(5))
    assert not disk.jobs


def test_gaps_and_other_orders_are_calls_of_their_own() -> None:
    disk = Disk()
    for number, offset in enumerate([0, 50, 60, 10, 30]):
        disk.write(number, offset, b"0123456789")
    disk.work()
    disk.work()

    assert disk.calls == [(0, 10), (50, 20), (10, 10), (30, 10)]
    assert disk.outcomes == dict.fromkeys(range(5))


def test_one_way_carries_so_much_and_no_more() -> None:
    disk = Disk()
    part = bytes(MAX_GATHERED // 4)
    for number in range(10):
        disk.write(number, number * len(part), part)
    while disk.jobs:
        disk.work()

    assert [size for _, size in disk.calls] == [len(part), MAX_GATHERED, MAX_GATHERED, len(part)]
    disk.write(10, 0, bytes(MAX_GATHERED + 1))
    disk.work()
    assert disk.outcomes[10] is None


def test_a_stream_waits_for_enough() -> None:
    disk = Disk()
    part = bytes(ENOUGH // 4)
    disk.write(0, 0, part, more=True)
    assert len(disk.jobs) == 1, "there is no telling yet that it streams"
    disk.work()
    for number in range(1, 4):
        disk.write(number, number * len(part), part, more=True)
    assert not disk.jobs
    disk.write(4, 4 * len(part), part, more=True)
    disk.work()

    assert disk.calls == [(0, len(part)), (len(part), ENOUGH)]
    assert disk.outcomes == dict.fromkeys(range(5))
    assert not disk.clock.getDelayedCalls()


def test_a_stream_that_stops_waits_a_moment_only() -> None:
    disk = Disk()
    for number in range(3):
        disk.write(number, number, b"x", more=True)
    disk.work()
    assert not disk.jobs
    disk.clock.advance(PATIENCE)
    disk.work()

    assert disk.outcomes == dict.fromkeys(range(3))


@pytest.mark.parametrize(("offset", "more"), [(2, False), (77, True)])
def test_who_waits_for_the_answer_or_jumps_does_not_stream(offset, more) -> None:
    disk = Disk()
    disk.write(0, 0, b"x", more=True)
    disk.write(1, 1, b"x", more=True)
    disk.work()
    disk.write(2, offset, b"x", more=more)
    disk.work()

    assert disk.outcomes == dict.fromkeys(range(3))
    assert not disk.clock.getDelayedCalls()


def test_only_those_fail_that_do_not_fit() -> None:
    disk = Disk(size=35)
    for number in range(5):
        disk.write(number, number * 10, bytes([number + 1]) * 10)
    disk.work()
    disk.work()

    assert [disk.outcomes[number] for number in range(3)] == [None] * 3
    assert all(isinstance(disk.outcomes[number].value, NoSpace) for number in (3, 4))
    assert disk.data[:30] == b"".join(bytes([number + 1]) * 10 for number in range(3))


def test_where_no_thread_is_to_be_had_each_is_told_and_the_next_may_try() -> None:
    disk = Disk()
    disk.writes._hop = lambda work, *args: (_ for _ in ()).throw(Busy())
    disk.write(0, 0, b"a")
    assert isinstance(disk.outcomes[0], Failure)
    assert isinstance(disk.outcomes[0].value, Busy)

    disk.writes._hop = disk._hop
    disk.write(1, 0, b"b")
    disk.work()
    assert disk.outcomes[1] is None


def test_a_write_that_is_made_when_another_is_answered_goes_on_its_way() -> None:
    disk = Disk()
    disk.writes.write(0, Pieces([b"a"]), more=False).addCallback(lambda _: disk.write(1, 1, b"b"))
    disk.work()
    disk.work()

    assert disk.data == b"ab"
    assert disk.outcomes == {1: None}


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.booleans()), max_size=30),
    st.integers(0, 800),
)
def test_whatever_comes_when_each_write_is_done_or_told_why_not(order, size) -> None:
    """Disjoint ranges of 20 bytes, in any order, while the thread works now and then."""
    disk = Disk(size)
    slots = list(dict.fromkeys(slot for slot, _, _ in order))
    for (slot, turns, more), number in zip(order, range(len(order)), strict=True):
        if slot in slots:
            slots.remove(slot)
            disk.write(number, slot * 20, bytes([number]) * 20, more=more)
        for _ in range(min(turns, len(disk.jobs))):
            disk.work()
    while disk.jobs or disk.clock.getDelayedCalls():
        disk.clock.advance(PATIENCE)
        if disk.jobs:
            disk.work()

    seen = set()
    for number, (slot, _, _) in enumerate(order):
        if slot in seen:
            continue
        seen.add(slot)
        fits = slot * 20 + 20 <= size
        assert (disk.outcomes[number] is None) == fits
        if fits:
            assert disk.data[slot * 20 : slot * 20 + 20] == bytes([number]) * 20
