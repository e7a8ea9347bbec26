"""sshfs: what programs do with files when they do not know that a server is behind them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.interop.commands import run
from tests.interop.mount import mounted
from tests.interop.service import Service
from tests.interop.trees import BYTE_NAMES, TEXT_NAMES, assert_same, content, make_tree


def test_trees_go_both_ways_byte_for_byte(service: Service, local: Path) -> None:
    tree = make_tree(local / "tree", TEXT_NAMES + BYTE_NAMES)
    with mounted(service, local / "mount") as mount:
        run(["cp", "-a", tree, mount / "up"])
        assert_same(tree, service.home / "up")
        run(["cp", "-a", mount / "up", local / "down"])
        assert_same(tree, local / "down")
        shutil.rmtree(mount / "up")
        assert os.listdir(service.home) == []


def test_what_programs_do_with_files(service: Service, local: Path) -> None:
    with mounted(service, local / "mount") as mount:
        file = mount / "file"
        file.write_bytes(content(100_000))
        with file.open("r+b") as opened:
            opened.seek(50_000)
            opened.write(b"middle")
            opened.truncate(60_000)
        expected = content(100_000)[:50_000] + b"middle" + content(100_000)[50_006:60_000]
        assert (service.home / "file").read_bytes() == expected
        with file.open("ab") as opened:
            opened.write(b"end")
        assert (service.home / "file").read_bytes() == expected + b"end"
        file.chmod(0o640)
        os.utime(file, (1_000_000_000, 1_234_567_890))
        status = (service.home / "file").stat()
        assert (status.st_mode & 0o777, status.st_atime, status.st_mtime) == (0o640, 1_000_000_000, 1_234_567_890)
        with pytest.raises(FileExistsError):
            (mount / "file").open("xb")
        os.symlink("file", mount / "link")
        assert os.readlink(mount / "link") == "file"
        assert (mount / "link").read_bytes() == expected + b"end"
        assert run(["sha256sum", mount / "file"]).stdout[:64] == run(["sha256sum", service.home / "file"]).stdout[:64]


def test_a_file_is_replaced_as_editors_do(service: Service, local: Path) -> None:
    """Write beside it, and rename over it. Without posix-rename@openssh.com sshfs does the latter in two steps."""
    (service.home / "file").write_text("old")
    with mounted(service, local / "mount", "workaround=rename") as mount:
        (mount / "file.new").write_text("new")
        (mount / "file.new").rename(mount / "file")
        assert (mount / "file").read_text() == "new"
    assert (service.home / "file").read_text() == "new"
    assert os.listdir(service.home) == ["file"]


def test_hard_links_and_free_space_on_the_fast_path(fast_service: Service, local: Path) -> None:
    with mounted(fast_service, local / "mount") as mount:
        (mount / "file").write_text("content")
        os.link(mount / "file", mount / "other")
        assert (fast_service.home / "file").samefile(fast_service.home / "other")
        assert os.statvfs(mount).f_blocks > 0


def test_ten_thousand_entries_are_listed(full_service: Service, local: Path) -> None:
    with mounted(full_service, local / "mount") as mount:
        assert set(os.listdir(mount)) == set(os.listdir(full_service.home))
