"""Quotas: what is counted, what is refused, and that nothing is kept of what is refused."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from conchgo.errors import (
    AlreadyExists,
    BadHandle,
    Busy,
    CrossStorage,
    Failure,
    InvalidArgument,
    IsADirectory,
    NoSpace,
    NotBefore,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    WouldBlock,
)
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.metering.metered import Metered
from tests.unit.vfs.helpers import outcome, p

HOME = "user:ada"
NO_LIMITS = Limits()


class ToldLedger(MemoryLedger):
    """Remembers what it was told, and can be made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[bytes, int, int]] = []
        self.waits = False

    def change(self, charge: Charge, path: Any, **how: Any) -> Any:
        if self.waits and how.get("at_once"):
            raise WouldBlock
        change = super().change(charge, path, **how)
        self.told.append((bytes(path), how["before"], how.get("grow", 0)))
        return change


class Home:
    """A storage with a quota."""

    def __init__(self, storage: Any, limits: Limits = NO_LIMITS, ledger: ToldLedger | None = None, name: str = HOME):
        self.plain = storage
        self.name = name
        self.ledger = ledger or ToldLedger()
        self.ledger.count(name, Usage(0, 0))
        self.storage = Metered(storage, self.ledger, Charge(name, ((name, limits),)))

    @property
    def used(self) -> Usage | None:
        return self.ledger.usage(self.name)

    def put(self, path: bytes, data: bytes = b"", create: Create = Create.NEW, *, truncate: bool = False) -> None:
        file = self.open(path, create, truncate=truncate)
        try:
            if data:
                file.pwritev([memoryview(data)], 0)
        finally:
            file.close()

    def open(self, path: bytes, create: Create = Create.NEVER, *, truncate: bool = False, now: bool = False) -> Any:
        storage = self.storage.at_once if now else self.storage
        assert storage is not None
        return storage.open(p(path), read=True, write=True, create=create, truncate=truncate)


@pytest.fixture
def home(storage: Any) -> Home:
    return Home(storage)


@pytest.fixture
def limited(storage: Any) -> Home:
    return Home(storage, Limits(100, 2))


@pytest.fixture
def local(tmp_path: Any) -> Iterator[Callable[[str], LocalStorage]]:
    with ExitStack() as closing:

        def make(name: str) -> LocalStorage:
            (tmp_path / name).mkdir(exist_ok=True)
            made = LocalStorage(bytes(tmp_path / name))
            closing.callback(made.close)
            return made

        yield make


def view(data: bytes) -> list[memoryview]:
    return [memoryview(data)]


def test_what_is_counted(home: Home) -> None:
    home.put(b"/a", b"12345")
    assert home.used == (5, 1)
    file = home.open(b"/a")
    file.pwritev(view(b"67"), 10)
    assert home.used == (12, 1)
    file.append(memoryview(b"8"))
    file.set_attributes(Attributes(size=4, mtime=5))
    assert home.used == (4, 1)
    assert file.stat().mtime == 5
    home.storage.set_attributes(p(b"/a"), Attributes(size=40))
    home.storage.mkdir(p(b"/d"))
    home.storage.symlink(b"a", p(b"/link"))
    assert home.used == (40, 1)
    home.storage.rename(p(b"/a"), p(b"/d/b"), replace=False)
    home.storage.rename(p(b"/d"), p(b"/e"), replace=True)
    home.storage.rename(p(b"/link"), p(b"/other"), replace=True)
    home.storage.remove(p(b"/other"))
    assert home.used == (40, 1)
    home.put(b"/e/b", b"new", Create.NEVER, truncate=True)
    assert home.used == (3, 1)
    home.storage.remove(p(b"/e/b"))
    assert home.used == (0, 0)
    file.close()


def test_what_only_looks_or_stays_inside_is_not_told(home: Home) -> None:
    home.put(b"/a", b"12345")
    told = len(home.ledger.told)
    file = home.open(b"/a")
    file.pwritev([memoryview(b"ab"), memoryview(b"cde")], 0)
    if not file.pwritev_now(view(b"z"), 4):
        file.pwritev(view(b"z"), 4)
    file.pwritev(view(b""), 100)
    file.append(memoryview(b""))
    file.set_attributes(Attributes(size=5, mode=0o600))
    file.set_attributes(Attributes(mtime=7))
    assert file.pread(10, 0) == b"abcdz"
    assert file.stat().mtime == 7
    file.close()
    home.storage.lstat(p(b"/a"))
    assert len(home.ledger.told) == told


def test_it_is_told_before_with_what_is_there(home: Home) -> None:
    home.put(b"/a", b"12345")
    file = home.open(b"/a")
    file.pwritev(view(b"678"), 4)
    file.set_attributes(Attributes(size=1))
    file.close()
    home.storage.remove(p(b"/a"))
    assert home.ledger.told == [(b"/a", 0, 0), (b"/a", 0, 5), (b"/a", 5, 2), (b"/a", 7, 0), (b"/a", 1, 0)]


def test_one_byte_over_the_quota(limited: Home) -> None:
    limited.put(b"/a", bytes(99))
    file = limited.open(b"/a")
    for offset, size in (99, 2), (98, 3), (2**40 - 1, 1), (2**63 - 2, 1):
        with pytest.raises(QuotaExceeded, match="quota exceeded"):
            file.pwritev(view(b"x" * size), offset)
    assert outcome(lambda: file.append(memoryview(b"xy"))) is QuotaExceeded
    assert outcome(lambda: file.set_attributes(Attributes(size=101))) is QuotaExceeded
    assert file.pread(200, 0) == bytes(99)
    assert limited.used == (99, 1)
    file.append(memoryview(b"x"))
    assert limited.used == (100, 1)
    file.set_attributes(Attributes(size=0))
    file.pwritev(view(b"x" * 100), 0)
    assert limited.used == (100, 1)
    file.close()


def test_the_file_limit_is_for_new_files_only(limited: Home) -> None:
    limited.put(b"/a")
    limited.put(b"/b")
    assert outcome(lambda: limited.put(b"/c")) is QuotaExceeded
    assert outcome(lambda: limited.put(b"/a")) is AlreadyExists
    assert outcome(lambda: limited.plain.lstat(p(b"/c"))) is NotFound
    limited.put(b"/a", b"data", Create.NEVER)
    limited.storage.link(p(b"/a"), p(b"/c"))
    limited.storage.symlink(b"a", p(b"/d"))
    limited.storage.rename(p(b"/b"), p(b"/e"), replace=False)
    assert limited.used == (4, 2)


def test_an_inode_counts_until_its_last_name_is_gone(home: Home) -> None:
    home.put(b"/a", b"12345")
    home.storage.link(p(b"/a"), p(b"/b"))
    home.storage.link(p(b"/a"), p(b"/c"))
    assert home.used == (5, 1)
    home.storage.remove(p(b"/a"))
    home.storage.rename(p(b"/b"), p(b"/c"), replace=True)
    assert home.used == (5, 1)
    home.put(b"/x", b"x")
    home.storage.rename(p(b"/x"), p(b"/c"), replace=True)
    assert home.used == (1, 1)


def test_what_a_rename_replaces_is_gone(home: Home) -> None:
    home.put(b"/a", b"12345")
    home.put(b"/b", b"123")
    home.storage.symlink(b"a", p(b"/link"))
    assert outcome(lambda: home.storage.rename(p(b"/a"), p(b"/b"), replace=False)) is AlreadyExists
    home.storage.rename(p(b"/a"), p(b"/link"), replace=True)
    assert home.used == (8, 2)
    home.storage.rename(p(b"/link"), p(b"/b"), replace=True)
    assert home.used == (5, 1)
    home.storage.rename(p(b"/b"), p(b"/b"), replace=True)
    assert home.used == (5, 1)


def test_what_stays_of_a_write_that_failed_is_counted() -> None:
    storage = MemoryStorage(capacity=3000)
    home = Home(storage)
    home.put(b"/a")
    file = home.open(b"/a")
    put = file._file.pwritev

    def half(views: Any, offset: int) -> None:
        put([views[0][:10]], offset)
        raise NoSpace

    file._file.pwritev = half
    assert outcome(lambda: file.pwritev(view(bytes(100)), 5)) is NoSpace
    assert home.used == (15, 1)
    assert outcome(lambda: file.append(memoryview(bytes(3000)))) is NoSpace
    assert outcome(lambda: file.set_attributes(Attributes(size=5000))) is NoSpace
    assert home.used == (15, 1)


def test_errors_are_the_storages_own(home: Home) -> None:
    home.put(b"/a", b"12345")
    home.storage.mkdir(p(b"/d"))
    home.storage.symlink(b"a", p(b"/link"))
    told = home.used
    reader = home.storage.open(p(b"/a"), read=True, write=False, create=Create.NEVER)
    for call, error in (
        (lambda: reader.pwritev(view(b"x"), 10), BadHandle),
        (lambda: reader.append(memoryview(b"x")), BadHandle),
        (lambda: reader.set_attributes(Attributes(size=10)), BadHandle),
        (lambda: home.open(b"/none"), NotFound),
        (lambda: home.open(b"/none/a", Create.NEW), NotFound),
        (lambda: home.open(b"/d"), IsADirectory),
        (lambda: home.storage.remove(p(b"/d")), IsADirectory),
        (lambda: home.storage.remove(p(b"/none")), NotFound),
        (lambda: home.storage.rename(p(b"/none"), p(b"/a"), replace=True), NotFound),
        (lambda: home.storage.rename(p(b"/a"), p(b"/none/a"), replace=True), NotFound),
        (lambda: home.storage.rename(p(b"/a"), p(b"/d"), replace=True), IsADirectory),
        (lambda: home.storage.rename(p(b"/"), p(b"/d/a"), replace=True), InvalidArgument),
        (lambda: home.storage.set_attributes(p(b"/d"), Attributes(size=1)), IsADirectory),
        (lambda: home.storage.set_attributes(p(b"/a"), Attributes(size=-1)), InvalidArgument),
        (
            lambda: home.storage.open(p(b"/a"), read=True, write=False, create=Create.NEVER, truncate=True),
            InvalidArgument,
        ),
    ):
        assert outcome(call) is error
    reader.close()
    file = home.open(b"/a")
    assert outcome(lambda: file.pwritev(view(b"x"), -1)) is InvalidArgument
    file.close()
    assert outcome(lambda: file.pwritev(view(b"x"), 10)) is BadHandle
    assert home.used == told
    home.storage.set_attributes(p(b"/link"), Attributes(mtime=1), link=True)
    home.storage.remove(p(b"/link"))


def test_a_removed_file_does_not_grow(home: Home) -> None:
    home.put(b"/a", b"12345")
    file = home.open(b"/a")
    home.storage.remove(p(b"/a"))
    with pytest.raises(NotFound, match="removed while it was open"):
        file.pwritev(view(b"x"), 5)
    file.pwritev(view(b"abcde"), 0)
    file.set_attributes(Attributes(size=2))
    assert file.pread(10, 0) == b"ab"
    assert home.used == (0, 0)
    file.close()


def test_nobody_waits_for_who_holds_a_file(home: Home) -> None:
    home.put(b"/a", b"12345")
    home.put(b"/b")
    file = home.open(b"/a")
    with home.plain.open(p(b"/a"), read=True, write=False, create=Create.NEVER).exclusively():
        for call in (
            lambda: file.pwritev(view(b"x"), 0),
            lambda: file.append(memoryview(b"x")),
            lambda: file.set_attributes(Attributes(size=0)),
            lambda: home.open(b"/a", truncate=True),
            lambda: home.storage.remove(p(b"/a")),
            lambda: home.storage.rename(p(b"/a"), p(b"/c"), replace=True),
            lambda: home.storage.rename(p(b"/b"), p(b"/a"), replace=True),
            lambda: home.storage.set_attributes(p(b"/a"), Attributes(size=0)),
        ):
            with pytest.raises(NotBefore):
                call()
        if file.immediate:
            assert file.pwritev_now(view(b"x"), 0) is False
    assert home.used == (5, 2)
    file.close()


def test_what_answers_at_once_changes_nothing_where_it_would_wait() -> None:
    home = Home(MemoryStorage())
    home.put(b"/a", b"12345")
    home.ledger.waits = True
    file = home.open(b"/a", now=True)
    assert file.pwritev_now(view(b"x"), 4) is True
    assert file.pwritev_now(view(b"x"), 5) is False
    for call in (
        lambda: home.open(b"/b", Create.NEW, now=True),
        lambda: home.open(b"/a", truncate=True, now=True),
        lambda: home.storage.at_once.remove(p(b"/a")),
        lambda: home.storage.at_once.rename(p(b"/a"), p(b"/b"), replace=True),
        lambda: home.storage.at_once.set_attributes(p(b"/a"), Attributes(size=0)),
    ):
        with pytest.raises(WouldBlock):
            call()
    assert file.pread(10, 0) == b"1234x"
    assert home.used == (5, 1)
    # What is opened at once may wait later, in a thread.
    file.pwritev(view(b"x"), 5)
    home.ledger.waits = False
    assert file.pwritev_now(view(b"y"), 6) is True
    home.open(b"/b", Create.NEW, now=True).close()
    home.open(b"/a", truncate=True, now=True).close()
    assert home.used == (0, 2)


def test_parallel_writes_never_pass_the_limit(storage: Any) -> None:
    home = Home(storage, Limits(20_000))
    home.put(b"/shared")
    storage.mkdir(p(b"/d"))
    errors: list[Exception] = []

    def persistently(work: Callable[[], Any]) -> Any:
        while True:
            try:
                return work()
            except NotBefore:
                continue
            except QuotaExceeded:
                return None

    def session(number: int) -> None:
        try:
            for turn in range(20):
                shared = home.open(b"/shared")
                persistently(lambda shared=shared: shared.append(memoryview(bytes(300))))
                if turn % 7 == 0:
                    persistently(lambda shared=shared: shared.set_attributes(Attributes(size=number * 50)))
                shared.close()
                name = b"/d/%d" % number
                # Before it is written another thread may rename a file of its own onto it.
                with suppress(NotFound):
                    persistently(lambda name=name: home.put(name, bytes(number * 100), Create.NEW))
                other = b"/d/%d" % ((number + 1) % 4)
                with suppress(NotFound):
                    persistently(lambda name=name, other=other: home.storage.rename(p(name), p(other), replace=True))
                with suppress(NotFound):
                    persistently(lambda name=name: home.storage.remove(p(name)))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=session, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [error for error in errors if not isinstance(error, AlreadyExists | Busy)]
    listing = storage.scan(p(b"/d"))
    sizes = [entry.stat.size for entry in listing] + [storage.lstat(p(b"/shared")).size]
    listing.close()
    assert home.used == (sum(sizes), len(sizes))


def test_a_name_that_becomes_another_files_is_looked_at_again(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(storage)
    home.put(b"/a", b"12345")
    lstat = storage.lstat

    def replaced(path: Any) -> Any:
        found = lstat(path)
        monkeypatch.undo()
        home.storage.remove(p(b"/a"))
        home.put(b"/a", b"other")
        home.put(b"/more", b"1")
        return found

    monkeypatch.setattr(type(storage), "lstat", lambda self, path: replaced(path))
    home.storage.remove(p(b"/a"))
    assert home.used == (1, 1)

    storage.symlink(b"more", p(b"/link"))

    def filled(path: Any) -> Any:
        found = lstat(path)
        monkeypatch.undo()
        storage.remove(p(b"/link"))
        home.put(b"/link", b"a file now")
        return found

    monkeypatch.setattr(type(storage), "lstat", lambda self, path: filled(path))
    home.storage.remove(p(b"/link"))
    assert home.used == (1, 1)


def test_a_file_that_becomes_a_link_is_not_followed(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(storage)
    home.put(b"/a", b"12345")
    home.put(b"/target", b"1")
    lstat = storage.lstat

    def linked(path: Any) -> Any:
        found = lstat(path)
        monkeypatch.undo()
        home.storage.remove(p(b"/a"))
        storage.symlink(b"target", p(b"/a"))
        return found

    monkeypatch.setattr(type(storage), "lstat", lambda self, path: linked(path))
    home.storage.remove(p(b"/a"))
    assert outcome(lambda: storage.lstat(p(b"/a"))) is NotFound
    assert home.used == (1, 1)


def test_a_file_that_can_not_be_opened_is_removed_and_counted(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(storage)
    home.put(b"/a", b"12345")
    home.put(b"/b", b"1")

    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionDenied

    monkeypatch.setattr(type(storage), "open", refused)
    home.storage.rename(p(b"/a"), p(b"/b"), replace=True)
    assert home.used == (5, 1)
    home.storage.remove(p(b"/b"))
    assert home.used == (0, 0)


def test_a_file_opened_to_read_is_the_storages_own(home: Home, limited: Home) -> None:
    home.put(b"/a", b"12345")
    for storage in home.storage, limited.storage:
        file = storage.open(p(b"/a"), read=True, write=False, create=Create.NEVER)
        assert getattr(file.pread, "__self__", None) is not file or storage is home.storage
        assert file.pread(10, 0) == b"12345"
        file.close()


def test_a_charge_that_nobody_pays_costs_nothing(storage: Any) -> None:
    ledger = ToldLedger()
    metered = Metered(storage, ledger, Charge("user:ada", ()))
    file = metered.open(p(b"/a"), read=True, write=True, create=Create.NEW)
    file.pwritev(view(b"x"), 0)
    file.close()
    metered.set_attributes(p(b"/a"), Attributes(size=7))
    metered.rename(p(b"/a"), p(b"/b"), replace=True)
    metered.remove(p(b"/b"))
    assert ledger.told == []


# Between quotas.


class Two:
    """A home and a folder on one file system."""

    def __init__(
        self, local: Callable[[str], LocalStorage], limits: Limits = NO_LIMITS, home: Limits = NO_LIMITS
    ) -> None:
        self.ledger = ToldLedger()
        self.home = Home(local("home"), home, self.ledger)
        self.folder = Home(local("folder"), limits, self.ledger, "folder:f")

    def move(self, old: bytes, new: bytes, *, replace: bool = False, back: bool = False) -> None:
        source, target = (self.folder, self.home) if back else (self.home, self.folder)
        source.storage.rename_to(p(old), target.storage, p(new), replace=replace)

    @property
    def used(self) -> tuple[Usage | None, Usage | None]:
        return self.home.used, self.folder.used


def test_what_moves_is_counted_where_it_is(local: Any) -> None:
    two = Two(local)
    two.home.put(b"/a", b"12345")
    two.home.storage.mkdir(p(b"/d"))
    two.home.storage.mkdir(p(b"/d/e"))
    two.home.put(b"/d/e/b", b"123")
    two.home.storage.symlink(b"a", p(b"/d/link"))
    two.move(b"/a", b"/a")
    assert two.used == ((3, 1), (5, 1))
    two.move(b"/d", b"/d")
    assert two.used == ((0, 0), (8, 2))
    two.move(b"/d/link", b"/link", back=True)
    assert two.used == ((0, 0), (8, 2))
    two.home.put(b"/a", b"1")
    assert outcome(lambda: two.move(b"/a", b"/a")) is AlreadyExists
    two.move(b"/a", b"/a", replace=True)
    assert two.used == ((0, 0), (4, 2))


def test_a_move_into_a_full_folder_is_refused_unless_it_replaces_and_fits(local: Any) -> None:
    two = Two(local, Limits(10, 1))
    two.folder.put(b"/full", bytes(10))
    two.home.put(b"/fits", bytes(10))
    two.home.put(b"/large", bytes(11))
    two.home.storage.mkdir(p(b"/d"))
    two.home.put(b"/d/one")
    assert outcome(lambda: two.move(b"/fits", b"/new")) is QuotaExceeded
    assert outcome(lambda: two.move(b"/large", b"/full", replace=True)) is QuotaExceeded
    assert outcome(lambda: two.move(b"/d", b"/d")) is QuotaExceeded
    assert two.used == ((21, 3), (10, 1))
    two.move(b"/fits", b"/full", replace=True)
    assert two.used == ((11, 2), (10, 1))


def test_what_moves_between_home_and_a_folder_in_the_same_quota_needs_no_room(local: Any) -> None:
    two = Two(local)
    limits = Limits(5, 1, ("folder:f",))
    two.ledger.count(HOME, Usage(0, 0))
    home = Metered(two.home.plain, two.ledger, Charge(HOME, ((HOME, limits),)))
    folder = Metered(two.folder.plain, two.ledger, Charge("folder:f", ((HOME, limits), ("folder:f", Limits()))))
    file = home.open(p(b"/a"), read=False, write=True, create=Create.NEW)
    file.append(memoryview(b"12345"))
    file.close()
    home.rename_to(p(b"/a"), folder, p(b"/a"), replace=False)
    assert two.used == ((0, 0), (5, 1))
    assert outcome(lambda: home.open(p(b"/b"), read=False, write=True, create=Create.NEW)) is QuotaExceeded
    folder.rename_to(p(b"/a"), home, p(b"/a"), replace=False)
    assert two.used == ((5, 1), (0, 0))


def test_a_move_that_is_killed_is_uncertain_where_it_leaves_too(local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not gone there and uncertain here: what both together hold would look less than it is."""
    two = Two(local)
    two.home.put(b"/a", b"12345")
    change, asked = two.ledger.change, []

    def noted(charge: Charge, path: Any, **how: Any) -> Any:
        asked.append((charge.storage, how.get("links", 0), how.get("moves", False)))
        return change(charge, path, **how)

    monkeypatch.setattr(two.ledger, "change", noted)
    two.move(b"/a", b"/a")
    two.home.put(b"/b")
    two.home.storage.rename(p(b"/b"), p(b"/c"), replace=False)
    assert asked[:2] == [("folder:f", 0, False), (HOME, 1, True)]
    assert asked[-1] == (HOME, 0, True)


def test_what_makes_room_is_counted_after_what_comes(local: Any) -> None:
    """Or what is used would look less for a moment, and others could use that."""
    two = Two(local)
    two.home.put(b"/a", b"12345")
    two.folder.put(b"/a", b"123")
    seen = []
    end = two.ledger.end

    def ended(*arguments: Any) -> None:
        end(*arguments)
        used = [usage.size for usage in two.used if usage is not None]
        seen.append(sum(used))

    two.ledger.end = ended  # type: ignore[method-assign]
    two.move(b"/a", b"/a", replace=True)
    assert two.used == ((0, 0), (5, 1))
    assert seen == [13, 10, 5]


def test_files_with_several_names_stay_in_their_quota(local: Any) -> None:
    two = Two(local)
    two.home.storage.mkdir(p(b"/d"))
    two.home.put(b"/d/a", b"12345")
    two.home.storage.link(p(b"/d/a"), p(b"/b"))
    assert outcome(lambda: two.move(b"/b", b"/b")) is CrossStorage
    assert outcome(lambda: two.move(b"/d", b"/d")) is CrossStorage
    assert two.used == ((5, 1), (0, 0))
    two.home.storage.remove(p(b"/b"))
    two.move(b"/d", b"/d")
    assert two.used == ((0, 0), (5, 1))


def test_an_open_file_that_moved_to_another_quota_does_not_grow(local: Any) -> None:
    two = Two(local)
    two.home.put(b"/a", b"12345")
    file = two.home.open(b"/a")
    two.move(b"/a", b"/a")
    for call in (
        lambda: file.pwritev(view(b"x"), 5),
        lambda: file.append(memoryview(b"x")),
        lambda: file.set_attributes(Attributes(size=0)),
    ):
        with pytest.raises(Failure, match="moved to another folder"):
            call()
    assert two.used == ((0, 0), (5, 1))
    two.move(b"/a", b"/a", back=True)
    file.append(memoryview(b"x"))
    assert two.used == ((6, 1), (0, 0))
    file.close()


def test_a_move_that_fails_counts_nothing(local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    two = Two(local, Limits(5, 1))
    two.home.put(b"/a", b"12345")
    assert outcome(lambda: two.move(b"/a", b"/none/a")) is NotFound
    assert two.used == ((5, 1), (0, 0))
    monkeypatch.setattr(LocalStorage, "rename_to", lambda *_, **__: (_ for _ in ()).throw(CrossStorage()))
    assert outcome(lambda: two.move(b"/a", b"/a")) is CrossStorage
    monkeypatch.undo()
    # What was reserved is free again.
    two.move(b"/a", b"/a")
    assert two.used == ((0, 0), (5, 1))


def test_storages_without_the_ability_are_across(storage: Any, tmp_path: Any) -> None:
    one, other = Home(MemoryStorage()), Home(MemoryStorage())
    one.put(b"/a", b"1")
    assert outcome(lambda: one.storage.rename_to(p(b"/a"), other.storage, p(b"/a"), replace=False)) is CrossStorage
    assert outcome(lambda: one.storage.rename_to(p(b"/a"), other.plain, p(b"/a"), replace=False)) is CrossStorage


# statvfs.


@pytest.mark.parametrize(
    ("limit", "used", "total", "free", "block"),
    [
        (2**20, 0, 256, 256, 4096),
        (2**20, 5000, 256, 254, 4096),
        (2**20, 2**21, 256, 0, 4096),
        (1000, 10, 3, 3, 256),
        (1, 0, 1, 1, 1),
        (0, 0, 0, 0, 1),
    ],
)
def test_the_room_is_that_of_the_quota(local: Any, limit: int, used: int, total: int, free: int, block: int) -> None:
    home = Home(local("home"), Limits(limit, 10))
    home.ledger.count(HOME, Usage(used, 4))
    home.plain.open(p(b"/a"), read=True, write=True, create=Create.NEW).close()
    file = home.storage.open(p(b"/a"), read=True, write=False, create=Create.NEVER)
    for space in home.storage.space(p(b"/")), file.space():
        assert (space.blocks, space.blocks_free, space.blocks_available) == (total, free, free)
        assert space.fragment_size == space.block_size == block
        assert (space.files, space.files_free, space.files_available) == (10, 6, 6)
        assert space.name_max == 255
    file.close()


def test_the_room_is_that_of_the_storage_where_that_has_less(storage: Any) -> None:
    home = Home(storage, Limits(2**62, 2**62))
    plain, space = storage.space(p(b"/")), home.storage.space(p(b"/"))
    assert space.blocks * space.fragment_size == plain.blocks * plain.fragment_size
    assert space.blocks_available * space.fragment_size <= plain.blocks * plain.fragment_size
    assert space.files == plain.files


def test_the_tightest_quota_decides(storage: Any) -> None:
    ledger = MemoryLedger()
    ledger.count("a", Usage(2**20, 0))
    charge = Charge("b", (("a", Limits(2**22)), ("b", Limits(2**21, 7))))
    space = Metered(storage, ledger, charge).space(p(b"/"))
    assert (space.blocks * space.fragment_size, space.files) == (2**21, 7)
    assert space.blocks_free == space.blocks


def test_what_is_beside_takes_room_too(storage: Any) -> None:
    ledger = MemoryLedger()
    ledger.count("a", Usage(2**20, 1))
    ledger.count("f", Usage(2**20, 2))
    space = Metered(storage, ledger, Charge("a", (("a", Limits(2**22, 7, ("f", "g"))),))).space(p(b"/"))
    assert (space.blocks_free * space.fragment_size, space.files_free) == (2**21, 4)


def test_without_limits_the_room_is_the_storages(home: Home) -> None:
    assert home.storage.space(p(b"/")).blocks == home.plain.space(p(b"/")).blocks


def test_the_paths_of_a_real_home_are_its_own(local: Any, tmp_path: Any) -> None:
    home = Home(local("home"))
    home.put(b"/a", b"1")
    assert os.listdir(tmp_path / "home") == ["a"]
