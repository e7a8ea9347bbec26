from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

from conchgo.accounts.model import User
from conchgo.accounts.sql import SQLAccountStore
from conchgo.cli.context import Context
from conchgo.cli.main import main
from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.quota.transfers import Direction, TransferLimits
from conchgo.quota.transfers_sql import SQLTransferCounter


class Database(Context):
    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    def database(self) -> Engine:
        return self._engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = connect(f"sqlite:///{tmp_path}/a.db")
    upgrade(engine)
    counter = SQLTransferCounter(engine)
    for name, direction in (("eve\x1b[2J", Direction.UPLOAD), ("bob", Direction.DOWNLOAD)):
        SQLAccountStore(engine).add(User(name, f"/srv/{name}"))
        counter.take(name, direction, 77, TransferLimits(total=77))
    return engine


def run(engine: Engine, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["transfers", *arguments], obj=Database(engine))


def test_what_was_transferred(engine: Engine) -> None:
    assert json.loads(run(engine, "--json").stdout) == [
        {"username": "bob", "upload": 0, "download": 77},
        {"username": "eve\x1b[2J", "upload": 77, "download": 0},
    ]
    table = run(engine).stdout
    assert "\x1b" not in table
    assert [word for word in table.split() if word.isalnum()] == [
        "username",
        "upload",
        "download",
        "bob",
        "0",
        "77",
        "77",
        "0",
    ]


def test_it_begins_again(engine: Engine) -> None:
    assert run(engine, "--reset", "bob").stdout == "counting from 0 again: bob\n"
    assert json.loads(run(engine, "--json").stdout)[0] == {"username": "bob", "upload": 0, "download": 0}


def test_nothing_was_counted_of_him(engine: Engine) -> None:
    result = run(engine, "--reset", "nobody")
    assert result.exit_code == 1
    assert "nobody: nothing was counted" in result.stderr
