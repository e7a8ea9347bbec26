"""Bandwidth that is shared: what is asked for is paid by time, in turn, and by nobody who sleeps."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conchgo.errors import NotBefore
from conchgo.quota.bandwidth import Bucket, Turn


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def bucket_of(rate: int, time: Time, workers: int = 1) -> Bucket:
    return Bucket(rate, divisor=lambda: workers, now=time)


def wait(bucket: Bucket, count: int, turn: Turn | None = None) -> float:
    """When one may ask again; 0 where he got it."""
    try:
        bucket.take(count, turn or Turn())
    except NotBefore as wait:
        return wait.at
    return 0


def test_without_a_rate_everything_passes(time: Time) -> None:
    bucket = bucket_of(0, time)
    assert [wait(bucket, 10**9) for _ in range(3)] == [0, 0, 0]
    assert not bucket.owes


def test_the_next_one_waits_until_the_last_is_paid(time: Time) -> None:
    bucket, turn = bucket_of(1000, time), Turn()
    time.now += 1
    assert wait(bucket, 2000) == 0
    assert bucket.owes
    # 0.1 s of the rate were saved up.
    assert wait(bucket, 1, turn) == pytest.approx(time.now + 1.91)
    time.now += 1.9001
    assert not bucket.owes
    assert wait(bucket, 1, turn) == 0


def test_what_was_not_moved_is_not_paid(time: Time) -> None:
    bucket = bucket_of(1000, time)
    bucket.take(5000, Turn())
    bucket.give_back(4500)
    assert wait(bucket, 1) == pytest.approx(time.now + 0.41)


def test_nothing_much_is_saved_up(time: Time) -> None:
    bucket = bucket_of(1000, time)
    time.now += 10**6
    assert 10 <= sum(wait(bucket, 10) == 0 for _ in range(1000)) <= 11


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_the_rate_is_shared_by_the_workers_where_the_user_is(time: Time, workers: int) -> None:
    bucket = bucket_of(1000, time, workers)
    bucket.take(1000, Turn())
    assert wait(bucket, 1) == pytest.approx(time.now + max(1, workers) - 0.09)


def test_a_new_rate_holds_for_what_is_taken_from_now_on(time: Time) -> None:
    bucket = bucket_of(1000, time)
    bucket.take(100, Turn())
    bucket.rate = 10
    assert wait(bucket, 100) == 0
    assert wait(bucket, 1) == pytest.approx(time.now + 10.01)


def test_those_who_wait_get_turns_one_after_the_other(time: Time) -> None:
    bucket, turns = bucket_of(1000, time), [Turn() for _ in range(3)]
    bucket.take(300, Turn())
    start = time.now
    # 0.3 s less what was saved up, then one request after the other, and each a little late.
    for _ in range(2):
        assert [wait(bucket, 300, turn) - start for turn in turns] == pytest.approx([0.21, 0.51, 0.81])
    for turn in turns:
        time.now = turn.at
        assert wait(bucket, 300, turn) == 0
    assert wait(bucket, 300, turns[0]) - start == pytest.approx(1.11, abs=0.03)


def test_who_came_too_early_keeps_his_place(time: Time) -> None:
    bucket, first, second, third = bucket_of(1000, time), Turn(), Turn(), Turn()
    bucket.take(300, Turn())
    for turn in (first, second):
        assert wait(bucket, 300, turn)
    time.now = first.at
    bucket.take(700, first)
    time.now = second.at
    assert time.now < wait(bucket, 300, second) < wait(bucket, 300, third) < wait(bucket, 300, first)


def test_nobody_pushes_in_when_somebody_is_due_who_came_earlier(time: Time) -> None:
    bucket, first, second = bucket_of(1000, time), Turn(), Turn()
    bucket.take(300, Turn())
    assert wait(bucket, 300, first)
    time.now = first.at + 0.001
    assert wait(bucket, 10, second) > time.now
    for _ in range(2):
        assert wait(bucket, 5, first) == 0, "at his turn he goes on until something is owed"


def test_those_who_went_away_hold_nobody_up_for_long(time: Time) -> None:
    bucket, stays, start = bucket_of(1000, time), Turn(), time.now
    bucket.take(300, Turn())
    for _ in range(100):
        wait(bucket, 300)
    while at := wait(bucket, 300, stays):
        time.now = at
    assert time.now < start + 2.5
    assert wait(bucket, 300, stays) < time.now + 0.3, "they are forgotten"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.floats(0, 0.01), st.integers(100, 10**6))
def test_many_transfers_together_get_the_rate_and_each_its_part(sizes: list[int], late: float, rate: int) -> None:
    """Each asks for its size (in 1/10,000 of the rate) again and again, as soon as it may; timers are late."""
    time = Time()
    bucket = Bucket(rate, now=time)
    asking = [(time.now, Turn(), max(1, size * rate // 10_000)) for size in sizes]
    served = [0] * len(sizes)
    start, moved, rounds = time.now, 0, 0
    while time.now < start + 30:
        rounds += 1
        index = min(range(len(asking)), key=lambda i: asking[i][0])
        at, turn, count = asking[index]
        time.now = max(time.now, at) + late
        while not (at := wait(bucket, count, turn)):
            moved += count
            served[index] += 1
        asking[index] = at, turn, count
    largest = max(count for _, _, count in asking)
    assert moved <= rate * (30 + 0.2) + largest
    assert moved >= 0.9 * rate * 30
    assert min(served) >= 0.25 * rate * 30 / largest / len(sizes) - 1, "of what each had, were all requests as large"
    assert rounds < 4 * sum(served) + 30 * 20 * len(sizes)
