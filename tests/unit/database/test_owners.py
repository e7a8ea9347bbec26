"""Who is alive: by the lock at once, by the heartbeat where the lock can't be seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, update

from conchgo.database.engine import connect, reading, writing
from conchgo.database.migrate import upgrade
from conchgo.database.owners import EXPIRY, Owner, all_owners, dead_owners, forget
from conchgo.database.schema import owners
from conchgo.errors import Failure
from tests.checkout import checkout_environment


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    url = f"sqlite:///{tmp_path}/a.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    engine = connect(str(url))
    upgrade(engine)
    return engine


def dead(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [row.owner for row in dead_owners(connection)]


def silent_for(engine: Engine, owner: str, seconds: float) -> None:
    with writing(engine) as connection:
        connection.execute(update(owners).where(owners.c.owner == owner).values(heartbeat=owners.c.heartbeat - seconds))


def test_who_joined_is_alive_until_it_leaves(engine: Engine, tmp_path: Path) -> None:
    first, second = Owner(engine, str(tmp_path / "owners")), Owner(engine, str(tmp_path / "owners"))
    with reading(engine) as connection:
        rows = all_owners(connection)
    assert {row.owner for row in rows} == {first.id, second.id}
    assert {row.pid for row in rows} == {os.getpid()}
    assert dead(engine) == []
    first.leave()
    with reading(engine) as connection:
        assert [row.owner for row in all_owners(connection)] == [second.id]
    assert [path.stem for path in (tmp_path / "owners").iterdir()] == [second.id]


def test_a_killed_process_is_dead_at_once(engine: Engine, tmp_path: Path) -> None:
    program = (
        "import sys; from conchgo.database.engine import connect; from conchgo.database.owners import Owner;"
        "owner = Owner(connect(sys.argv[1]), sys.argv[2]); print(owner.id, flush=True); sys.stdin.read()"
    )
    url = engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    process = subprocess.Popen(
        [sys.executable, "-c", program, url, str(tmp_path / "owners")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=checkout_environment(),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert name
    assert dead(engine) == []
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert dead(engine) == [name]
    process.stdin.close()
    process.stdout.close()
    with writing(engine) as connection:
        (row,) = dead_owners(connection)
        forget(connection, row)
    assert dead(engine) == []
    assert list((tmp_path / "owners").iterdir()) == []


def test_a_lock_that_is_held_outlasts_a_database_that_was_away(engine: Engine, tmp_path: Path) -> None:
    owner = Owner(engine, str(tmp_path / "owners"))
    silent_for(engine, owner.id, 10 * EXPIRY)
    assert dead(engine) == []


def test_of_another_host_the_heartbeat_tells(engine: Engine, tmp_path: Path) -> None:
    owner = Owner(engine, str(tmp_path / "owners"))
    with writing(engine) as connection:
        connection.execute(update(owners).values(lock="/no/such/directory/a.lock"))
    silent_for(engine, owner.id, EXPIRY - 5)
    assert dead(engine) == []
    silent_for(engine, owner.id, 10)
    assert dead(engine) == [owner.id]
    assert owner.beat()
    assert dead(engine) == []


def test_who_was_settled_hears_of_it_and_is_there_again(engine: Engine, tmp_path: Path) -> None:
    owner = Owner(engine, str(tmp_path / "owners"))
    assert owner.beat()
    with writing(engine) as connection:
        connection.execute(delete(owners))
    joins = owner.joins
    assert not owner.beat()
    assert owner.joins == joins + 1
    with reading(engine) as connection:
        assert [row.owner for row in all_owners(connection)] == [owner.id]
    assert owner.beat()


def test_no_place_for_the_lock(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="cannot be made"):
        Owner(engine, str(tmp_path / "file" / "owners"))
    with reading(engine) as connection:
        assert all_owners(connection) == []


def test_a_heartbeat_that_did_not_reach_the_database_is_none(engine: Engine, tmp_path: Path) -> None:
    owner = Owner(engine, str(tmp_path / "owners"))
    beaten = owner.beaten
    assert owner.beat()
    assert owner.beaten > beaten
    beaten = owner.beaten
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TABLE owners")
    with pytest.raises(Failure):
        owner.beat()
    assert owner.beaten == beaten
