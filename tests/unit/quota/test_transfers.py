"""Transfer quotas: counted before they are used up, and not a byte more than the limit."""

from __future__ import annotations

import threading

import pytest

from conchgo.errors import NotBefore, QuotaExceeded, WouldBlock
from conchgo.quota.transfers import Allowance, Direction, MemoryTransferCounter, TransferLimits, Transferred

UP, DOWN = Direction.UPLOAD, Direction.DOWNLOAD


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class CountingCounter(MemoryTransferCounter):
    asked = 0

    def take(self, username: str, direction: Direction, count: int, limits: TransferLimits) -> int:
        self.asked += 1
        return super().take(username, direction, count, limits)


def allowance(
    counter: MemoryTransferCounter, limits: TransferLimits, direction: Direction = UP, time: Time | None = None
) -> Allowance:
    made = Allowance("ada", direction, counter, now=time or Time())
    made.limit(limits)
    return made


@pytest.fixture
def counter() -> CountingCounter:
    return CountingCounter()


@pytest.mark.parametrize(
    ("limits", "used", "up", "down"),
    [
        (TransferLimits(), Transferred(5, 5), None, None),
        (TransferLimits(upload=10), Transferred(4, 99), 6, None),
        (TransferLimits(download=10), Transferred(4, 99), None, 0),
        (TransferLimits(total=10), Transferred(4, 3), 3, 3),
        (TransferLimits(upload=5, total=10), Transferred(4, 0), 1, 6),
    ],
)
def test_room(limits: TransferLimits, used: Transferred, up: int | None, down: int | None) -> None:
    assert (limits.room(UP, used), limits.room(DOWN, used)) == (up, down)


def test_without_a_limit_nobody_is_asked(counter: CountingCounter) -> None:
    spent = allowance(counter, TransferLimits(download=1))
    spent.spend(10**12, at_once=True)
    spent.require(at_once=True)
    assert counter.asked == 0
    assert spent.leave() == 0


def test_to_the_byte_and_not_further(counter: CountingCounter) -> None:
    spent = allowance(counter, TransferLimits(upload=1000))
    for _ in range(9):
        spent.spend(100)
    spent.require()
    with pytest.raises(QuotaExceeded, match=r"quota exceeded: .* upload"):
        spent.spend(101)
    spent.spend(100)
    with pytest.raises(QuotaExceeded):
        spent.require()
    assert counter.transferred("ada") == Transferred(1000, 0)


def test_several_workers_and_both_directions_share_a_total(counter: CountingCounter) -> None:
    limits = TransferLimits(total=10_000)
    parts = [allowance(counter, limits, direction) for direction in (UP, DOWN, UP, DOWN)]
    moved = 0
    for part in parts * 1000:
        try:
            part.spend(7)
            moved += 7
        except QuotaExceeded:
            pass
    assert sum(counter.transferred("ada")) <= 10_000
    assert moved + sum(part.leave() for part in parts) == sum(counter.transferred("ada"))
    assert moved > 9_900


def test_large_transfers_ask_seldom(counter: CountingCounter) -> None:
    spent = allowance(counter, TransferLimits(upload=2**40))
    for _ in range(3200):
        spent.spend(32 * 1024)
    assert counter.asked < 10


def test_at_once_means_that_the_counter_is_not_asked(counter: CountingCounter) -> None:
    spent = allowance(counter, TransferLimits(upload=10**6))
    with pytest.raises(WouldBlock):
        spent.spend(10, at_once=True)
    spent.spend(10)
    spent.spend(10, at_once=True)
    assert counter.asked == 1


def test_a_refusal_is_remembered_for_a_moment(counter: CountingCounter) -> None:
    time = Time()
    spent = allowance(counter, TransferLimits(upload=100), time=time)
    for _ in range(100):
        with pytest.raises(QuotaExceeded):
            spent.spend(101)
    assert counter.asked == 1
    spent.spend(90)
    counter.give_back("ada", Transferred(upload=90))
    time.now += 1.1
    spent.spend(100)


def test_one_thread_asks_and_the_others_come_again() -> None:
    asked, go_on = threading.Event(), threading.Event()

    class SlowCounter(MemoryTransferCounter):
        def take(self, username: str, direction: Direction, count: int, limits: TransferLimits) -> int:
            asked.set()
            go_on.wait(10)
            return super().take(username, direction, count, limits)

    spent = allowance(SlowCounter(), TransferLimits(upload=10**6))
    thread = threading.Thread(target=spent.spend, args=(10,))
    thread.start()
    try:
        assert asked.wait(10)
        with pytest.raises(NotBefore):
            spent.spend(10)
        with pytest.raises(WouldBlock):
            spent.spend(10, at_once=True)
    finally:
        go_on.set()
        thread.join()
    spent.spend(10)


def test_what_came_back_may_be_spent_again(counter: CountingCounter) -> None:
    spent = allowance(counter, TransferLimits(upload=100))
    spent.spend(100)
    spent.give_back(30)
    spent.spend(30)
    with pytest.raises(QuotaExceeded):
        spent.spend(1)
