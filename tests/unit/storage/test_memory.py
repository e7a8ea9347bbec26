"""What is special in memory: a budget, a clock, no threads needed."""

from __future__ import annotations

import pytest

from conchgo.errors import NoSpace
from conchgo.paths import ROOT
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.memory import MemoryStorage
from conchgo.storage.memory_tree import NODE_COST
from tests.contract.storage.helpers import get, names, opened, outcome, p, put

BLOCKS = 10


@pytest.fixture
def small() -> MemoryStorage:
    """Room for ten blocks, of which the root takes one."""
    return MemoryStorage(capacity=BLOCKS * NODE_COST)


def left(storage: MemoryStorage) -> int:
    return storage.space(ROOT).blocks_available


def test_all_of_it_answers_at_once(small: MemoryStorage) -> None:
    assert small.at_once is small


def test_owner_and_umask() -> None:
    storage = MemoryStorage(0o077, owner=(10, 20))
    put(storage, b"/file")

    found = storage.lstat(p(b"/file"))

    assert (found.uid, found.gid, found.mode & 0o7777) == (10, 20, 0o600)


def test_changes_are_dated_by_the_clock() -> None:
    now = 100.9
    storage = MemoryStorage(clock=lambda: now)
    put(storage, b"/file")
    storage.mkdir(p(b"/dir"))
    now = 200.9
    with opened(storage, b"/file") as file:
        file.append(memoryview(b"x"))

    assert storage.lstat(p(b"/file")).mtime == 200
    assert storage.lstat(p(b"/dir")).mtime == 100
    put(storage, b"/dir/file")
    assert storage.lstat(p(b"/dir")).mtime == 200
    now = 300
    storage.rename(p(b"/dir/file"), p(b"/moved"), replace=False)
    assert storage.lstat(p(b"/dir")).mtime == storage.lstat(ROOT).mtime == 300
    assert storage.lstat(p(b"/moved")).mtime == 200


def test_a_full_storage_takes_nothing_more_and_changes_nothing(small: MemoryStorage) -> None:
    put(small, b"/file", b"x" * 7 * NODE_COST)
    assert left(small) == 1
    with opened(small, b"/file") as file:
        assert outcome(lambda: file.append(memoryview(b"x" * (NODE_COST + 1)))) is NoSpace
        assert outcome(lambda: file.pwritev([memoryview(b"y")], 2**60)) is NoSpace
        assert outcome(lambda: file.set_attributes(Attributes(size=2**60))) is NoSpace
        file.append(memoryview(b"x" * NODE_COST))
    assert left(small) == 0

    assert outcome(lambda: put(small, b"/new")) is NoSpace
    assert outcome(lambda: small.mkdir(p(b"/new"))) is NoSpace
    assert outcome(lambda: small.symlink(b"x", p(b"/new"))) is NoSpace
    assert names(small) == {b"file"}
    assert get(small, b"/file") == b"x" * 8 * NODE_COST


def test_what_is_removed_gives_its_room_back(small: MemoryStorage) -> None:
    before = left(small)
    for _ in range(3):
        put(small, b"/file", b"x" * 3 * NODE_COST)
        small.link(p(b"/file"), p(b"/second"))
        small.mkdir(p(b"/dir"))
        small.symlink(b"x" * NODE_COST, p(b"/link"))
        small.remove(p(b"/file"))
        assert left(small) == before - 7
        small.rename(p(b"/link"), p(b"/second"), replace=True)
        assert left(small) == before - 3
        small.remove(p(b"/second"))
        small.rmdir(p(b"/dir"))
        assert left(small) == before


def test_an_open_file_keeps_its_room(small: MemoryStorage) -> None:
    before = left(small)
    put(small, b"/file", b"x" * 3 * NODE_COST)
    file = small.open(p(b"/file"), read=True, write=True, create=Create.NEVER)
    small.remove(p(b"/file"))
    assert left(small) == before - 4
    file.set_attributes(Attributes(size=NODE_COST))
    assert left(small) == before - 2
    file.close()
    file.close()
    assert left(small) == before
