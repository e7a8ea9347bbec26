"""OpenSSH's scp in its SFTP mode, which is its default since 9.0."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.interop.commands import address, scp
from tests.interop.service import Service
from tests.interop.trees import BYTE_NAMES, TEXT_NAMES, assert_same, content, make_tree


def test_trees_go_both_ways_byte_for_byte(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", TEXT_NAMES + BYTE_NAMES)
    scp(service, "-r", tree, address(service, "/up"))
    assert_same(tree, service.home / "up")
    scp(service, "-r", address(service, "/up"), local / "down")
    assert_same(tree, local / "down")


def test_modes_and_times_are_kept_where_asked(service: Service, local: Path) -> None:
    (local / "file").write_bytes(b"content")
    (local / "file").chmod(0o604)
    os.utime(local / "file", (1_000_000_000, 1_234_567_890))
    scp(service, "-p", local / "file", address(service, "/file"))
    scp(service, "-p", address(service, "/file"), local / "back")
    for path in (service.home / "file", local / "back"):
        assert (path.stat().st_mode & 0o777, path.stat().st_mtime) == (0o604, 1_234_567_890)


def test_wildcards_relative_names_and_several_sources(service: Service, local: Path) -> None:
    for name in ("one.txt", "two.txt", "three.jpg"):
        (local / name).write_text(name)
    (service.home / "dir").mkdir()
    scp(service, local / "one.txt", local / "two.txt", local / "three.jpg", address(service, "dir"))
    (local / "down").mkdir()
    scp(service, address(service, "dir/*.txt"), local / "down")
    assert sorted(os.listdir(local / "down")) == ["one.txt", "two.txt"]


def test_the_home_is_where_the_session_starts(fast_service: Service, local: Path) -> None:
    """`~` needs expand-path@openssh.com, which only the fast path has."""
    (fast_service.home / "file").write_text("content")
    scp(fast_service, address(fast_service, "~/file"), local / "one")
    scp(fast_service, address(fast_service, "~alice/file"), local / "two")
    assert (local / "one").read_text() == (local / "two").read_text() == "content"
    assert b"no such user" in scp(fast_service, address(fast_service, "~root/file"), local / "x", status=1).lower()


def test_from_one_remote_name_to_another(service: Service) -> None:
    (service.home / "one").write_bytes(content(100_000))
    scp(service, "-3", address(service, "/one"), address(service, "/two"))
    assert (service.home / "two").read_bytes() == content(100_000)


@pytest.mark.parametrize("source", ["/missing", "/directory"])
def test_what_is_wrong_is_said(fast_service: Service, local: Path, source: str) -> None:
    (fast_service.home / "directory").mkdir()
    assert scp(fast_service, address(fast_service, source), local / "x", status=1)
    assert not (local / "x").exists()
