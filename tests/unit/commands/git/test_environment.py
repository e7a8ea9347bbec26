from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conchgo.commands.git.environment import FIXED, environment
from tests.programs import require_program


def test_no_file_changes_the_configuration(tmp_path: Path) -> None:
    git = require_program("git")
    subprocess.run([git, "init", "-q", "--bare", tmp_path], check=True)
    (tmp_path / "config").write_text("".join(f"[{k.split('.')[0]}]\n{k.split('.')[1]} = 12345\n" for k in FIXED))
    for key, value in {**FIXED, "receive.maxInputSize": "77"}.items():
        command = [git, "-C", tmp_path, "config", "--get", key]
        got = subprocess.run(
            command, env=environment({}, "alice", {"receive.maxInputSize": "77"}), capture_output=True, check=True
        )
        assert got.stdout.decode().rstrip("\n") == value


def test_who_pushed_stands_in_the_reflog() -> None:
    command = [require_program("git"), "var", "GIT_COMMITTER_IDENT"]
    told = subprocess.run(command, env=environment({}, "alice"), capture_output=True, check=True).stdout
    assert told.startswith(b"alice <alice@conchgo> ")


@pytest.mark.parametrize("value", [b"version=0", b"version=1", b"version=2"])
def test_the_protocol_is_the_one_that_the_client_wants(value: bytes) -> None:
    assert environment({b"GIT_PROTOCOL": value}, "alice")[b"GIT_PROTOCOL"] == value


@pytest.mark.parametrize("value", [b"", b"version=3", b"version=2:x", b"version=22", b"version=2\n"])
def test_no_other_protocol_is_passed_on(value: bytes) -> None:
    made = environment({b"GIT_PROTOCOL": value, b"LD_PRELOAD": b"/evil.so"}, "alice")
    assert b"GIT_PROTOCOL" not in made
    assert b"LD_PRELOAD" not in made
