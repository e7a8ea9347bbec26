"""The command line of `conchgo portable`: what is refused, in one line. (What it serves is a story.)"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from conchgo.accounts.model import FilePattern, Filters, Folder, User, VirtualFolder
from conchgo.cli.main import main
from conchgo.cli.portable_account import account
from conchgo.cli.values import virtual_directory


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
        (["--denied-patterns", "/::["], "conchgo: filters.file_patterns: number 1: denied_patterns"),
        (["--allowed-patterns", "/a/::*"], "conchgo: filters.file_patterns: number 1: path"),
        (["--virtual-folder", "/a/=/usr"], "conchgo: virtual_folders: number 1: virtual_path"),
        (
            ["--virtual-folder", "/a=/usr", "--virtual-folder", "/a=/etc"],
            "conchgo: virtual_folders: number 2: virtual_",
        ),
        (["--virtual-folder", "/a=/usr", "--virtual-folder", "/b=/usr/bin"], 'conchgo: mapped_path: "/usr/bin"'),
        (["--virtual-folder", "/file/a=/usr"], "conchgo: virtual_folders: number 1: virtual_path: /file is no"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    (tmp_path / "file").touch()
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
        (["--denied-patterns", "*.exe"], "'--denied-patterns': *.exe: write it as /dir::*.jpg,*.png"),
        (["--virtual-folder", "/usr"], "'--virtual-folder': /usr: write it as /virtual=DIR"),
        (["--virtual-folder", "/a=/no/such"], "'--virtual-folder': /no/such: is no directory"),
        (["--quota-size", "-1"], "'--quota-size': -1 is not in the range"),
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


def test_the_account_has_what_the_options_say(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    patterns = [{"path": "/", "allowed_patterns": ["*.jpg"], "denied_patterns": ["*"]}]
    user, folders = account(
        {
            "username": "mary",
            "home_dir": "/srv",
            "permissions": {"/": ["list"]},
            "quota_size": 1,
            "quota_files": 0,
            "filters": {"max_upload_file_size": 2, "file_patterns": patterns},
        },
        None,
        filter(None, [virtual_directory(f"/x={tmp_path}/link"), virtual_directory(""), virtual_directory("/u=/usr")]),
    )
    assert folders == [Folder("directory-1", f"{tmp_path.resolve()}/real"), Folder("directory-2", "/usr")]
    assert user == User(
        "mary",
        "/srv",
        permissions={"/": ("list",)},
        quota_size=1,
        virtual_folders=(VirtualFolder("directory-1", "/x"), VirtualFolder("directory-2", "/u")),
        filters=Filters(max_upload_file_size=2, file_patterns=(FilePattern("/", ("*.jpg",), ("*",)),)),
    )
