"""The command line of `conchgo portable`: what is refused, in one line. (What it serves is a story.)"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from conchgo.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-u", "../x"], 'conchgo: username: "../x" is no username'),
        (["-g", "fly"], 'conchgo: permissions: /: unknown verb "fly"'),
        (["-g", ""], 'conchgo: permissions: "/" must have at least one verb'),
        (["--directory-permissions", "/a/../b=list"], 'conchgo: permissions: "/a/../b": write it absolute and clean'),
        (["-k", "ssh-rsa AAAA"], "conchgo: public_keys: number 1: "),
        (["-p", "a-password", "--password-file", "/dev/null"], "conchgo: --password and --password-file exclude"),
        (["--password-file", "/dev/zero"], "conchgo: the password"),
        (["--password-file", "/dev/null"], "conchgo: the password is empty"),
        (["-p", ""], "conchgo: the password is empty"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    result = CliRunner().invoke(main, ["portable", "-d", str(tmp_path), *arguments])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--directory-permissions", "/a"], "'--directory-permissions': /a: write it as /incoming=list,upload"),
        (["--directory-permissions", "a=list"], "'--directory-permissions': a=list: write it as /incoming=list,upload"),
        (["-k", "/no/such.pub"], "'--public-key' / '-k': /no/such.pub: neither a key nor a readable file of keys"),
        (["-k", "/dev/null"], "'--public-key' / '-k': /dev/null: there is no key in this file"),
        (["-s", "99999"], "'--sftpd-port' / '-s': 99999 is not in the range"),
    ],
)
def test_a_value_that_is_none_names_its_option(tmp_path: Path, arguments: list[str], line: str) -> None:
    result = CliRunner().invoke(main, ["portable", "-d", str(tmp_path), *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Error: Invalid value for {line}" in result.stderr


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["portable", "-d", str(tmp_path / "missing")])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
