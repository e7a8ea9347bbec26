from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from conchgo.accounts.model import Folder, User, VirtualFolder
from conchgo.errors import ConchgoError, Failure, NotADirectory, PermissionDenied
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Limits
from conchgo.sessions.directories import Directories
from conchgo.sessions.storages import Storages, make_ways, open_start_directory, open_storages
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.compose import Mount, joined
from tests.contract.storage.helpers import descriptors
from tests.permission_table import DIRECTORY, Link, prepare, snapshot

p = VirtualPath.parse


def opened(tmp_path: Path, mounts: dict[str, str], real: dict[str, str] | None = None, **user: Any) -> Storages:
    """The storages of a user with these folders: virtual path to name; `real` says where one is, if not at its name."""
    virtual = tuple(VirtualFolder(name, path) for path, name in mounts.items())
    where = {**{name: name for name in mounts.values()}, **(real or {})}
    folders = {name: Folder(name, f"{tmp_path}/{path}") for name, path in where.items()}
    return open_storages(
        Directories(0o022), User("alice", f"{tmp_path}/home", virtual_folders=virtual, **user), folders
    )


def test_a_user_without_folders_has_a_home(tmp_path: Path) -> None:
    storages = opened(tmp_path, {}, quota_size=5, quota_files=6)
    assert storages.mounts.keys() == {ROOT}
    charge = storages.mounts[ROOT].charge
    assert charge is not None
    assert (charge.storage, charge.domains) == ("user:alice", (("user:alice", Limits(5, 6)),))
    assert (tmp_path / "home").is_dir()
    storages.close()


def test_home_and_folders_are_made_and_so_are_the_ways_to_them(tmp_path: Path) -> None:
    storages = opened(tmp_path, {"/team": "t", "/v/w/far": "f", "/team/a/b/deep": "d"})
    assert set(map(bytes, storages.mounts)) == {b"/", b"/team", b"/v/w/far", b"/team/a/b/deep"}
    for link, leads in ((b"/x", True), (b"/team/x", False), (b"/v/w/far/x", False)):
        assert storages.table.may_lead(p(link), p(b"/team/a/b/deep")) is leads
    found = {os.path.relpath(path, tmp_path) for path, _, _ in os.walk(tmp_path)} - {"."}
    assert found == {"home", "home/v", "home/v/w", "t", "t/a", "t/a/b", "f", "d"}
    assert storages.broken == {}
    storages.close()


def test_who_pays_for_a_folder(tmp_path: Path) -> None:
    virtual = (VirtualFolder("in", "/in"), VirtualFolder("own", "/own", included=False, quota_size=7))
    folders = {name: Folder(name, f"{tmp_path}/{name}") for name in ("in", "own")}
    user = User("alice", f"{tmp_path}/home", virtual_folders=virtual, quota_files=9)
    storages = open_storages(Directories(0o022), user, folders)
    charges = {bytes(path): mount.charge for path, mount in storages.mounts.items()}
    included, own = charges[b"/in"], charges[b"/own"]
    assert included is not None
    assert own is not None
    assert (included.storage, own.storage) == ("folder:in", "folder:own")
    beside = ("folder:in",)
    assert included.domains == (("folder:in", Limits()), ("user:alice", Limits(None, 9, beside)))
    home = charges[b"/"]
    assert home is not None
    assert home.domains == (("user:alice", Limits(None, 9, beside)),)
    assert own.domains == (("folder:own", Limits(7, None)),)
    storages.close()


def test_a_folder_at_the_root_is_in_the_place_of_the_home(tmp_path: Path) -> None:
    storages = opened(tmp_path, {"/": "t", "/x": "x"})
    storages.mounts[ROOT].storage.mkdir(p(b"/made"))
    storages.close()
    assert sorted(os.listdir(tmp_path)) == ["t", "x"]
    assert os.listdir(tmp_path / "t") == ["made"]


@pytest.mark.parametrize("broken", ["file", "link", "missing", "elsewhere"])
def test_a_folder_that_cannot_be_opened_breaks_nothing_else(tmp_path: Path, broken: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(".")
    virtual = (VirtualFolder("good", "/good"), VirtualFolder(broken, "/bad"))
    folders = {name: Folder(name, f"{tmp_path}/{name}") for name in ("good", "file", "link")}
    folders["elsewhere"] = Folder("elsewhere", f"{tmp_path}/elsewhere", extra={"filesystem": {"provider": 1}})
    user = User("alice", f"{tmp_path}/home", virtual_folders=virtual)
    (tmp_path / "home" / "bad").mkdir(parents=True)
    (tmp_path / "home" / "bad" / "secret").touch()
    storages = open_storages(Directories(0o022), user, folders)
    assert storages.broken.keys() == {p(b"/bad")}
    reason = storages.broken[p(b"/bad")]
    assert f"the folder {broken} " in reason
    assert str(tmp_path) not in reason
    storages.mounts[p(b"/good")].storage.mkdir(p(b"/x"))
    for path in (b"/bad", b"/bad/secret"):
        with pytest.raises(Failure, match=f"the folder {broken} is not available"):
            joined(storages.mounts, storages.table).lstat(p(path))
    storages.close()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("at", ["/", "/x"])
def test_nothing_stays_open_where_the_root_cannot_be_opened(tmp_path: Path, at: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "home").touch()
    before = descriptors()
    with pytest.raises(Failure):
        opened(tmp_path, {"/y": "good", at: "file"})
    assert descriptors() == before


def assert_pinned(storages: Storages, path: bytes) -> None:
    tree = joined(storages.mounts, storages.table)
    for change in (lambda: tree.rmdir(p(path)), lambda: tree.rename(p(path), p(path + b"2"), replace=False)):
        with pytest.raises(PermissionDenied):
            change()


def test_the_directory_of_a_folder_that_lies_in_the_home_is_pinned(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "homes").symlink_to("real")
    home = f"{tmp_path}/homes/alice"
    user = User("alice", home, virtual_folders=(VirtualFolder("in", "/m"), VirtualFolder("out", "/out")))
    folders = {"in": Folder("in", f"{tmp_path}/real/alice/p/q"), "out": Folder("out", f"{tmp_path}/real/alice2")}
    storages = open_storages(Directories(0o022, f"{tmp_path}/homes"), user, folders)
    assert_pinned(storages, b"/p/q")
    storages.close()


def test_a_home_in_a_folder_is_pinned_in_the_folder(tmp_path: Path) -> None:
    storages = opened(tmp_path, {"/all": "all"}, {"all": "."})
    assert_pinned(storages, b"/all/home")
    storages.close()
    same = opened(tmp_path, {"/again": "again"}, {"again": "home"})
    tree = joined(same.mounts, same.table)
    tree.mkdir(p(b"/again/x"))
    tree.rmdir(p(b"/x"))
    same.close()


def test_what_is_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "file").touch()
    (tmp_path / "home" / "link").symlink_to("/tmp")
    storages = opened(tmp_path, {"/file/x/y": "a", "/link/y/z": "b", "/" + "n" * 300 + "/z": "c"})
    assert sorted(os.listdir(tmp_path / "home")) == ["file", "link"]
    tree = joined(storages.mounts, storages.table)
    assert {bytes(path) for path in storages.mounts if tree.lstat(path)} >= {b"/file/x/y", b"/link/y/z"}
    storages.close()


def test_ways_are_made_in_the_storage_that_they_lie_in() -> None:
    home, team, deep = MemoryStorage(), MemoryStorage(), MemoryStorage()
    make_ways({p(b"/t/u"): Mount(team), p(b"/t/u/v/w/x"): Mount(deep), ROOT: Mount(home)})
    assert (snapshot(home).keys(), snapshot(team).keys(), snapshot(deep)) == ({b"/t"}, {b"/v", b"/v/w"}, {})


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
