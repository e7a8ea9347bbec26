from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from conchgo.database.clock import now
from conchgo.database.engine import connect, reading


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "sqlite":
        return connect(f"sqlite:///{tmp_path}/test.db")
    return connect(request.getfixturevalue("postgresql_url"))


def test_it_runs_in_seconds_since_the_epoch_within_one_transaction_too(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    system = (tmp_path / "mark").stat().st_mtime
    with reading(engine) as connection:
        first = now(connection)
        while now(connection) == first:
            pass
        second = now(connection)
    assert system - 1 < first < system + 3600
    assert first < second < first + 3600
