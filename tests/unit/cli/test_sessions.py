from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from conchgo.cli.context import Context
from conchgo.cli.main import main
from conchgo.database.engine import connect
from conchgo.database.migrate import upgrade
from conchgo.database.owners import Owner
from conchgo.sessions.roll import Session
from conchgo.sessions.sql import SQLRoll

HEADER = ["username", "ip", "protocol", "since", "connection", "host", "pid"]


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
    return engine


def run(engine: Engine, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["sessions", *arguments], obj=Database(engine))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_nobody(engine: Engine) -> None:
    assert json.loads(run(engine, "--json")) == []
    assert [word for word in run(engine).split() if word.isalpha()] == HEADER


def test_who_is_there(engine: Engine, tmp_path: Path) -> None:
    roll = SQLRoll(engine, Owner(engine, str(tmp_path / "owners")))
    later, earlier = Session(1, "bob", "::1", "SFTP", "c-1", 1_800_000_000.7), Session(2, "eve\x1b[2J", "", "", "", 60)
    roll.tell([later, earlier], [])
    found = json.loads(run(engine, "--json"))
    assert [session["username"] for session in found] == ["eve\x1b[2J", "bob"]
    assert found[1] == {
        "username": "bob",
        "ip": "::1",
        "protocol": "SFTP",
        "since": "2027-01-15T08:00:00Z",
        "connection": "c-1",
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    table = run(engine)
    assert "\x1b" not in table
    assert table.index("eve") < table.index("bob")
