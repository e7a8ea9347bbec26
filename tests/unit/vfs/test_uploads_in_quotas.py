"""Uploads into storages with quotas: what a limit ends is undone, and what is counted is what is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conchgo.accounts.permissions import Permissions
from conchgo.errors import Failure, NotBefore, QuotaExceeded
from conchgo.events.bus import Bus
from conchgo.paths import ROOT
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.interface import Attributes, Kind
from conchgo.vfs.compose import Mount, View, compose
from conchgo.vfs.interface import Filesystem, OpenOptions
from conchgo.vfs.metering.metered import Metered
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from conchgo.vfs.walk import walk
from tests.unit.vfs.helpers import CREATE, IDENTITY, ORIGIN, WRITE, outcome, p, put

HOME = "user:ada"
modes = pytest.mark.parametrize("mode", UploadMode)
atomic_modes = pytest.mark.parametrize("mode", [UploadMode.ATOMIC, UploadMode.RESUME])


class Home:
    """A home of 100 bytes and 3 files, and what is counted of it."""

    def __init__(self, storage: Any) -> None:
        self.plain = storage
        self.now = 1000.0
        self.ledger = MemoryLedger(lambda: self.now)
        self.ledger.count(HOME, Usage(0, 0))
        self.storage = Metered(storage, self.ledger, Charge(HOME, ((HOME, Limits(100, 3)),)))

    def session(self, mode: UploadMode) -> Filesystem:
        permissions = Permissions.parse({"/": ["*"]})
        view = View({ROOT: Mount(self.storage)}, permissions, IDENTITY, ORIGIN, Bus(), uploads=UploadRules(mode))
        return compose(view)

    def check(self) -> dict[bytes, int]:
        """Names and sizes of what is there, which is what is counted."""
        found = {entry.name: entry.stat for _, entry in walk(self.plain) if entry.stat and entry.stat.kind is Kind.FILE}
        inodes = {stat.identity: stat.size for stat in found.values()}
        assert self.ledger.usage(HOME) == (sum(inodes.values()), len(inodes))
        return {name: stat.size for name, stat in found.items()}


@pytest.fixture
def home(make_storage: Callable[[], Any]) -> Iterator[Home]:
    home = Home(make_storage())
    yield home
    home.check()


def views(count: int) -> list[memoryview]:
    return [memoryview(bytes(count))]


@modes
@pytest.mark.parametrize("old", [None, 30])
def test_one_byte_more_than_the_quota(home: Home, mode: UploadMode, old: int | None) -> None:
    fs = home.session(mode)
    if old is not None:
        put(fs, b"/f", bytes(old))
    room = 100 - (old or 0) if mode is not UploadMode.DIRECT else 100
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(room), 0)
    with pytest.raises(QuotaExceeded, match=r"^quota exceeded: .*; (what was|nothing of the) upload"):
        file.pwritev(views(1), room)
    with pytest.raises(QuotaExceeded, match=r"^quota exceeded: .*; (what was|nothing of the) upload"):
        file.close()
    assert home.check() == ({b"f": 30} if old and mode is not UploadMode.DIRECT else {})


@modes
def test_exactly_the_quota(home: Home, mode: UploadMode) -> None:
    put(home.session(mode), b"/f", bytes(100))
    assert home.check() == {b"f": 100}


@modes
def test_a_sparse_write_of_a_tebibyte(home: Home, mode: UploadMode) -> None:
    fs = home.session(mode)
    file = fs.open(p(b"/f"), CREATE)
    assert outcome(lambda: file.pwritev(views(1), 2**40)) is QuotaExceeded
    assert outcome(lambda: file.set_attributes(Attributes(size=2**40))) is QuotaExceeded
    file.abandon()
    assert home.check() == {}


@modes
def test_a_resumed_upload(home: Home, mode: UploadMode) -> None:
    fs = home.session(mode)
    put(fs, b"/f", bytes(60))
    file = fs.open(p(b"/f"), WRITE)
    file.pwritev(views(40), 60)
    with pytest.raises(QuotaExceeded, match="the file is cut back to 60 bytes"):
        file.pwritev(views(1), 100)
    assert outcome(file.close) is QuotaExceeded
    assert home.check() == {b"f": 60}


@modes
def test_what_was_undone_makes_room(home: Home, mode: UploadMode) -> None:
    fs = home.session(mode)
    for _ in range(3):
        file = fs.open(p(b"/f"), CREATE)
        assert outcome(lambda: file.append(memoryview(bytes(101)))) is QuotaExceeded  # noqa: B023
        file.abandon()
    put(fs, b"/f", bytes(100))
    assert home.check() == {b"f": 100}


@atomic_modes
def test_the_old_file_and_the_temporary_both_count(home: Home, mode: UploadMode) -> None:
    fs = home.session(mode)
    put(fs, b"/f", bytes(40))
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(60), 0)
    other = fs.open(p(b"/g"), CREATE)
    assert outcome(lambda: other.append(memoryview(b"x"))) is QuotaExceeded
    assert outcome(other.close) is QuotaExceeded
    file.close()
    put(fs, b"/g", bytes(40))
    assert home.check() == {b"f": 60, b"g": 40}


@modes
def test_the_file_limit(home: Home, mode: UploadMode) -> None:
    fs = home.session(mode)
    for name in (b"/1", b"/2", b"/3"):
        put(fs, name, b"x")
    assert outcome(lambda: fs.open(p(b"/4"), CREATE)) is QuotaExceeded
    assert home.check() == {b"1": 1, b"2": 1, b"3": 1}


def full(home: Home, mode: UploadMode) -> Filesystem:
    fs = home.session(mode)
    for name in (b"/1", b"/2", b"/3"):
        put(fs, name, b"x")
    return fs


@modes
def test_at_the_file_limit_files_are_replaced(home: Home, mode: UploadMode) -> None:
    fs = full(home, mode)
    first, second = fs.open(p(b"/1"), CREATE), fs.open(p(b"/2"), CREATE)
    first.pwritev(views(20), 0)
    # What they have besides is no room for anybody else.
    assert outcome(lambda: fs.open(p(b"/4"), CREATE)) is QuotaExceeded
    first.close()
    assert outcome(lambda: fs.open(p(b"/4"), CREATE)) is QuotaExceeded
    second.close()
    assert home.check() == {b"1": 20, b"2": 0, b"3": 1}
    fs.remove(p(b"/3"))
    put(fs, b"/4", b"x")


@atomic_modes
def test_what_replaces_nothing_at_the_file_limit_is_refused(home: Home, mode: UploadMode) -> None:
    fs = full(home, mode)
    upload = fs.open(p(b"/1"), CREATE)
    upload.pwritev(views(20), 0)
    home.session(mode).rename(p(b"/1"), p(b"/moved"), replace=False)
    with pytest.raises(Failure, match=r"quota exceeded.*nothing of it is kept"):
        upload.close()
    assert home.check() == {b"moved": 1, b"2": 1, b"3": 1}


@atomic_modes
def test_a_file_with_other_names_is_not_gone_when_it_is_replaced(home: Home, mode: UploadMode) -> None:
    fs = full(home, mode)
    fs.link(p(b"/1"), p(b"/other"))
    upload = fs.open(p(b"/1"), CREATE)
    upload.pwritev(views(20), 0)
    with pytest.raises(Failure, match=r"quota exceeded.*nothing of it is kept"):
        upload.close()
    fs.remove(p(b"/3"))
    fs.remove(p(b"/2"))
    put(fs, b"/1", bytes(20))
    assert home.check() == {b"1": 20, b"other": 1}


@atomic_modes
def test_what_replaces_nothing_takes_a_place_of_its_own(home: Home, mode: UploadMode) -> None:
    fs = home.session(mode)
    put(fs, b"/1", b"x")
    upload = fs.open(p(b"/1"), CREATE)
    home.session(mode).remove(p(b"/1"))
    upload.close()
    put(fs, b"/2", b"x")
    put(fs, b"/3", b"x")
    assert home.check() == {b"1": 0, b"2": 1, b"3": 1}
    assert outcome(lambda: fs.open(p(b"/4"), CREATE)) is QuotaExceeded


@modes
def test_hard_links_and_renames_meanwhile(home: Home, mode: UploadMode) -> None:
    fs = home.session(mode)
    put(fs, b"/f", bytes(20))
    fs.link(p(b"/f"), p(b"/other"))
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(30), 0)
    fs.rename(p(b"/f"), p(b"/g"), replace=False)
    file.close()
    expected = {b"g": 30, b"other": 30 if mode is UploadMode.DIRECT else 20}
    assert home.check() == expected


@modes
def test_a_client_that_vanishes(home: Home, mode: UploadMode) -> None:
    fs = home.session(mode)
    put(fs, b"/f", bytes(20))
    file = fs.open(p(b"/f"), CREATE)
    file.pwritev(views(30), 0)
    file.abandon()
    assert home.check() == {b"f": 20 if mode is UploadMode.ATOMIC else 30}


@modes
def test_who_waits_for_room_keeps_his_place(home: Home, mode: UploadMode) -> None:
    """Were he known by another name each time he asks, nobody would ever be served or refused."""
    fs = home.session(mode)
    held = home.ledger.change(Charge(HOME, ((HOME, Limits(100, 3)),)), p(b"/other"), identity=None, before=0, files=3)
    put_it = OpenOptions(write=True, create=True)
    for _ in range(99):
        assert home.ledger.usage(HOME) == (0, 0)
        with pytest.raises(NotBefore):
            fs.open(p(b"/f"), put_it)
        home.now += 0.05
    home.now += 0.1
    assert outcome(lambda: fs.open(p(b"/f"), put_it)) is QuotaExceeded
    held.cancel()
    put(fs, b"/f", b"data")
    assert home.check() == {b"f": 4}
