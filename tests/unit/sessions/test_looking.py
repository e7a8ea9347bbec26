from __future__ import annotations

import os
from pathlib import Path

import pytest

from conchgo.accounts.memory import MemoryAccountStore
from conchgo.accounts.model import Folder, User
from conchgo.errors import ConchgoError, NotARegularFile
from conchgo.paths import VirtualPath
from conchgo.sessions.directories import Directories
from conchgo.sessions.looking import Looking


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    store = MemoryAccountStore(
        [User("alice", str(tmp_path / "homes" / "alice")), User("bob", str(tmp_path / "homes" / "bob"))]
    )
    store.add_folder(Folder("shared", str(tmp_path / "shared")))
    for directory in ("homes/alice/sub", "shared"):
        (tmp_path / directory).mkdir(parents=True)
    return Looking(store, Directories(0o022, str(tmp_path / "homes")))


def path(text: str) -> VirtualPath:
    return VirtualPath.parse(text.encode())


@pytest.mark.parametrize(("storage", "place"), [("user:alice", "homes/alice"), ("folder:shared", "shared")])
def test_a_file_is_found_with_what_identifies_it(looking: Looking, tmp_path: Path, storage: str, place: str) -> None:
    (tmp_path / place / "file").write_bytes(b"12345")
    os.link(tmp_path / place / "file", tmp_path / place / "other")
    found = looking(storage, path("/file"))
    stat = (tmp_path / place / "file").stat()
    assert found == ((stat.st_dev, stat.st_ino), 5, 2)
    assert looking(storage, path("/missing")) is None


def test_what_is_no_regular_file_says_nothing(looking: Looking, tmp_path: Path) -> None:
    (tmp_path / "homes" / "alice" / "link").symlink_to("sub")
    for name in ("/sub", "/link"):
        with pytest.raises(NotARegularFile):
            looking("user:alice", path(name))
    with pytest.raises(ConchgoError):
        looking("user:alice", path("/link/file"))


@pytest.mark.parametrize("storage", ["user:bob", "user:nobody", "folder:none", "alice", "other:alice"])
def test_a_storage_that_is_not_there_says_nothing_and_is_not_made(
    looking: Looking, tmp_path: Path, storage: str
) -> None:
    with pytest.raises(ConchgoError):
        looking(storage, path("/file"))
    assert not (tmp_path / "homes" / "bob").exists()


def test_it_keeps_nothing_open(looking: Looking) -> None:
    before = os.listdir("/proc/self/fd")
    looking("user:alice", path("/missing"))
    assert len(os.listdir("/proc/self/fd")) == len(before)
