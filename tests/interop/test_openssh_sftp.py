"""OpenSSH's sftp."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.interop.commands import sftp
from tests.interop.service import Service
from tests.interop.starter import FAST
from tests.interop.trees import BYTE_NAMES, KIB, TEXT_NAMES, assert_same, content, make_tree


def test_trees_go_both_ways_byte_for_byte(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", TEXT_NAMES + BYTE_NAMES)
    sftp(service, f"put -r {tree} /up", f"get -r /up {local}/down")
    assert_same(tree, service.home / "up")
    assert_same(tree, local / "down")


def test_an_upload_onto_itself_replaces_what_is_there(service: Service, local: Path) -> None:
    (local / "file").write_bytes(content(100_000))
    (service.home / "file").write_bytes(content(200_000))
    sftp(service, f"put {local}/file /file")
    assert (service.home / "file").read_bytes() == content(100_000)


def test_transfers_are_resumed(service: Service, local: Path) -> None:
    whole = content(300 * KIB)
    (local / "up").write_bytes(whole)
    (service.home / "up").write_bytes(whole[: 100 * KIB])
    (service.home / "down").write_bytes(whole)
    (local / "down").write_bytes(whole[: 100 * KIB])
    sftp(service, f"reput {local}/up /up", f"reget /down {local}/down")
    assert (service.home / "up").read_bytes() == whole
    assert (local / "down").read_bytes() == whole
    assert {event["bytes_written"] for event in service.audit("close", 2)} == {0, 200 * KIB}


def test_ten_thousand_entries_are_listed(full_service: Service) -> None:
    _, *listed = sftp(full_service, "ls -1").splitlines()
    assert len(listed) == 10_000
    assert set(listed) == set(os.listdir(os.fsencode(full_service.home)))


def test_a_long_listing_speaks_of_the_users_own_name(service: Service) -> None:
    (service.home / "file").write_bytes(b"12345")
    (service.home / "file").chmod(0o640)
    os.utime(service.home / "file", (1_000_000_000, 1_000_000_000))
    line = sftp(service, "ls -l /").splitlines()[-1].split()
    assert line[0] == b"-rw-r-----"
    assert line[2:8] == [b"alice", b"alice", b"5", b"Sep", b"9", b"2001"]


def test_names_are_made_changed_and_removed(service: Service) -> None:
    (service.home / "file").write_bytes(b"content")
    sftp(service, "mkdir /dir", "rename /file /dir/moved", "chmod 600 /dir/moved", "symlink moved /dir/link")
    assert (service.home / "dir" / "moved").stat().st_mode & 0o7777 == 0o600
    assert os.readlink(service.home / "dir" / "link") == "moved"
    sftp(service, "rm /dir/link", "rename /dir /other", "rm /other/moved", "rmdir /other")
    assert os.listdir(service.home) == []


def test_rename_over_an_existing_target(service: Service) -> None:
    """Only the fast path has posix-rename@openssh.com; without it sftp sends RENAME, which never replaces."""
    (service.home / "old").write_text("old")
    (service.home / "new").write_text("new")
    replaces = service.path == FAST
    sftp(service, "rename /old /new", status=0 if replaces else 1)
    assert (service.home / "new").read_text() == ("old" if replaces else "new")
    assert (service.home / "old").exists() != replaces


def test_modes_and_times_are_kept_where_asked(service: Service, local: Path) -> None:
    (local / "dir").mkdir()
    (local / "dir" / "file").write_bytes(b"content")
    for path, mode in ((local / "dir" / "file", 0o604), (local / "dir", 0o750)):
        path.chmod(mode)
        os.utime(path, (1_000_000_000, 1_234_567_890))
    sftp(service, f"put -pr {local}/dir /dir", f"get -pr /dir {local}/back")
    for path in (service.home / "dir", local / "back"):
        assert (path.stat().st_mode & 0o777, path.stat().st_mtime) == (0o750, 1_234_567_890)
        file = path / "file"
        assert (file.stat().st_mode & 0o777, file.stat().st_mtime) == (0o604, 1_234_567_890)


@pytest.mark.parametrize("options", [("-R", "256"), ("-R", "1"), ("-B", "261120", "-R", "128"), ("-B", "1000")])
def test_many_requests_of_any_size_at_once(service: Service, local: Path, options: tuple[str, ...]) -> None:
    (local / "file").write_bytes(content(1024 * KIB + 7))
    sftp(service, f"put {local}/file /file", f"get /file {local}/back", options=options)
    assert (service.home / "file").read_bytes() == (local / "file").read_bytes()
    assert (local / "back").read_bytes() == (local / "file").read_bytes()


WRONG = [
    ("put {local}/file /missing/file", "No such file"),
    ("put {local}/file /file/below", "No such file"),
    ("get /missing {local}/x", "not found"),
    ("get /full {local}/x", "not a regular file"),
    ("rm /full", "Failure"),
    ("rmdir /full", "Failure"),
    ("rmdir /file", "No such file"),
    ("mkdir /full", "Failure"),
    ("rename /missing /x", "No such file"),
    ("rename /file /full", "Failure"),
    ("symlink x /file", "Failure"),
    ("ls /missing", "not found"),
    ("chmod 600 /missing", "No such file"),
    ("rm /", "Permission denied"),
    ("rmdir /", "Permission denied"),
    ("rename / /x", "Permission denied"),
    ("rename /full /", "Permission denied"),
    ("symlink x /", "Permission denied"),
]


def test_what_is_wrong_is_said(service: Service, local: Path) -> None:
    for directory in (service.home, local):
        (directory / "full").mkdir()
        (directory / "full" / "file").write_bytes(b"")
        (directory / "file").write_bytes(b"")
    batch = ["-" + line.format(local=local) for line, _ in WRONG]
    output = sftp(service, *batch, options=["-q"]).decode().splitlines()
    said = [line for line in output if not line.startswith("sftp>")]
    assert len(said) == len(WRONG)
    for answer, (line, text) in zip(said, WRONG, strict=True):
        assert text in answer, f"{line}: {answer}"
    assert sorted(os.listdir(service.home)) == ["file", "full"]


def test_the_working_directory_is_virtual(service: Service) -> None:
    (service.home / "a").mkdir()
    assert b"Remote working directory: /\n" in sftp(service, "pwd")
    assert b"Remote working directory: /a\n" in sftp(service, "cd a", "pwd")
    assert b"Remote working directory: /\n" in sftp(service, "cd ../../../..", "pwd")


def test_what_only_the_fast_path_has(fast_service: Service) -> None:
    """Hard links, copies on the server, and free space need extensions."""
    home = fast_service.home
    (home / "file").write_bytes(content(300 * KIB))
    output = sftp(fast_service, "ln /file /hard", "cp /file /copy", "df /")
    assert (home / "hard").samefile(home / "file")
    assert (home / "copy").read_bytes() == content(300 * KIB)
    space = os.statvfs(home)
    assert str(space.f_blocks * space.f_frsize // KIB).encode() in output


def test_a_link_is_made_and_followed(service: Service, local: Path) -> None:
    (service.home / "dir").mkdir()
    (service.home / "dir" / "file").write_text("content")
    sftp(service, "symlink /dir/file /link", f"get /link {local}/file", "symlink dir /to-dir", "ls -l /to-dir/file")
    assert (local / "file").read_text() == "content"
