"""After a session whose record was changed meanwhile, all that it may have changed is counted anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import Folder, User, VirtualFolder
from conchgo.errors import Failure
from conchgo.quota.memory import MemoryLedger
from conchgo.quota.tracking import Track
from conchgo.sessions.counting import Counting
from conchgo.sessions.directories import Directories
from conchgo.sessions.quotas import Quotas
from conchgo.sessions.storages import Storages, open_storages

ALL = {"user:ada", "folder:docs"}


class World:
    def __init__(self, top: Path) -> None:
        self.top = top
        self.folder = Folder("docs", str(top / "docs"))
        self.user = User("ada", str(top / "home"), quota_size=10, virtual_folders=(VirtualFolder("docs", "/docs"),))
        self.store = MemoryAccountStore([self.user], [self.folder])
        self.ledger, self.directories = MemoryLedger(), Directories(0o022)
        self.counting = Counting(self.ledger, self.store, self.directories)

    def quotas(self, track: Track = Track.LIMITED) -> Quotas:
        return Quotas(self.ledger, self.counting, track)

    def session(self, quotas: Quotas) -> Storages:
        user, folder = self.store.user("ada"), self.store.folder("docs")
        assert user is not None
        assert folder is not None
        return quotas.prepare(open_storages(self.directories, user, {"docs": folder}))

    @property
    def counted(self) -> set[str]:
        return {domain for domain in ALL if self.ledger.usage(domain) is not None}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_is_where_it_was_is_counted_already(world: World) -> None:
    quotas = world.quotas()
    session = world.session(quotas)
    world.store.update(replace(world.user, quota_size=5, virtual_folders=()))
    session.close()
    quotas.places.left(session)
    quotas.places.check()
    assert world.counted == ALL


def test_what_is_elsewhere_is_counted_anew_after_the_last_who_was_where_it_was(world: World) -> None:
    quotas = world.quotas()
    old = world.session(quotas)
    world.store.update(replace(world.user, home_dir=str(world.top / "new")))
    for change, doubted in (
        (lambda: None, "user:ada"),
        (lambda: world.store.update_folder(Folder("docs", str(world.top / "elsewhere"))), "folder:docs"),
    ):
        change()
        new = world.session(quotas)
        quotas.places.check()
        assert world.counted == ALL
        for session in old, new:
            quotas.places.left(session)
            session.close()
        quotas.places.check()
        assert world.counted == ALL - {doubted}
        old = world.session(quotas)
    old.close()


def test_what_was_not_counted_is_counted_anew_if_it_is_counted_now(world: World) -> None:
    quotas = world.quotas()
    world.store.update(replace(world.user, quota_size=None))
    old = world.session(quotas)
    assert world.counted == {"folder:docs"}
    world.store.update(world.user)
    new = world.session(quotas)
    assert world.counted == ALL
    for session in old, new:
        session.close()
        quotas.places.left(session)
    quotas.places.check()
    assert world.counted == {"folder:docs"}


def test_who_is_gone_is_not_asked_for(world: World) -> None:
    quotas = world.quotas()
    session = world.session(quotas)
    session.close()
    quotas.places.left(session)
    world.store.delete("ada")
    quotas.places.check()
    assert world.counted == {"folder:docs"}


def test_where_nothing_is_counted_nothing_is_doubted(world: World) -> None:
    quotas = world.quotas(Track.OFF)
    session = world.session(quotas)
    session.close()
    for domain in ALL:
        world.counting.count(domain)
    quotas.places.left(session)
    quotas.places.check()
    assert world.counted == ALL


def test_what_could_not_be_checked_is_checked_the_next_time(world: World, monkeypatch: Any) -> None:
    quotas = world.quotas()
    session = world.session(quotas)
    session.close()
    quotas.places.left(session)
    world.store.update(replace(world.user, home_dir="/elsewhere"))

    def away(_domain: str) -> User:
        raise Failure("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.store, "user", away)
        with pytest.raises(Failure):
            quotas.places.check()
    assert world.counted == ALL
    quotas.places.check()
    assert world.counted == {"folder:docs"}
