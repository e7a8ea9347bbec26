"""rclone, whose SFTP is Go's pkg/sftp: many requests at once, and a look at the size after each upload."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.interop.commands import rclone
from tests.interop.service import Service
from tests.interop.trees import KIB, TEXT_NAMES, assert_same, content, make_tree


def test_trees_go_both_ways_byte_for_byte(service: Service, local: Path) -> None:
    """rclone's own names are text; what is none it can't carry to any server."""
    tree = make_tree(local / "tree", TEXT_NAMES)
    rclone(service, "copy", "--create-empty-src-dirs", tree, ":sftp:/up")
    assert_same(tree, service.home / "up")
    rclone(service, "copy", "--create-empty-src-dirs", ":sftp:/up", local / "down", by_key=False)
    assert_same(tree, local / "down")
    rclone(service, "check", "--download", tree, ":sftp:/up")


def test_a_sync_removes_renames_and_replaces(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree")
    rclone(service, "sync", tree, ":sftp:/up", "--create-empty-src-dirs")
    (tree / "plain").unlink()
    (tree / "size-1").write_bytes(b"longer now")
    (tree / "size-32769").rename(tree / "moved")
    rclone(
        service,
        "sync",
        tree,
        ":sftp:/up",
        "--create-empty-src-dirs",
        "--track-renames",
        "--track-renames-strategy",
        "modtime",
    )
    assert_same(tree, service.home / "up")
    targets = [event["target"] for event in service.audit("rename", 1)]
    assert targets == ["/up/moved"]


def test_many_requests_at_once(service: Service, local: Path) -> None:
    (local / "file").write_bytes(content(5 * KIB * KIB))
    many = ["--sftp-concurrency", "128", "--sftp-chunk-size", "255Ki", "--transfers", "8"]
    for number in range(4):
        (local / f"file{number}").write_bytes(content(KIB * KIB, number))
    rclone(service, "copy", *many, local, ":sftp:/up")
    rclone(service, "copy", *many, ":sftp:/up", local / "back")
    assert_same(service.home / "up", local / "back")


def test_ten_thousand_entries_are_listed(full_service: Service) -> None:
    listed = rclone(full_service, "lsf", ":sftp:/").splitlines()
    assert set(listed) == set(os.listdir(os.fsencode(full_service.home)))


def test_names_times_and_space(service: Service, local: Path) -> None:
    (service.home / "file").write_bytes(b"content")
    rclone(service, "touch", "-t", "2001-09-09T01:46:40", ":sftp:/file")
    assert (service.home / "file").stat().st_mtime == 1_000_000_000
    rclone(service, "moveto", ":sftp:/file", ":sftp:/dir/moved")
    rclone(service, "mkdir", ":sftp:/empty")
    assert rclone(service, "cat", ":sftp:/dir/moved") == b"content"
    rclone(service, "deletefile", ":sftp:/dir/moved")
    rclone(service, "rmdirs", "--leave-root", ":sftp:/")
    assert os.listdir(service.home) == []


def test_free_space(fast_service: Service) -> None:
    """`about` needs statvfs@openssh.com, which only the fast path has."""
    assert b"Free" in rclone(fast_service, "about", ":sftp:/")


@pytest.mark.parametrize("arguments", [("cat", ":sftp:/missing"), ("rmdir", ":sftp:/full"), ("lsf", ":sftp:/missing")])
def test_what_is_wrong_is_said(fast_service: Service, arguments: tuple[str, ...]) -> None:
    (fast_service.home / "full").mkdir()
    (fast_service.home / "full" / "file").write_bytes(b"")
    assert rclone(fast_service, *arguments, status=None)
