"""PuTTY's psftp and pscp."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.interop.commands import address, psftp, putty_options, run
from tests.interop.service import Service
from tests.interop.trees import BYTE_NAMES, KIB, TEXT_NAMES, assert_same, content, make_tree
from tests.programs import require_program


def test_trees_go_both_ways_byte_for_byte(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", TEXT_NAMES + BYTE_NAMES)
    psftp(service, "put -r tree up", "get -r up down", home=local)
    assert_same(tree, service.home / "up")
    assert_same(tree, local / "down")


def test_transfers_are_resumed(service: Service, local: Path) -> None:
    whole = content(300 * KIB)
    (local / "up").write_bytes(whole)
    (service.home / "up").write_bytes(whole[: 100 * KIB])
    (service.home / "down").write_bytes(whole)
    (local / "down").write_bytes(whole[: 100 * KIB])
    psftp(service, "reput up", "reget down", home=local)
    assert (service.home / "up").read_bytes() == whole
    assert (local / "down").read_bytes() == whole


def test_ten_thousand_entries_are_listed(full_service: Service, local: Path) -> None:
    output = psftp(full_service, "ls", home=local)
    assert {line.split()[-1] for line in output.splitlines()} >= set(os.listdir(os.fsencode(full_service.home)))


def test_names_are_made_changed_and_removed(service: Service, local: Path) -> None:
    (service.home / "file").write_bytes(b"content")
    (service.home / "taken").write_bytes(b"taken")
    (service.home / "gone").write_bytes(b"")
    output = psftp(service, "pwd", "mkdir dir", "mv file dir", "chmod 600 dir/file", "rm gone", home=local)
    assert b"Remote directory is /" in output
    assert (service.home / "dir" / "file").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(service.home)) == ["dir", "taken"]
    # psftp knows plain RENAME only, which never replaces.
    psftp(service, "mv dir/file taken", home=local, status=2)
    assert (service.home / "taken").read_bytes() == b"taken"
    psftp(service, "rm dir/file", "rmdir dir", home=local)
    assert os.listdir(service.home) == ["taken"]


@pytest.mark.parametrize(
    "line", ["put local-file missing/file", "get missing", "cd missing", "rmdir full", "mkdir full"]
)
def test_what_is_wrong_is_said(fast_service: Service, local: Path, line: str) -> None:
    (local / "local-file").write_bytes(b"")
    (fast_service.home / "full").mkdir()
    (fast_service.home / "full" / "file").write_bytes(b"")
    assert psftp(fast_service, line, home=local, status=2)


def test_pscp(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree")
    os.utime(tree / "plain", (1_000_000_000, 1_000_000_000))
    (local / "down").mkdir()
    program = require_program("pscp")
    arguments = [program, "-sftp", "-r", "-p", *putty_options(service)]
    run([*arguments, "tree", address(service, "/")], cwd=local, env={"HOME": str(local)})
    assert_same(tree, service.home / "tree")
    run([*arguments, address(service, "/tree"), "."], cwd=local / "down", env={"HOME": str(local)})
    assert_same(tree, local / "down" / "tree")
    assert (service.home / "tree" / "plain").stat().st_mtime == 1_000_000_000
