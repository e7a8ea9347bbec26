from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from conchgo.database.engine import connect, reading, writing
from conchgo.errors import Failure


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "sqlite":
        return connect(f"sqlite:///{tmp_path}/test.db")
    return connect(request.getfixturevalue("postgresql_url"))


def pragma(engine: Engine, name: str) -> object:
    with reading(engine) as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


def test_sqlite_is_set_up_for_several_processes(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/test.db")
    assert pragma(engine, "journal_mode") == "wal"
    assert pragma(engine, "busy_timeout") == 5000
    assert pragma(engine, "foreign_keys") == 1
    assert pragma(engine, "synchronous") == 1


def test_only_the_owner_reads_the_file_and_its_companions(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        engine = connect(f"sqlite:///{tmp_path}/test.db")
        with writing(engine) as connection:
            connection.execute(text("CREATE TABLE t (a INTEGER)"))
    finally:
        os.umask(old)
    assert sorted(os.listdir(tmp_path)) == ["test.db", "test.db-shm", "test.db-wal"]
    for name in os.listdir(tmp_path):
        assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600, name


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "test.db") as old:
        old.execute("CREATE TABLE t (a INTEGER)")
    with reading(connect(f"sqlite:///{tmp_path}/test.db")) as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar_one() == 0


def test_a_write_commits_at_the_end_and_rolls_back_on_an_error(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (1)"))
    with pytest.raises(Failure), writing(engine) as connection:  # noqa: PT012
        connection.execute(text("INSERT INTO t VALUES (2)"))
        connection.execute(text("nonsense"))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT a FROM t")).scalars().all() == [1]


def test_writers_on_sqlite_wait_for_each_other_instead_of_failing(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/test.db")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (0)"))

    def increment() -> None:
        for _ in range(10):
            with writing(engine) as connection:
                value = connection.execute(text("SELECT a FROM t")).scalar_one()
                connection.execute(text("UPDATE t SET a = :a"), {"a": value + 1})

    threads = [threading.Thread(target=increment) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with reading(engine) as connection:
        assert connection.execute(text("SELECT a FROM t")).scalar_one() == 40


def test_a_failing_statement_is_a_failure_without_its_values(engine: Engine) -> None:
    with pytest.raises(Failure) as caught, reading(engine) as connection:
        connection.execute(text("SELECT * FROM missing WHERE a = :a"), {"a": "hunter2"})
    assert "missing" in caught.value.text
    assert "hunter2" not in caught.value.text
    assert "\n" not in caught.value.text


@pytest.mark.parametrize(
    "url",
    [
        "nonsense:hunter2",
        "mysql://me:hunter2@localhost/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:////missing/directory/x.db",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:///a\0b",
        "postgresql://me:hunter2@127.0.0.1:1/x",
        "postgresql://me:hunter2@127.0.0.1:port/x",
        "postgresql://me:hunter2@127.0.0.1:99999/x",
        "postgresql://me@127.0.0.1:1/x?password=hunter2",
        "postgresql://me:hunter2@127.0.0.1:1/x?nonsense=hunter2",
        "postgresql+psycopg://me:hunter2@/x?host=/missing",
    ],
)
def test_a_database_that_cannot_be_opened_is_named_without_its_password(url: str) -> None:
    with pytest.raises(Failure) as caught:
        connect(url)
    assert "hunter2" not in caught.value.text
    assert "database" in caught.value.text
    assert "\n" not in caught.value.text


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Failure, match="psycopg is not installed"):
        connect("postgresql://me@127.0.0.1:1/x")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"not a database" * 100)
    with pytest.raises(Failure, match="not a database"):
        connect(f"sqlite:///{tmp_path}/x")
