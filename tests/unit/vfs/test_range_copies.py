"""Copies within the server, through all that is around a session's files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conchgo.errors import PermissionDenied, QuotaExceeded
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.interface import Filesystem, OpenOptions
from conchgo.vfs.range_copies import copy_part
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from tests.unit.vfs.helpers import CREATE, READ, View, get, outcome, p, put

HOME = "user:ada"
KIB = 1024
modes = pytest.mark.parametrize("mode", UploadMode)


class Home:
    """A session in a home of 100 KiB, and what is counted of it."""

    def __init__(self, storage: Any, mode: UploadMode = UploadMode.DIRECT, max_size: int | None = None) -> None:
        self.ledger = MemoryLedger()
        self.ledger.count(HOME, Usage(0, 0))
        charge = Charge(HOME, ((HOME, Limits(100 * KIB, 10)),))
        uploads = UploadRules(mode, max_size)
        self.view = View(storage, uploads=uploads, ledger=self.ledger, charge=charge)
        self.fs = self.view.fs

    @property
    def used(self) -> Usage | None:
        return self.ledger.usage(HOME)

    def copy(self, length: int, options: OpenOptions = CREATE) -> int:
        """`source` to `target`, whose handle is closed, come what may."""
        source, target = self.fs.open(p(b"/source"), READ), self.fs.open(p(b"/target"), options)
        try:
            return copy_part(source.inside, target.inside, 0, length, 0)
        finally:
            source.close()
            try:
                target.close()
            except QuotaExceeded:
                pass


@pytest.fixture
def system_copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The counts of bytes of all copies by the system."""
    copies: list[int] = []
    original: Callable[..., int] = os.copy_file_range

    def noted(*args: int) -> int:
        copies.append(count := original(*args))
        return count

    monkeypatch.setattr(os, "copy_file_range", noted)
    return copies


@modes
def test_the_system_copies_and_all_of_it_is_counted(storage: Any, system_copies: list[int], mode: UploadMode) -> None:
    home = Home(storage, mode)
    put(home.fs, b"/source", bytes(range(256)))
    assert home.copy(256) == 256
    closed = [(event.path, event.bytes_read, event.bytes_written, event.status) for event in home.view.events[-2:]]
    assert get(home.fs, b"/target") == bytes(range(256))
    assert home.used == Usage(512, 2)
    assert system_copies == ([256] if isinstance(storage, LocalStorage) else [])
    assert closed == [(p(b"/source"), 256, 0, "ok"), (p(b"/target"), 0, 256, "ok")]


@modes
def test_a_source_that_is_shorter_than_was_asked(storage: Any, mode: UploadMode) -> None:
    """The room for all of it was announced, and is given back."""
    home = Home(storage, mode)
    put(home.fs, b"/source", b"x" * 100)
    assert home.copy(50 * KIB) == 100
    assert home.used == Usage(200, 2)


@modes
def test_a_quota_that_is_full(storage: Any, mode: UploadMode) -> None:
    home = Home(storage, mode)
    put(home.fs, b"/source", b"x" * 60 * KIB)
    assert outcome(home.copy, 60 * KIB) is QuotaExceeded
    assert home.used == Usage(60 * KIB, 1)
    reasons = {event.path: event.reason for event in home.view.events if event.action == "close"}
    assert reasons[p(b"/source")] is None
    assert "quota exceeded" in (reasons[p(b"/target")] or "")


@modes
def test_the_largest_size_of_a_file(storage: Any, mode: UploadMode) -> None:
    home = Home(storage, mode, max_size=100)
    home.view.uploads = UploadRules()
    put(home.view.fs, b"/source", b"x" * 101)
    assert outcome(home.copy, 101) is QuotaExceeded
    assert home.used == Usage(101, 1)
    assert home.copy(100) == 100


def test_what_is_open_otherwise_is_refused_in_the_words_of_a_read_and_a_write(storage: Any) -> None:
    home = Home(storage)
    put(home.fs, b"/source", b"x")
    put(home.fs, b"/target")
    assert outcome(home.copy, 1, READ) is PermissionDenied
    assert [event.status for event in home.view.events if event.action == "open"][-1] == "refused"
    source = home.fs.open(p(b"/source"), OpenOptions(write=True))
    target = home.fs.open(p(b"/target"), OpenOptions(write=True))
    assert outcome(copy_part, source.inside, target.inside, 0, 1, 0) is PermissionDenied
    assert get(home.fs, b"/target") == b""


def test_from_one_storage_to_another_kind(tmp_path: Path, system_copies: list[int]) -> None:
    local = LocalStorage(bytes(tmp_path))
    fs: Filesystem = View(MemoryStorage(), folders={b"/disk": local}).fs
    put(fs, b"/source", b"content")
    for one, other in ((b"/source", b"/disk/there"), (b"/disk/there", b"/back")):
        source, target = fs.open(p(one), READ), fs.open(p(other), CREATE)
        assert copy_part(source.inside, target.inside, 0, 100, 0) == 7
        source.close()
        target.close()
        assert get(fs, other) == b"content"
    assert system_copies == []
    local.close()
