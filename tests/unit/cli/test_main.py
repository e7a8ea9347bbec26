"""The `conchgo` command's frame: help, version, --config, and one line for what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conchgo import __version__
from conchgo.cli.main import COMMANDS, main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_help_names_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert ("--config" in result.output) is (name != "portable")


def test_version() -> None:
    assert run("--version").output == f"conchgo, version {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from conchgo.cli.main import main;"
        "CliRunner().invoke(main, ['--help']);"
        "print([name for name in ('twisted', 'sqlalchemy', 'pydantic', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_unknown_command() -> None:
    assert run("fly").exit_code == 2


@pytest.mark.parametrize("arguments", [("--config", "{}", "check-config"), ("check-config", "--config", "{}")])
def test_check_config_says_good(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "conchgo.toml"
    path.write_text('[ssh]\nlisten = ["127.0.0.1:0", "systemd:domain=INET:index=0"]\n')
    result = run(*(argument.format(path) for argument in arguments))
    assert (result.exit_code, result.stdout) == (0, f"{path}: good\n")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[ssh]\nportt = 1", "ssh.portt: unknown key"),
        ("[ssh]\nlisten = ['nonsense:1']", "ssh.listen: 'nonsense:1': Unknown endpoint type: 'nonsense'"),
        (
            "[ssh]\nciphers = ['aes128-cbc']",
            "ssh.ciphers: 'aes128-cbc' is not known; known are aes128-gcm@openssh.com, ",
        ),
        ("[ssh]\nbanner_file = '/no/such'", "ssh.banner_file: /no/such: No such file or directory"),
        ("[database]\nurl = 'mysql://root:secret@localhost/x'", "database.url: 'mysql' is no known kind of database"),
    ],
)
def test_check_config_says_in_one_line_what_is_wrong(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "conchgo.toml"
    path.write_text(text)
    result = run("check-config", "--config", str(path))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(f"conchgo: {path}: {reason}")
    assert result.stderr.count("\n") == 1


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "conchgo.toml"
    path.touch()
    monkeypatch.setenv("CONCHGO_CONFIG", str(path))
    assert run("check-config").output == f"{path}: good\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--config", "{}", "user", "list", "--json"),
        ("user", "--config", "{}", "list", "--json"),
        ("user", "list", "--json", "--config", "{}"),
    ],
)
def test_user_commands_use_the_accounts_of_the_configuration(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "conchgo.toml"
    path.write_text('[service]\nstate_directory = "state"')
    (tmp_path / "password").write_text("correct horse\n")
    added = run("user", "add", "mary", "--password-file", str(tmp_path / "password"), "--config", str(path))
    assert added.exit_code == 0, added.output
    result = run(*(argument.format(path) for argument in arguments))
    assert result.exit_code == 0
    assert str(tmp_path / "state" / "users" / "mary") in result.stdout


def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    path = tmp_path / "conchgo.toml"
    path.write_text('[service]\nstate_directory = "state"\n[database]\nurl = "postgresql://root:secret@127.0.0.1:1/x"')
    result = run("user", "list", "--config", str(path))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"conchgo: {path}: database.url: ")
    assert "secret" not in result.stderr


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    path = tmp_path / "conchgo.toml"
    path.write_text('[service]\nstate_directory = "conchgo.toml/state"')
    result = run("user", "list", "--config", str(path))
    assert result.exit_code == 1
    assert result.stderr == (
        f"conchgo: {path}: service.state_directory: {path}/state cannot be made: Not a directory\n"
    )
