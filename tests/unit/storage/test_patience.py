"""Locks that other programs hold."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from conchgo.errors import Failure, NotBefore, WouldBlock
from conchgo.paths import VirtualPath
from conchgo.storage import local_file, tree_lock
from conchgo.storage.interface import Create
from conchgo.storage.local import LocalStorage
from conchgo.storage.local_file import LocalFile
from conchgo.storage.patience import LONGEST, Patience


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def waited_for(patience: Patience, clock: Clock, file: tuple[int, int] = (1, 2)) -> int:
    """Ask as often as is told, until that is refused; how often that was."""
    count = 0
    while True:
        try:
            clock.now = patience.refused(file).at
        except Failure as error:
            assert "locked" in error.text  # noqa: PT017 - which it is, is what matters
            return count
        count += 1


def test_it_ends_and_does_not_ask_all_the_time(clock: Clock) -> None:
    patience = Patience("locked", clock)
    began = clock.now
    assert patience.refused((1, 2)).at <= began + 0.01
    assert waited_for(patience, clock) < 300
    assert LONGEST <= clock.now - began < LONGEST + 1
    # The next one need not wait for so long to hear the same; who asks for another file does.
    assert waited_for(patience, clock) == 0
    assert waited_for(patience, clock, (1, 3)) > 10


def test_who_was_let_in_begins_anew(clock: Clock) -> None:
    patience = Patience("locked", clock)
    waited_for(patience, clock)
    patience.granted((1, 2))
    assert not patience
    assert waited_for(patience, clock) > 10


def test_what_nobody_asks_for_is_forgotten(clock: Clock) -> None:
    patience = Patience("locked", clock)
    for number in range(100):
        patience.refused((1, number))
    clock.now += 60
    patience.refused((1, 200))
    assert len(patience._refused) == 1
    assert waited_for(patience, clock, (1, 7)) > 10


def patiently(work: Callable[[], object], clock: Clock) -> None:
    while True:
        try:
            work()
        except NotBefore as wait:
            clock.now = wait.at
        else:
            return


def test_a_file_that_somebody_else_has_locked_for_ever(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_file, "_patience", Patience("another program", clock))
    path = tmp_path / "file"
    path.write_bytes(b"data")
    storage = LocalStorage(bytes(tmp_path))

    def opened() -> LocalFile:
        return storage.open(VirtualPath((b"file",)), read=True, write=True, create=Create.NEVER)

    file = opened()
    with path.open("rb") as foreign:
        fcntl.flock(foreign, fcntl.LOCK_SH)
        began = clock.now
        with pytest.raises(Failure, match="another program"):
            patiently(lambda: file.exclusively().__enter__(), clock)
        assert clock.now - began < LONGEST + 1
        # Another handle, of another session perhaps, hears it at once.
        other = opened()
        with pytest.raises(Failure, match="another program"), other.exclusively():
            pytest.fail("two are in")
        with pytest.raises(WouldBlock), other.exclusively(at_once=True):
            pytest.fail("two are in")
    with other.exclusively() as found:
        assert found.size == 4
    assert not local_file._patience
    file.close()
    other.close()
    storage.close()


@pytest.mark.parametrize("lock", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_directory_that_somebody_else_has_locked_for_ever(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, lock: int
) -> None:
    monkeypatch.setattr(tree_lock, "_patience", Patience("another program", clock))
    (tmp_path / "old").mkdir()
    storage = LocalStorage(bytes(tmp_path))
    old, new, made = (VirtualPath((name,)) for name in (b"old", b"new", b"made"))
    foreign = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(foreign, lock)

    def rename() -> None:
        if lock == fcntl.LOCK_SH:
            # Others are let in meanwhile, and that does not make this one wait anew.
            storage.mkdir(made)
            storage.rmdir(made)
        storage.rename(old, new, replace=False)

    began = clock.now
    with pytest.raises(Failure, match="another program"):
        patiently(rename, clock)
    assert LONGEST <= clock.now - began < LONGEST + 1
    if lock == fcntl.LOCK_EX:
        with pytest.raises(Failure, match="another program"):
            storage.mkdir(made)
    os.close(foreign)
    rename()
    storage.mkdir(made)
    assert not tree_lock._patience
    storage.close()
