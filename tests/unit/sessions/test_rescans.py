"""Scans that nobody asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher

from conchgo.edge.pools import Inline
from conchgo.errors import Busy, Cancelled, Failure, NotBefore
from conchgo.sessions.rescans import Rescans


class Counted:
    """What is due, and what comes of counting it."""

    def __init__(self) -> None:
        self.waiting: dict[str, Any] = {}
        self.counted: list[str] = []
        self.intervals: list[float] = []
        self.doubted: list[str] = []

    def check(self) -> None:
        for domain in self.doubted:
            self.waiting[domain] = None

    def due(self, interval: float) -> list[str]:
        self.intervals.append(interval)
        return list(self.waiting)

    def count(self, domain: str, progress: Callable[[int, int], None]) -> None:
        progress(1, 1)
        outcome = self.waiting[domain]
        if outcome is not None:
            raise outcome
        self.counted.append(domain)
        del self.waiting[domain]


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rescans(counted: Counted, clock: Clock) -> Rescans:
    return Rescans(counted, counted.check, 3600, Inline(), clock)  # type: ignore[arg-type]


def test_what_is_due_is_counted_one_after_the_other(rescans: Rescans, counted: Counted, clock: Clock) -> None:
    rescans.start()
    counted.waiting = {"a": None, "b": None}
    counted.doubted = ["d"]
    clock.advance(59)
    assert counted.counted == []
    clock.advance(1)
    assert counted.counted == ["a", "b", "d"]
    counted.doubted = []
    counted.waiting = {"c": None}
    clock.advance(60)
    assert counted.counted == ["a", "b", "d", "c"]
    assert set(counted.intervals) == {3600}
    assert rescans.stop().called
    assert clock.getDelayedCalls() == []


def test_what_can_not_be_counted_is_told_and_keeps_nothing_else(
    rescans: Rescans, counted: Counted, clock: Clock
) -> None:
    told: list[Any] = []
    globalLogPublisher.addObserver(told.append)
    try:
        rescans.start()
        counted.waiting = {"a": Failure("broken"), "b": Busy(), "c": None}
        clock.advance(60)
    finally:
        globalLogPublisher.removeObserver(told.append)
    assert counted.counted == ["c"]
    warnings = [event for event in told if event["log_level"] is LogLevel.warn]
    assert [(event["domain"], event["reason"]) for event in warnings] == [("a", "broken")]


def test_who_must_wait_asks_again_and_the_end_waits_for_nobody(
    rescans: Rescans, counted: Counted, clock: Clock
) -> None:
    rescans.start()
    counted.waiting = {"a": NotBefore(float("inf"))}
    clock.advance(60)
    assert rescans.stop().called
    assert clock.getDelayedCalls() == []


def test_who_waits_long_gives_way_to_the_next(rescans: Rescans, counted: Counted, clock: Clock) -> None:
    rescans.start()
    counted.waiting = {"a": NotBefore(2**40), "b": None}
    clock.advance(60)
    assert counted.counted == []
    clock.advance(30)
    assert counted.counted == ["b"]
    counted.waiting["a"] = None
    clock.advance(60)
    assert counted.counted == ["b", "a"]
    assert len(clock.getDelayedCalls()) == 1


def test_at_the_end_a_scan_is_interrupted(rescans: Rescans) -> None:
    rescans._go_on(1, 1)
    assert rescans.stop().called
    with pytest.raises(Cancelled):
        rescans._go_on(1, 1)
