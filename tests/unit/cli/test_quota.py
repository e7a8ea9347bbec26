"""`conchgo quota`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from conchgo.cli.main import main


@pytest.fixture
def run(tmp_path: Path) -> Any:
    config = tmp_path / "conchgo.toml"
    config.write_text(f'[service]\nstate_directory = "{tmp_path}/state"\n')

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["--config", str(config), *arguments])

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a").write_bytes(bytes(11))
    home = tmp_path / "state" / "users" / "ada"
    home.mkdir(parents=True)
    (home / "b").write_bytes(bytes(5))
    assert run("folder", "add", "docs", "--mapped-path", str(tmp_path / "docs")).exit_code == 0
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8Nt0x1GGUwWsGT6QGLTTZTZTVcnmlzxWuVc1Gi4Yvk"
    added = run("user", "add", "ada", "--public-key", key, "--quota-size", "100", "--virtual-folder", "/docs=docs")
    assert added.exit_code == 0, added.output
    return run


def test_a_scan_counts_and_show_tells(run: Any) -> None:
    assert run("quota", "show").output == ""
    assert "not counted yet" in run("quota", "show", "ada").output
    scanned = run("quota", "scan", "ada", "--json")  # his home, and docs
    assert json.loads(scanned.output) == [{"domain": "user:ada", "size": 16, "files": 2}]
    assert run("quota", "show", "ada").output.split() == ["user:ada", "16", "bytes", "2", "files"]
    assert run("quota", "scan", "--folder", "docs").output.split() == ["folder:docs", "11", "bytes", "1", "files"]
    everything = json.loads(run("quota", "scan", "--all", "--json").output)
    assert everything == json.loads(run("quota", "show", "--json").output)[::-1]
    assert [row["size"] for row in everything] == [16, 11]


def test_what_a_user_uses_is_up_to_his_record(run: Any) -> None:
    run("quota", "scan", "--all")
    for folder, used in (
        ("/docs=docs:0:0", ["5", "bytes", "1", "files"]),
        ("/docs=docs", ["16", "bytes", "2", "files"]),
    ):
        assert run("user", "update", "ada", "--virtual-folder", folder).exit_code == 0
        assert run("quota", "show", "ada").output.split() == ["user:ada", *used]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["scan"], "Name a user"),
        (["scan", "ada", "--all"], "Name a user"),
        (["show", "ada", "--folder", "docs"], "Name a user"),
        (["scan", "bob"], "there is no user bob"),
        (["scan", "--folder", "none"], "there is no folder none"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Any, arguments: list[str], text: str) -> None:
    result = run("quota", *arguments)
    assert result.exit_code != 0
    assert text in result.output


def test_of_all_those_are_left_out_whom_the_service_does_not_count(run: Any) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8Nt0x1GGUwWsGT6QGLTTZTZTVcnmlzxWuVc1Gi4Yvk"
    for number in range(12):
        assert run("user", "add", f"free{number:02}", "--public-key", key).exit_code == 0
    result = run("quota", "scan", "--all", "--json")
    assert [row["domain"] for row in json.loads(result.stdout)] == ["user:ada", "folder:docs"]
    assert 'quota.track = "limited" does not count them: user:free00, user:free01,' in result.stderr
    assert "user:free09 and 2 more; name a user" in result.stderr
    named = json.loads(run("quota", "scan", "free01", "--json").stdout)
    assert named == [{"domain": "user:free01", "size": 0, "files": 0}]


def test_a_locked_database_says_what_to_do(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conchgo.database.engine._BUSY_TIMEOUT", 0.0)
    with closing(sqlite3.connect(tmp_path / "state" / "conchgo.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for command in (["quota", "scan", "ada"], ["quota", "scan", "--all"], ["user", "delete", "ada"]):
            result = run(*command)
            assert result.exit_code == 1, command
            assert "the database failed: it is locked: another program" in result.stderr, command
            assert "try again when that has ended" in result.stderr


def test_of_all_those_are_counted_that_can_be(run: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").rename(tmp_path / "elsewhere")
    (tmp_path / "docs").symlink_to("elsewhere")
    (tmp_path / "state" / "users" / "ada").rename(tmp_path / "moved")
    result = run("quota", "scan", "--all")
    assert result.exit_code == 1
    assert "folder:docs: " in result.output
