from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from conchgo.cli.main import main
from conchgo.database.engine import connect
from conchgo.database.owners import Owner
from conchgo.processes.tiers import Tier
from conchgo.sessions.roll import Session
from conchgo.sessions.sql import SQLRoll


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "conchgo.toml"
    path.write_text(f'[service]\nstate_directory = "{tmp_path}"\n[processes]\ntier = "none"\n')
    return path


def run(configuration: Path, *arguments: str) -> str:
    result = CliRunner().invoke(main, ["status", "--config", str(configuration), *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_nothing_runs(configuration: Path) -> None:
    assert "none: the service does not run" in run(configuration)
    found = json.loads(run(configuration, "--json"))

    assert (found["workers"], found["sessions"]) == ([], 0)
    assert found["processes"]["tier"] == "none"
    assert "processes.tier" in found["processes"]["reason"]
    assert set(found["programs"]) == {"bwrap", "git", "rsync"}


def test_workers_and_sessions(configuration: Path, tmp_path: Path) -> None:
    run(configuration)
    engine = connect(f"sqlite:///{tmp_path}/conchgo.db")
    roll = SQLRoll(engine, Owner(engine, str(tmp_path / "owners")))
    roll.tell([Session(1, "bob", "::1", "SFTP", "c-1", 60)], [])
    found = json.loads(run(configuration, "--json"))
    shown = run(configuration)
    roll.leave()

    assert found["workers"] == [{"host": socket.gethostname(), "pid": os.getpid()}]
    assert found["sessions"] == 1
    assert f"{socket.gethostname()} {os.getpid()}" in shown
    assert json.loads(run(configuration, "--json"))["workers"] == []


def test_what_the_system_allows(configuration: Path) -> None:
    configuration.write_text(configuration.read_text().replace('"none"', '"auto"'))
    found = json.loads(run(configuration, "--json"))["processes"]

    assert found["tier"] in {tier.value for tier in Tier}
    assert (found["tier"] == "bubblewrap") == (found["reason"] == "")
