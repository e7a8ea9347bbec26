"""What every Roll does, for one worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.database.owners import Owner
from conchgo.sessions.roll import MemoryRoll, Roll, Session
from conchgo.sessions.sql import SQLRoll


def session(number: int, username: str = "mary") -> Session:
    return Session(number, username, "192.0.2.7", "SFTP", f"connection-{number}", 1.5 + number)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def roll(request: pytest.FixtureRequest, tmp_path: Path) -> Roll:
    if request.param == "memory":
        return MemoryRoll()
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    engine = connect(str(url))
    upgrade(engine)
    return SQLRoll(engine, Owner(engine, str(tmp_path / "owners")))


def test_a_limit_is_of_one_user(roll: Roll) -> None:
    assert roll.reserve(session(1), 2, ())
    assert roll.has_room("mary", 2)
    assert roll.reserve(session(2), 2, ())
    assert not roll.has_room("mary", 2)
    assert not roll.reserve(session(3), 2, ())
    assert roll.has_room("mary", 3)
    assert roll.has_room("bob", 1)
    assert roll.reserve(session(4, "bob"), 1, ())


def test_what_has_ended_makes_room_in_the_same_moment(roll: Roll) -> None:
    assert roll.reserve(session(1), 1, ())
    assert not roll.reserve(session(2), 1, ())
    assert roll.reserve(session(2), 1, [1])
    assert not roll.reserve(session(3), 1, [1])


def test_sessions_without_a_limit_are_told_in_numbers(roll: Roll) -> None:
    roll.tell([session(number) for number in range(1, 4)], [])
    assert not roll.has_room("mary", 3)
    roll.tell([session(4, "bob")], [1, 2])
    assert not roll.has_room("mary", 1)
    assert roll.has_room("mary", 2)
    roll.tell([], [3])
    assert roll.has_room("mary", 1)


def test_what_is_told_twice_is_there_once(roll: Roll) -> None:
    for _ in range(2):
        roll.tell([session(1), session(2)], [3, 7])
    assert roll.has_room("mary", 3)
    assert not roll.has_room("mary", 2)


def test_one_worker_is_no_number_of_workers(roll: Roll) -> None:
    roll.tell([session(1), session(2)], [])
    assert roll.workers_of(["mary", "bob"]) == {}
    assert roll.beat()


def test_the_end(roll: Roll) -> None:
    roll.tell([session(1)], [])
    roll.leave()
