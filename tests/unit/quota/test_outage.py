"""Transfers that are counted, and a database that is locked meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from conchgo.accounts.model import User
from conchgo.accounts.sql import SQLAccountStore
from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.errors import Failure, NotBefore, QuotaExceeded
from conchgo.quota.outage import LONGEST, Outage
from conchgo.quota.throttles import Throttle, Throttles
from conchgo.quota.transfers import Transferred
from conchgo.quota.transfers_sql import SQLTransferCounter

MB = 2**20


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Database:
    """A counter in it, and a program that locks it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = connect(f"sqlite:///{path}")
        upgrade(self.engine)
        self.user = User("ada", "/srv/ada", upload_data_transfer=40, download_data_transfer=40)
        SQLAccountStore(self.engine).add(self.user)
        self.counter = SQLTransferCounter(self.engine)

    @contextmanager
    def locked(self) -> Iterator[None]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    @property
    def counted(self) -> Transferred:
        return self.counter.transferred("ada")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr("conchgo.database.engine._BUSY_TIMEOUT", 0.0)
    database = Database(tmp_path / "a.db")
    yield database
    database.engine.dispose()


@pytest.fixture
def throttles(database: Database, clock: Clock) -> Throttles:
    return Throttles(database.counter, now=clock)


def joined(throttles: Throttles, user: User) -> Throttle:
    throttle = throttles.join(user, "192.0.2.1")
    assert throttle is not None
    return throttle


def asked(clock: Clock, work: Callable[[], object], until: float) -> None:
    """Ask as often as is told, until that time; it must wait all the time."""
    while clock.now < until:
        with pytest.raises(NotBefore) as wait:
            work()
        assert wait.value.at > clock.now
        clock.now = wait.value.at


def test_a_transfer_goes_on_when_the_database_is_free_again(
    database: Database, throttles: Throttles, clock: Clock
) -> None:
    throttle = joined(throttles, database.user)
    upload = throttle.upload.allowance
    upload.spend(10)
    more = upload.left + 1
    with database.locked():
        # What was taken before is there still.
        upload.spend(5)
        asked(clock, lambda: upload.spend(more), clock.now + 30)
    upload.spend(more)
    throttles.leave(throttle)
    assert database.counted == Transferred(15 + more, 0)


def test_after_a_minute_it_fails_and_nothing_is_counted(database: Database, throttles: Throttles, clock: Clock) -> None:
    throttle = joined(throttles, database.user)
    with database.locked():
        asked(clock, lambda: throttle.upload.allowance.spend(1), clock.now + LONGEST)
        for way in throttle.upload, throttle.download:
            with pytest.raises(Failure, match="the database does not answer"):
                way.allowance.spend(1)
    clock.now += 1
    throttle.upload.allowance.spend(1)
    throttles.leave(throttle)
    assert database.counted == Transferred(1, 0)


def test_what_a_session_has_left_is_given_back_later(database: Database, throttles: Throttles) -> None:
    throttle = joined(throttles, database.user)
    throttle.upload.allowance.spend(10)
    throttle.download.allowance.spend(20)
    with database.locked(), pytest.raises(Failure):
        throttles.leave(throttle)
    assert database.counted > Transferred(MB, MB)
    # The next session has it, without a question.
    again = joined(throttles, database.user)
    with database.locked():
        again.upload.allowance.spend(10)
        with pytest.raises(Failure):
            throttles.leave(again)
    other = User("bob", "/srv/bob", upload_data_transfer=1)
    throttles.leave(joined(throttles, other))
    assert database.counted == Transferred(20, 20)


def test_what_cannot_be_reclaimed_is_not_lost(database: Database, throttles: Throttles, clock: Clock) -> None:
    user = User("ada", "/srv/ada", total_data_transfer=2)
    throttle = joined(throttles, user)
    throttle.download.allowance.spend(1)
    reclaimed = throttle.download.allowance.left
    assert reclaimed
    with database.locked(), pytest.raises(NotBefore):
        throttle.upload.allowance.spend(2 * MB - 1)
    assert throttle.download.allowance.left == reclaimed
    clock.now += 1
    throttle.upload.allowance.spend(2 * MB - 1)
    with pytest.raises(QuotaExceeded):
        throttle.download.allowance.spend(1)
    throttles.leave(throttle)
    assert database.counted == Transferred(2 * MB - 1, 1)


def test_one_tries_for_all(clock: Clock) -> None:
    outage, tries = Outage(clock), 0

    def fail() -> None:
        nonlocal tries
        tries += 1
        raise Failure("away")

    for _ in range(100):
        with pytest.raises(NotBefore):
            outage.ask(fail)
    assert tries == 1
    clock.now += 1
    with pytest.raises(QuotaExceeded):
        # It has answered.
        outage.ask(_refuse)
    assert outage.ask(lambda: "answer") == "answer"


def _refuse() -> None:
    raise QuotaExceeded
