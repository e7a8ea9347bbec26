"""The roll of several workers, each with connections of its own to one database."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, event, update

from conchgo.accounts.model import User
from conchgo.accounts.sql import SQLAccountStore
from conchgo.database.engine import connect, reading, writing
from conchgo.database.migrate import upgrade
from conchgo.database.owners import EXPIRY, Owner, all_owners
from conchgo.database.schema import owners
from conchgo.sessions.sql import SQLRoll, all_sessions
from tests.checkout import checkout_environment
from tests.contract.test_roll import session

LIMIT = 5
WORKERS = 4

NewRoll = Callable[[], SQLRoll]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    engine = connect(str(url))
    upgrade(engine)
    SQLAccountStore(engine).add(User("mary", "/srv/mary"))
    return str(url)


@pytest.fixture
def roll(url: str, tmp_path: Path) -> NewRoll:
    def make() -> SQLRoll:
        engine = connect(url)
        return SQLRoll(engine, Owner(engine, str(tmp_path / "owners")))

    return make


def listed(url: str) -> list[int]:
    return [found.session.number for found in all_sessions(connect(url))]


def test_all_workers_see_all_sessions(url: str, roll: NewRoll) -> None:
    first, second = roll(), roll()
    first.tell([session(1), session(3), session(4, "bob")], [])
    assert second.reserve(session(2), 3, [1])  # of its own, where there is no such number
    assert not first.reserve(session(5), 3, [])
    assert listed(url) == [1, 2, 3, 4]
    (found, *_) = all_sessions(connect(url))
    assert found.session == session(1)
    assert found.owner.pid == os.getpid()
    assert second.workers_of(["mary", "bob", "carol"]) == {"mary": 2}
    first.leave()
    assert listed(url) == [2]
    assert second.workers_of(["mary", "bob"]) == {}


def test_no_race_passes_the_limit(url: str, roll: NewRoll) -> None:
    rolls = [roll() for _ in range(WORKERS)]
    start, got = threading.Barrier(WORKERS), [0] * WORKERS

    def work(index: int) -> None:
        start.wait()
        for number in range(1, LIMIT + 1):
            got[index] += rolls[index].reserve(session(number), LIMIT, [])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == LIMIT
    assert len(listed(url)) == LIMIT


def test_sessions_of_a_killed_worker_hold_no_place(url: str, roll: NewRoll, tmp_path: Path) -> None:
    program = (
        "import os, sys; from conchgo.database.engine import connect; from conchgo.database.owners import Owner;"
        "from conchgo.sessions.sql import SQLRoll; from tests.contract.test_roll import session;"
        "engine = connect(sys.argv[1]); roll = SQLRoll(engine, Owner(engine, sys.argv[2]));"
        "assert roll.reserve(session(7), 1, []); os.kill(os.getpid(), 9)"
    )
    living = roll()
    command = [sys.executable, "-c", program, url, str(tmp_path / "owners")]
    assert subprocess.run(command, env=checkout_environment(), check=False).returncode == -9
    assert listed(url) == []
    assert living.has_room("mary", 1)
    assert living.reserve(session(1), 1, [])
    assert listed(url) == [1]
    with reading(connect(url)) as connection:
        assert len(all_owners(connection)) == 1
    assert len(list((tmp_path / "owners").iterdir())) == 1


def test_a_heartbeat_settles_what_the_dead_have_left(url: str, roll: NewRoll) -> None:
    living, silent = roll(), roll()
    silent.tell([session(1)], [])
    with writing(connect(url)) as connection:
        other = owners.c.owner == silent._owner.id
        there = {"lock": "/elsewhere/a.lock", "heartbeat": owners.c.heartbeat - 2 * EXPIRY}
        connection.execute(update(owners).where(other).values(there))
    assert living.beat()
    with reading(connect(url)) as connection:
        assert [row.owner for row in all_owners(connection)] == [living._owner.id]
    # It was only away: it hears that it must tell all anew.
    assert not silent.beat()
    silent.tell([session(1)], [])
    assert listed(url) == [1]


def test_a_limit_costs_one_transaction(url: str, roll: NewRoll) -> None:
    engine = connect(url)
    owner = roll()._owner
    found, begun = SQLRoll(engine, owner), []
    event.listen(engine, "begin", begun.append)
    assert found.reserve(session(1), 2, [])
    assert len(begun) == 1
    with writing(engine) as connection:
        connection.execute(delete(owners))
