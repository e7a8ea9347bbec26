from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from conchgo.accounts.model import Folder, User
from conchgo.errors import Failure
from conchgo.paths import VirtualPath
from conchgo.sessions.directories import Directories, identity_of

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
    storage = Directories(umask).home(User("alice", f"{tmp_path}/{home}"))
    storage.mkdir(p(b"/inside"))
    storage.close()
    assert mode_of(tmp_path / home) == mode
    assert mode_of(tmp_path / home / "inside") == mode


@as_root
@pytest.mark.parametrize(("uid", "gid"), [(1234, 2345), (1234, 0), (0, 2345), (0, 0)])
@pytest.mark.parametrize("home", ["home", "above/home/"])
def test_a_missing_home_is_given_to_the_user_and_nothing_above(tmp_path: Path, uid: int, gid: int, home: str) -> None:
    storage = Directories(0o022).home(User("alice", f"{tmp_path}/{home}", uid=uid, gid=gid))
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
    Directories(0o022).home(User("alice", str(home), uid=1234, gid=1234)).close()
    assert mode_of(home) == 0o751
    assert home.stat().st_uid == os.geteuid()


def test_homes_may_lie_behind_a_link_of_the_administrator(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "homes").symlink_to("real")
    for _ in range(2):
        storage = Directories(0o022, str(tmp_path / "homes")).home(User("alice", str(tmp_path / "homes" / "alice")))
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
        Directories(0o022, str(tmp_path / base)).home(User("alice", str(tmp_path / "homes" / home)))
    assert str(tmp_path) not in failed.value.text
    assert os.listdir(outside) == ["below"]


@pytest.mark.parametrize("home", ["file", "file/below", "dangling"])
def test_a_home_that_cannot_be_opened_is_told_without_its_path(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(Failure, match="home directory") as failed:
        Directories(0o022).home(User("alice", str(tmp_path / home)))
    assert str(tmp_path) not in failed.value.text


@as_anybody
def test_a_home_that_may_not_be_made_is_told_without_its_path() -> None:
    with pytest.raises(Failure, match="home directory can't be made"):
        Directories(0o022).home(User("alice", "/proc/home"))


def test_a_missing_folder_is_made_as_the_servers_own(tmp_path: Path) -> None:
    """Whoever logs in first must not get what many share."""
    folder, user = Folder("team", f"{tmp_path}/above/team"), User("alice", "/", uid=1234, gid=2345)
    storage = Directories(0o002).folder(folder, user)
    storage.mkdir(p(b"/inside"))
    storage.close()
    team = tmp_path / "above" / "team"
    assert (team.stat().st_uid, team.stat().st_gid, mode_of(team)) == (os.geteuid(), os.getegid(), 0o775)
    assert (team / "inside").stat().st_uid == (1234 if os.geteuid() == 0 else os.geteuid())


@pytest.mark.parametrize("path", ["link", "link/below", "homes/bob/team", "homes/bob/team/below"])
def test_a_folder_behind_a_link_is_refused_by_its_name(tmp_path: Path, path: str) -> None:
    """Bob may have put it there, or the administrator, who can write where it leads."""
    outside = tmp_path / "outside"
    (outside / "below").mkdir(parents=True)
    (tmp_path / "homes" / "bob").mkdir(parents=True)
    for link in ("link", "homes/bob/team"):
        (tmp_path / link).symlink_to(outside)
    directories = Directories(0o022, str(tmp_path / "homes"))
    with pytest.raises(Failure, match=r"the folder team can't be opened.*symbolic link.*mapped_path") as failed:
        directories.folder(Folder("team", str(tmp_path / path)), User("alice", "/"))
    assert str(tmp_path) not in failed.value.text
    assert os.listdir(outside) == ["below"]


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
