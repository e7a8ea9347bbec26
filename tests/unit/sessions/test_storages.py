from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from conchgo.accounts.model import User
from conchgo.errors import ConchgoError, Failure, NotADirectory
from conchgo.paths import VirtualPath
from conchgo.sessions.storages import identity_of, open_local, open_start_directory
from conchgo.storage.memory import MemoryStorage
from tests.permission_table import DIRECTORY, Link, prepare, snapshot

p = VirtualPath.parse

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
as_anybody = pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")


@pytest.fixture(autouse=True)
def strict_umask() -> Iterator[None]:
    """The process' umask must not matter."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("home", ["home", "home/", "above/home", "above/./home//"])
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o002, 0o775), (0o077, 0o700)])
def test_a_missing_home_is_made_with_the_umask(tmp_path: Path, home: str, umask: int, mode: int) -> None:
    storage = open_local(User("alice", f"{tmp_path}/{home}"), umask)
    storage.mkdir(p(b"/inside"))
    storage.close()
    assert mode_of(tmp_path / home) == mode
    assert mode_of(tmp_path / home / "inside") == mode


@as_root
@pytest.mark.parametrize(("uid", "gid"), [(1234, 2345), (1234, 0), (0, 2345), (0, 0)])
@pytest.mark.parametrize("home", ["home", "above/home/"])
def test_a_missing_home_is_given_to_the_user_and_nothing_above(tmp_path: Path, uid: int, gid: int, home: str) -> None:
    storage = open_local(User("alice", f"{tmp_path}/{home}", uid=uid, gid=gid), 0o022)
    storage.mkdir(p(b"/inside"))
    storage.close()
    for path in (tmp_path / home, tmp_path / home / "inside"):
        assert (path.stat().st_uid, path.stat().st_gid) == (uid, gid)
    if "above" in home:
        assert (tmp_path / "above").stat().st_uid == 0


def test_a_home_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o751)
    open_local(User("alice", str(home), uid=1234, gid=1234), 0o022).close()
    assert mode_of(home) == 0o751
    assert home.stat().st_uid == os.geteuid()


def test_homes_may_lie_behind_a_link_of_the_administrator(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "homes").symlink_to("real")
    for _ in range(2):
        storage = open_local(User("alice", str(tmp_path / "homes" / "alice")), 0o022, str(tmp_path / "homes"))
        storage.close()
    assert (tmp_path / "real" / "alice").is_dir()


@pytest.mark.parametrize("home", ["team/link", "team/link/home", "team/link/below"])
@pytest.mark.parametrize("base", ["/", "homes"])
def test_a_home_in_that_of_another_user_who_puts_a_link_there(tmp_path: Path, home: str, base: str) -> None:
    outside = tmp_path / "outside"
    (outside / "below").mkdir(parents=True)
    (tmp_path / "homes" / "team").mkdir(parents=True)
    (tmp_path / "homes" / "team" / "link").symlink_to(outside)
    with pytest.raises(Failure, match="symbolic link") as failed:
        open_local(User("alice", str(tmp_path / "homes" / home)), 0o022, str(tmp_path / base))
    assert str(tmp_path) not in failed.value.text
    assert os.listdir(outside) == ["below"]


@pytest.mark.parametrize("home", ["file", "file/below", "dangling"])
def test_a_home_that_cannot_be_opened_is_told_without_its_path(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(Failure, match="home directory") as failed:
        open_local(User("alice", str(tmp_path / home)), 0o022)
    assert str(tmp_path) not in failed.value.text


@as_anybody
def test_a_home_that_may_not_be_made_is_told_without_its_path() -> None:
    with pytest.raises(Failure, match="home directory can't be made"):
        open_local(User("alice", "/proc/home"), 0o022)


def test_the_start_directory_is_made() -> None:
    storage = MemoryStorage()
    open_start_directory(storage, p(b"/"))
    assert snapshot(storage) == {}
    for _ in range(2):
        open_start_directory(storage, p(b"/a/b/c"))
        assert snapshot(storage).keys() == {b"/a", b"/a/b", b"/a/b/c"}


def test_a_start_directory_behind_a_link_is_left_to_the_administrator() -> None:
    storage = MemoryStorage()
    prepare(storage, {b"/real": DIRECTORY, b"/l": Link(b"/real")})
    open_start_directory(storage, p(b"/l/x"))
    assert snapshot(storage).keys() == {b"/real", b"/l"}


def test_a_file_in_the_place_of_the_start_directory_is_an_error() -> None:
    storage = MemoryStorage()
    prepare(storage, {b"/f": b""})
    with pytest.raises(NotADirectory):
        open_start_directory(storage, p(b"/f/x"))
    with pytest.raises(ConchgoError):
        open_start_directory(storage, p(b"/" + b"x" * 256))


def test_the_session_is_who_its_files_belong_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getegid", lambda: 50)
    for euid, expected in (
        (0, {(7, 8): (7, 8), (7, 0): (7, 50), (0, 8): (0, 8), (0, 0): (0, 50)}),
        (5, {(7, 8): (5, 50), (0, 0): (5, 50)}),
    ):
        monkeypatch.setattr(os, "geteuid", lambda euid=euid: euid)
        for (uid, gid), (its_uid, its_gid) in expected.items():
            identity = identity_of(User("alice", "/home", uid=uid, gid=gid))
            assert (identity.uid, identity.gid) == (its_uid, its_gid)
            assert identity.user_name(its_uid) == identity.group_name(its_gid) == "alice"
            assert identity.user_name(its_uid + 1) == identity.group_name(its_gid + 1) == ""
