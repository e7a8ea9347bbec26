"""Counting what is there for users and folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import Folder, User, VirtualFolder
from conchgo.errors import Busy, Cancelled, Failure, NotBefore, NotFound
from conchgo.paths import VirtualPath
from conchgo.quota.charges import home_charge
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.memory import MemoryLedger
from conchgo.quota.tracking import Track
from conchgo.sessions import counting as counting_module
from conchgo.sessions.counting import Counting, all_domains
from conchgo.sessions.directories import Directories
from conchgo.sessions.quotas import Quotas
from conchgo.sessions.storages import open_storages


class World:
    def __init__(self, top: Path) -> None:
        self.top = top
        self.folders = [Folder("shared", str(top / "shared")), Folder("own", str(top / "own"))]
        self.user = User(
            "ada",
            str(top / "home"),
            quota_size=1000,
            virtual_folders=(
                VirtualFolder("shared", "/shared"),
                VirtualFolder("own", "/own", included=False, quota_size=50),
            ),
        )
        for name, sizes in (("home", (5, 7)), ("shared", (11,)), ("own", (13,))):
            (top / name / "deep").mkdir(parents=True)
            for number, size in enumerate(sizes):
                (top / name / "deep" / str(number)).write_bytes(bytes(size))
        os.link(top / "home" / "deep" / "0", top / "home" / "again")
        os.symlink("deep/0", top / "home" / "link")
        self.ledger = MemoryLedger()
        self.directories = Directories(0o022)

    def counting(self, user: User | None = None, directory: str = "") -> Counting:
        store = MemoryAccountStore([user or self.user], self.folders)
        return Counting(self.ledger, store, self.directories, directory)

    def prepared(self, user: User, track: Track = Track.LIMITED) -> Any:
        quotas = Quotas(self.ledger, self.counting(user), track)
        storages = open_storages(self.directories, user, {folder.name: folder for folder in self.folders})
        try:
            prepared = quotas.prepare(storages)
        finally:
            storages.close()
        return {bytes(point): mount.charge and mount.charge.domains for point, mount in prepared.mounts.items()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_lies_in_a_home_or_a_folder_is_counted(world: World) -> None:
    counting = world.counting()
    assert counting.count("user:ada") == Usage(12, 2)
    assert counting.count("folder:shared") == Usage(11, 1)
    assert counting.count("folder:own") == Usage(13, 1)
    assert world.ledger.usage("user:ada") == Usage(12, 2)
    hidden = replace(world.user, virtual_folders=(VirtualFolder("shared", "/"),))
    assert world.counting(hidden).count("user:ada") == Usage(0, 0)


@pytest.mark.parametrize(
    ("track", "counted"),
    [
        (Track.ALL, ["user:ada", "user:bob", "folder:own", "folder:shared"]),
        (Track.LIMITED, ["user:ada", "folder:own", "folder:shared"]),
        (Track.OFF, []),
    ],
)
def test_all_are_those_who_are_counted(world: World, track: Track, counted: list[str]) -> None:
    limited, unlimited = replace(world.user, quota_files=5), User("bob", "/home/bob")
    found, others = all_domains(MemoryAccountStore([limited, unlimited], world.folders), track)
    assert found == counted
    assert sorted([*found, *others]) == ["folder:own", "folder:shared", "user:ada", "user:bob"]


def test_a_scan_hears_what_is_beside(world: World) -> None:
    begun = []
    begin = world.ledger.begin

    def told(domain: str, beside: Any) -> Any:
        begun.append((domain, tuple(beside)))
        return begin(domain, beside)

    world.ledger.begin = told  # type: ignore[method-assign]
    for domain in "user:ada", "folder:shared":
        world.counting().count(domain)
    assert begun == [("user:ada", ("folder:shared",)), ("folder:shared", ())]


def test_what_is_not_there_yet_holds_nothing(world: World) -> None:
    new = replace(world.user, home_dir=str(world.top / "new"), virtual_folders=())
    assert world.counting(new).count("user:ada") == Usage(0, 0)
    assert not (world.top / "new").exists()


@pytest.mark.parametrize("domain", ["user:bob", "folder:none"])
def test_who_is_not_there_can_not_be_counted(world: World, domain: str) -> None:
    counting = world.counting()
    for _ in range(2):
        with pytest.raises(NotFound, match=r"none|bob"):
            counting.count(domain)


def test_what_can_not_be_looked_at_is_not_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    counting = world.counting()

    def broken(*_: object) -> None:
        raise Failure("broken")

    monkeypatch.setattr(counting_module, "count", broken)
    with pytest.raises(Failure, match="broken"):
        counting.count("user:ada")
    monkeypatch.undo()
    assert world.ledger.usage("user:ada") is None
    assert counting.count("user:ada") == Usage(12, 2)


def test_who_waits_for_changes_goes_on_with_what_was_seen(world: World) -> None:
    counting = world.counting()
    charge = Charge("user:ada", (("user:ada", Limits()),))
    change = world.ledger.change(charge, VirtualPath.parse(b"/x"), identity=None, before=0, files=1)
    seen: list[int] = []
    for _ in range(2):
        with pytest.raises(NotBefore):
            counting.count("user:ada", lambda count, _left: seen.append(count))
    assert sum(seen) == 3
    with pytest.raises(NotBefore):
        counting.ensure("user:ada")
    change.cancel()
    counting.ensure("user:ada")
    assert world.ledger.usage("user:ada") == Usage(12, 2)
    counting.count("user:ada", lambda count, _left: seen.append(count))
    assert sum(seen) == 6


def test_two_at_once_are_one_too_many(world: World) -> None:
    counting = world.counting()

    def meanwhile(_seen: int, _left: int) -> None:
        with pytest.raises(Busy, match="goes on already"):
            counting.count("user:ada")
        with pytest.raises(NotBefore):
            counting.ensure("user:ada")
        with pytest.raises(NotBefore):
            world.counting().ensure("user:ada")

    counting.count("user:ada", meanwhile)
    assert world.ledger.usage("user:ada") == Usage(12, 2)


def test_who_interrupts_it_may_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = str(world.top / "scans")
    scan = world.ledger.begin("user:ada")
    monkeypatch.setattr(world.ledger, "begin", lambda *_: scan)

    def stop(_seen: int, _left: int) -> None:
        raise Cancelled

    for _ in range(2):
        with pytest.raises(Cancelled):
            world.counting(directory=directory).count("user:ada", stop)
    assert world.counting(directory=directory).count("user:ada") == Usage(12, 2)
    assert os.listdir(directory) == []


def test_a_session_begins_when_all_that_it_pays_for_was_counted(world: World) -> None:
    charges = world.prepared(world.user)
    assert charges == {
        b"/": home_charge(world.user).domains,
        b"/shared": (("folder:shared", Limits()), ("user:ada", Limits(1000, None, ("folder:shared",)))),
        b"/own": (("folder:own", Limits(50)),),
    }
    assert [world.ledger.usage(domain) for domain in ("user:ada", "folder:shared", "folder:own")] == [
        (12, 2),
        (11, 1),
        (13, 1),
    ]


def test_who_has_no_limit_is_not_counted_and_what_was_counted_is_forgotten(world: World) -> None:
    world.prepared(world.user)
    free = replace(world.user, quota_size=None)
    assert world.prepared(free) == {
        b"/": (),
        b"/shared": (("folder:shared", Limits()),),
        b"/own": (("folder:own", Limits(50)),),
    }
    assert world.ledger.usage("user:ada") is None
    (world.top / "home" / "late").write_bytes(b"late")
    world.prepared(world.user)
    assert world.ledger.usage("user:ada") == Usage(16, 3)
    assert world.prepared(free, Track.ALL)[b"/"] == (("user:ada", Limits()),)
    assert world.prepared(world.user, Track.OFF) == {b"/": None, b"/shared": None, b"/own": None}
    assert world.ledger.usage("folder:own") is None


def test_a_broken_folder_keeps_nobody_out(world: World) -> None:
    world.folders[1] = Folder("own", str(world.top / "home" / "deep" / "0" / "none"))
    world.prepared(world.user)
    assert world.ledger.usage("user:ada") == Usage(12, 2)
    assert world.ledger.usage("folder:own") is None


def test_directories_that_move_again_and_again_are_told(world: World) -> None:
    charge = Charge("user:ada", (("user:ada", Limits()),))
    path = VirtualPath.parse(b"/deep")

    def move(_seen: int, _left: int) -> None:
        world.ledger.change(charge, path, identity=None, before=0, moves=True).done(None, size=0, files=0)

    with pytest.raises(Busy, match="again and again"):
        world.counting().count("user:ada", move)
    once: list[Callable[[int, int], None]] = [move]
    assert world.counting().count("user:ada", lambda *args: once.pop()(*args) if once else None) == Usage(12, 2)
