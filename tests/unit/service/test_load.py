"""The counters that workers share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from conchgo.service.load import Load, shared_memory


@pytest.fixture
def loads() -> Iterator[list[Load]]:
    """The same memory as three workers have it."""
    descriptor = shared_memory(3)
    yield [Load(descriptor, 3) for _ in range(3)]
    os.close(descriptor)


def test_nobody_serves_at_first(loads: list[Load]) -> None:
    loads[0].set(0, 5)
    assert not loads[0].others_have_fewer(0)


def test_what_one_says_the_others_see(loads: list[Load]) -> None:
    for number, load in enumerate(loads):
        load.set(number, 2)
    assert not any(load.others_have_fewer(number) for number, load in enumerate(loads))
    loads[0].set(0, 3)
    assert [load.others_have_fewer(number) for number, load in enumerate(loads)] == [True, False, False]


def test_beats_are_each_ones_own(loads: list[Load]) -> None:
    loads[0].set(0, 7)
    loads[1].beat(1)
    loads[1].beat(1)
    loads[2].beat(2)
    assert [loads[0].beats(number) for number in range(3)] == [0, 2, 1]
    loads[1].gone(1)
    assert loads[0].beats(1) == 2


def test_who_is_gone_is_no_reason_to_wait(loads: list[Load]) -> None:
    loads[0].set(0, 3)
    loads[1].set(1, 2)
    loads[2].gone(1)
    assert not loads[0].others_have_fewer(0)
