"""What every counter of transfers holds to: in memory, in SQLite, in PostgreSQL."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conchgo.accounts.model import User
from conchgo.accounts.sql import SQLAccountStore
from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.errors import PermissionDenied, QuotaExceeded
from conchgo.quota.transfers import (
    Allowance,
    Direction,
    MemoryTransferCounter,
    TransferCounter,
    TransferLimits,
    Transferred,
)
from conchgo.quota.transfers_sql import SQLTransferCounter

UP, DOWN = Direction.UPLOAD, Direction.DOWNLOAD

#: Another worker's or node's view of the same counts.
Maker = Callable[[], TransferCounter]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    if request.param == "memory":
        counter = MemoryTransferCounter()
        yield lambda: counter
        return
    sqlite = f"sqlite:///{tmp_path}/conchgo.db"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    engine = connect(url)
    upgrade(engine)
    for name in ("ada", "bob"):
        SQLAccountStore(engine).add(User(name, f"/srv/{name}"))
    engine.dispose()
    engines: list[Any] = []

    def make() -> TransferCounter:
        engines.append(connect(url))
        return SQLTransferCounter(engines[-1])

    yield make
    for engine in engines:
        engine.dispose()


def test_counts_are_of_one_user_and_all_workers(another: Maker) -> None:
    one, other = another(), another()
    assert one.transferred("ada") == Transferred(0, 0)
    limits = TransferLimits(upload=1000, download=1000)
    assert one.take("ada", UP, 100, limits) == 100
    assert other.take("ada", DOWN, 50, limits) == 62, "a sixteenth of what is left"
    assert one.transferred("ada") == other.transferred("ada") == Transferred(100, 62)
    assert one.transferred("bob") == Transferred(0, 0)


def test_what_does_not_fit_is_refused_and_not_counted(another: Maker) -> None:
    counter = another()
    counter.take("ada", UP, 600, TransferLimits(total=1000))
    with pytest.raises(QuotaExceeded):
        counter.take("ada", DOWN, 401, TransferLimits(total=1000))
    assert counter.transferred("ada") == Transferred(600, 0)
    counter.take("ada", DOWN, 400, TransferLimits(total=1000))
    with pytest.raises(QuotaExceeded):
        counter.take("ada", UP, 1, TransferLimits(total=1000))
    assert counter.take("ada", UP, 1, TransferLimits(download=400)) > 1


def test_what_was_not_transferred_comes_back(another: Maker) -> None:
    counter = another()
    counter.take("ada", UP, 600, TransferLimits(upload=600))
    counter.give_back("ada", Transferred(200, 0))
    counter.give_back("bob", Transferred(0, 0))
    assert counter.take("ada", UP, 200, TransferLimits(upload=600)) == 200


def test_it_can_begin_again(another: Maker) -> None:
    counter = another()
    counter.take("ada", UP, 600, TransferLimits(upload=600))
    assert counter.reset("ada")
    assert not counter.reset("bob")
    counter.give_back("ada", Transferred(600, 1))
    assert counter.transferred("ada") == Transferred(0, 0)
    assert counter.take("ada", UP, 600, TransferLimits(upload=600)) == 600


def test_several_workers_at_once_never_pass_the_limit(another: Maker) -> None:
    limits, size = TransferLimits(total=300_000), 7_001
    moved = itertools.count()
    parts = []
    for direction in (UP, DOWN, UP, DOWN):
        parts.append(Allowance("ada", direction, another()))
        parts[-1].limit(limits)

    def transfer(part: Allowance) -> None:
        while True:
            try:
                part.spend(size)
            except QuotaExceeded:
                return
            next(moved)

    threads = [threading.Thread(target=transfer, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = sum(another().transferred("ada"))
    spent = next(moved) * size
    assert counted <= 300_000
    assert spent + sum(part.leave() for part in parts) == counted
    assert spent > 300_000 - 5 * size


@pytest.mark.parametrize("another", ["sqlite", "postgresql"], indirect=True)
def test_who_is_deleted_transfers_nothing_and_leaves_nothing(another: Maker) -> None:
    counter: Any = another()
    store = SQLAccountStore(counter._engine)
    counter.take("ada", UP, 600, TransferLimits(upload=1000))
    store.delete("ada")
    with pytest.raises(PermissionDenied):
        counter.take("ada", UP, 1, TransferLimits(upload=1000))
    counter.give_back("ada", Transferred(1, 0))
    store.add(User("ada", "/srv/ada"))
    assert counter.transferred("ada") == Transferred(0, 0)


@pytest.mark.parametrize("another", ["sqlite", "postgresql"], indirect=True)
def test_counts_of_a_user_last_when_his_record_changes(another: Maker) -> None:
    counter: Any = another()
    counter.take("ada", UP, 600, TransferLimits(upload=600))
    SQLAccountStore(counter._engine).update(User("ada", "/srv/else"))
    assert counter.transferred("ada") == Transferred(600, 0)
