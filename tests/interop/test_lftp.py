"""lftp, which runs ssh and speaks SFTP itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.interop.commands import lftp
from tests.interop.service import Service
from tests.interop.trees import BYTE_NAMES, KIB, TEXT_NAMES, assert_same, content, make_tree


def test_trees_are_mirrored_both_ways_byte_for_byte(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", TEXT_NAMES + BYTE_NAMES)
    lftp(service, f"mirror -R {tree} /up", f"mirror /up {local}/down", charset="latin1")
    assert_same(tree, service.home / "up")
    assert_same(tree, local / "down")


def test_a_mirror_in_parallel_deletes_what_is_gone_and_keeps_times(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree")
    os.utime(tree / "plain", (1_000_000_000, 1_000_000_000))
    (service.home / "up").mkdir()
    (service.home / "up" / "gone").write_bytes(b"")
    lftp(service, f"mirror -R -P 8 --delete {tree} /up", f"mirror -P 4 --use-pget-n=4 /up {local}/down")
    assert_same(tree, service.home / "up")
    assert_same(tree, local / "down")
    assert (service.home / "up" / "plain").stat().st_mtime == 1_000_000_000
    assert (local / "down" / "plain").stat().st_mtime == 1_000_000_000


def test_transfers_are_resumed(service: Service, local: Path) -> None:
    whole = content(300 * KIB)
    (local / "up").write_bytes(whole)
    (service.home / "up").write_bytes(whole[: 100 * KIB])
    (service.home / "down").write_bytes(whole)
    (local / "down").write_bytes(whole[: 100 * KIB])
    lftp(service, f"put -c {local}/up -o /up", f"get -c /down -o {local}/down")
    assert (service.home / "up").read_bytes() == whole
    assert (local / "down").read_bytes() == whole


def test_ten_thousand_entries_are_listed(full_service: Service) -> None:
    listed = lftp(full_service, "cls -1").splitlines()
    assert len(listed) == 10_000
    assert set(listed) == set(os.listdir(os.fsencode(full_service.home)))


def test_names_are_made_changed_and_removed(service: Service) -> None:
    (service.home / "file").write_bytes(b"content")
    lftp(service, "mkdir -p /a/b", "mv /file /a/moved", "chmod 600 /a/moved", "ln -s moved /a/link", "cat /a/link")
    assert (service.home / "a" / "moved").stat().st_mode & 0o777 == 0o600
    assert os.readlink(service.home / "a" / "link") == "moved"
    lftp(service, "rm -r /a")
    assert os.listdir(service.home) == []


@pytest.mark.parametrize("line", ["put /dev/null -o /missing/file", "get /missing", "cd /missing", "rmdir /full"])
def test_what_is_wrong_is_said(fast_service: Service, line: str) -> None:
    (fast_service.home / "full" / "below").mkdir(parents=True)
    assert lftp(fast_service, line, status=1)
