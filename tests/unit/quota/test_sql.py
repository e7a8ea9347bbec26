from __future__ import annotations

from pathlib import Path

from sqlalchemy import insert, select

from conchgo.database.engine import connect, reading, writing
from conchgo.database.migrate import upgrade
from conchgo.database.schema import quota_usage
from conchgo.quota.interface import Usage
from conchgo.quota.sql import all_usages, recount

ROW = {"size": 5, "files": 2, "changes": 1, "counted_at": 1.0, "scan": None, "rescan": False}


def test_what_was_counted_is_told_and_counted_anew_where_it_is_asked(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/x.db")
    upgrade(engine)
    rows = [{**ROW, "domain": "user:a"}, {**ROW, "domain": "user:b"}, {**ROW, "domain": "user:c", "counted_at": None}]
    with writing(engine) as connection:
        connection.execute(insert(quota_usage), rows)
    assert all_usages(engine) == {"user:a": Usage(5, 2), "user:b": Usage(5, 2)}
    recount(engine, {"user:a", "folder:nobody-counted-it"})
    assert all_usages(engine) == {"user:b": Usage(5, 2)}
    with reading(engine) as connection:
        assert {row.size for row in connection.execute(select(quota_usage))} == {5}
