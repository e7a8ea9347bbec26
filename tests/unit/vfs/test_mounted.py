"""Folders in a user's tree: routed, listed, kept in their places, and nothing leads around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from conchgo.errors import (
    AlreadyExists,
    CrossStorage,
    Failure,
    InvalidArgument,
    IsADirectory,
    NotFound,
    PermissionDenied,
    Unsupported,
    WouldBlock,
)
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Attributes, FileStat, Kind, Storage
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from conchgo.storage.refusing import Refusing
from conchgo.vfs.interface import Filesystem, OpenOptions
from conchgo.vfs.mount_table import MountTable
from conchgo.vfs.mounted import Mounted
from tests.permission_table import DIRECTORY, Link, prepare, snapshot
from tests.unit.vfs.helpers import ALL, CREATE, READ, View, get, names, outcome, p, put

MOUNTS = (b"/team", b"/team/a/deep", b"/v/w/far")
#: Directories that are there because mounts lie below them.
WAYS = (b"/team/a", b"/v", b"/v/w")


class Tree:
    """A home and three folders: one nested, one behind directories that exist nowhere."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.home, self.team, self.deep, self.far = self.storages = make(), make(), make(), make()
        self.folders = dict(zip(MOUNTS, self.storages[1:], strict=True))
        for storage, content in zip(self.storages, (b"home", b"team", b"deep", b"far"), strict=True):
            prepare(storage, {b"/file": content, b"/d": DIRECTORY, b"/d/inner": content, b"/empty": DIRECTORY})

    def fs(self, rules: Mapping[str, Any] | None = None) -> Filesystem:
        return View(self.home, rules or {"/": ALL}, folders=self.folders).fs

    def content(self) -> list[dict[bytes, object]]:
        return [snapshot(storage) for storage in self.storages]


def tree_of(storages: Mapping[VirtualPath, Storage], pinned: Iterable[VirtualPath] = ()) -> Mounted:
    return Mounted(storages, MountTable(storages, pinned))


@pytest.fixture
def tree(make_storage: Callable[[], Any]) -> Tree:
    return Tree(make_storage)


@pytest.fixture
def local_tree(tmp_path: Path) -> Iterator[Tree]:
    """On one file system, where things can be moved from one storage to another."""
    tree = Tree(lambda: LocalStorage(mkdtemp(dir=tmp_path).encode()))
    yield tree
    for storage in tree.storages:
        storage.close()


def test_each_path_is_in_the_deepest_mount_on_its_way(tree: Tree) -> None:
    fs = tree.fs()
    assert [get(fs, top + b"/file") for top in (b"", *MOUNTS)] == [b"home", b"team", b"deep", b"far"]
    assert get(fs, b"/team/a/deep/d/inner") == b"deep"
    put(fs, b"/team/a/deep/d/new", b"new")
    assert tree.deep.lstat(p(b"/d/new")).size == 3
    # By components, not by the text.
    put(fs, b"/team2", b"")
    assert tree.home.lstat(p(b"/team2")).kind is Kind.FILE


def test_mounts_are_listed_in_their_parents(tree: Tree) -> None:
    fs = tree.fs()
    assert names(fs, b"/") == {b"file", b"d", b"empty", b"team", b"v"}
    assert names(fs, b"/team") == {b"file", b"d", b"empty", b"a"}
    assert names(fs, b"/team/a") == {b"deep"}
    assert names(fs, b"/v") == {b"w"}
    assert names(fs, b"/v/w") == {b"far"}
    assert names(fs, b"/v/w/far") == {b"file", b"d", b"empty"}
    for path in (*MOUNTS, *WAYS):
        assert fs.stat(p(path)).kind is fs.lstat(p(path)).kind is Kind.DIRECTORY
        assert fs.realpath(p(path)) == p(path)
    assert fs.stat(p(b"/team")).identity == tree.team.lstat(ROOT).identity


def test_a_listing_tells_what_a_stat_tells(tree: Tree) -> None:
    fs = tree.fs()
    for directory in (b"/", b"/team", b"/v", b"/v/w"):
        listing = fs.scan(p(directory))
        found = {entry.name: entry.stat for entry in listing}
        listing.close()
        assert found == {name: fs.lstat(p(directory) / name) for name in found}


def test_directories_that_exist_nowhere_are_still_directories(tree: Tree) -> None:
    fs = tree.fs()
    found = [fs.stat(p(path)) for path in WAYS]
    assert [(stat.mode, stat.size, stat.mtime) for stat in found] == [(0o040755, 0, 0)] * 3
    assert len({stat.identity for stat in found}) == 3
    assert found[1].uid == tree.home.lstat(ROOT).uid
    assert fs.space(p(b"/v")).block_size == tree.home.space(ROOT).block_size
    for path in (b"/v/missing", b"/v/w/missing/x", b"/team/a/missing"):
        assert outcome(lambda path=path: fs.stat(p(path))) is NotFound
        assert outcome(lambda path=path: fs.open(p(path), CREATE)) is NotFound
        assert outcome(lambda path=path: fs.mkdir(p(path))) is NotFound
    assert outcome(lambda: fs.set_attributes(p(b"/v"), Attributes(mtime=1, atime=1))) is PermissionDenied


def test_a_way_to_a_mount_is_what_it_is_where_it_exists(tree: Tree) -> None:
    prepare(tree.home, {b"/v": DIRECTORY, b"/v/own": b"mine"})
    tree.home.set_attributes(p(b"/v"), Attributes(mode=0o750, mtime=77, atime=77))
    fs = tree.fs()
    assert names(fs, b"/v") == {b"own", b"w"}
    assert fs.stat(p(b"/v")) == tree.home.lstat(p(b"/v"))
    fs.set_attributes(p(b"/v"), Attributes(mode=0o700))
    assert tree.home.lstat(p(b"/v")).mode & 0o777 == 0o700
    fs.mkdir(p(b"/v/new"))
    assert names(fs, b"/v") == {b"own", b"w", b"new"}


@pytest.mark.parametrize("hidden", [b"content", DIRECTORY, Link(b"/d"), Link(b"."), Link(b"nowhere")])
def test_what_lies_at_the_path_of_a_mount_cannot_be_seen(make_storage: Callable[[], Any], hidden: Any) -> None:
    tree = Tree(make_storage)
    prepare(tree.home, {b"/team": hidden})
    if hidden is DIRECTORY:
        prepare(tree.home, {b"/team/secret": b"1", b"/team/a": DIRECTORY, b"/team/a/deep": b"2"})
    before = snapshot(tree.home)
    fs = tree.fs()
    assert names(fs, b"/team") == {b"file", b"d", b"empty", b"a"}
    assert get(fs, b"/team/file") == b"team"
    assert outcome(lambda: fs.stat(p(b"/team/secret"))) is NotFound
    assert get(fs, b"/team/a/deep/file") == b"deep"
    put(fs, b"/team/new", b"")
    assert snapshot(tree.home) == before


@pytest.mark.parametrize("hidden", [b"content", Link(b"/d"), Link(b"/team"), Link(b"."), Link(b"nowhere")])
def test_what_lies_in_the_way_to_a_mount_is_hidden_unless_it_is_a_directory(
    make_storage: Callable[[], Any], hidden: Any
) -> None:
    tree = Tree(make_storage)
    prepare(tree.home, {b"/v": hidden})
    before = snapshot(tree.home)
    fs = tree.fs()
    assert names(fs, b"/v") == {b"w"}
    assert fs.lstat(p(b"/v")).kind is fs.lstat(p(b"/v/w")).kind is Kind.DIRECTORY
    assert get(fs, b"/v/w/far/file") == b"far"
    for request in (
        lambda: fs.stat(p(b"/v/inner")),
        lambda: fs.readlink(p(b"/v")),
        lambda: fs.open(p(b"/v"), READ),
        lambda: fs.open(p(b"/v"), CREATE),
        lambda: fs.open(p(b"/v/new"), CREATE),
        lambda: fs.remove(p(b"/v")),
        lambda: fs.rename(p(b"/v"), p(b"/x"), replace=True),
        lambda: fs.link(p(b"/v"), p(b"/x")),
        lambda: fs.set_attributes(p(b"/v"), Attributes(mtime=1, atime=1), link=True),
        lambda: fs.set_attributes(p(b"/v"), Attributes(size=0)),
    ):
        assert outcome(request) is not None
    assert snapshot(tree.home) == before
    assert fs.space(p(b"/v")).block_size


#: What is asked of a mount or of a way to one, and what is said of each.
REFUSED: dict[str, tuple[Callable[[Filesystem, bytes], Any], type[Exception], type[Exception]]] = {
    "rmdir": (lambda fs, path: fs.rmdir(p(path)), PermissionDenied, Unsupported),
    "remove": (lambda fs, path: fs.remove(p(path)), PermissionDenied, Unsupported),
    "rename": (lambda fs, path: fs.rename(p(path), p(b"/new"), replace=False), PermissionDenied, Unsupported),
    "rename into a folder": (
        lambda fs, path: fs.rename(p(path), p(b"/team/new"), replace=False),
        PermissionDenied,
        Unsupported,
    ),
    "rename into itself": (
        lambda fs, path: fs.rename(p(path), p(path + b"/d/x"), replace=False),
        PermissionDenied,
        Unsupported,
    ),
    "replace": (lambda fs, path: fs.rename(p(b"/empty"), p(path), replace=True), PermissionDenied, Unsupported),
    "replace with a file": (
        lambda fs, path: fs.rename(p(b"/file"), p(path), replace=True),
        PermissionDenied,
        Unsupported,
    ),
    "replace from a folder": (
        lambda fs, path: fs.rename(p(b"/team/empty"), p(path), replace=True),
        PermissionDenied,
        Unsupported,
    ),
    "rename to": (lambda fs, path: fs.rename(p(b"/empty"), p(path), replace=False), PermissionDenied, Unsupported),
    "mkdir": (lambda fs, path: fs.mkdir(p(path)), AlreadyExists, AlreadyExists),
    "symlink": (lambda fs, path: fs.symlink(b"/file", p(path)), AlreadyExists, AlreadyExists),
    "hard link": (lambda fs, path: fs.link(p(path), p(b"/new")), CrossStorage, PermissionDenied),
    "hard link in its place": (lambda fs, path: fs.link(p(b"/file"), p(path)), AlreadyExists, AlreadyExists),
    "open": (lambda fs, path: fs.open(p(path), READ), IsADirectory, IsADirectory),
    "upload": (lambda fs, path: fs.open(p(path), CREATE), IsADirectory, IsADirectory),
    "upload a new file": (
        lambda fs, path: fs.open(p(path), OpenOptions(write=True, create=True, exclusive=True)),
        AlreadyExists,
        AlreadyExists,
    ),
    "readlink": (lambda fs, path: fs.readlink(p(path)), InvalidArgument, InvalidArgument),
    "truncate": (lambda fs, path: fs.set_attributes(p(path), Attributes(size=0)), IsADirectory, PermissionDenied),
    "chmod": (lambda fs, path: fs.set_attributes(p(path), Attributes(mode=0)), PermissionDenied, PermissionDenied),
    "chown": (lambda fs, path: fs.set_attributes(p(path), Attributes(uid=1)), PermissionDenied, PermissionDenied),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mounts_and_the_ways_to_them_stay(tree: Tree, name: str) -> None:
    run, of_mount, of_way = REFUSED[name]
    before = tree.content()
    for paths, expected in ((MOUNTS, of_mount), (WAYS, of_way)):
        for path in paths:
            said = outcome(lambda path=path: run(tree.fs(), path))
            assert said is expected, path
    assert tree.content() == before


def test_real_directories_that_lead_to_mounts_stay_as_well(tree: Tree) -> None:
    prepare(tree.home, {b"/v": DIRECTORY, b"/v/w": DIRECTORY})
    prepare(tree.team, {b"/a": DIRECTORY})
    fs, before = tree.fs(), tree.content()
    for path in WAYS:
        for name in ("rmdir", "rename", "replace", "mkdir", "symlink"):
            run, _, expected = REFUSED[name]
            assert outcome(lambda run=run, path=path: run(fs, path)) is expected
    assert tree.content() == before


def test_the_times_of_a_mount_may_be_set(tree: Tree) -> None:
    """Programs that copy a tree do so at the end."""
    tree.fs().set_attributes(p(b"/team"), Attributes(atime=10, mtime=20))
    assert (tree.team.lstat(ROOT).atime, tree.team.lstat(ROOT).mtime) == (10, 20)


def test_everything_else_works_in_a_folder_as_in_a_home(tree: Tree) -> None:
    fs, before = tree.fs(), snapshot(tree.home)
    fs.mkdir(p(b"/team/n"))
    fs.rename(p(b"/team/file"), p(b"/team/n/file"), replace=False)
    fs.link(p(b"/team/n/file"), p(b"/team/n/second"))
    fs.set_attributes(p(b"/team/n/file"), Attributes(size=2, mode=0o600))
    fs.remove(p(b"/team/n/file"))
    fs.rename(p(b"/team/n"), p(b"/team/m"), replace=False)
    assert get(fs, b"/team/m/second") == b"te"
    fs.rename(p(b"/team/empty"), p(b"/team/m/empty"), replace=True)
    fs.rmdir(p(b"/team/m/empty"))
    assert names(fs, b"/team/m") == {b"second"}
    assert snapshot(tree.home) == before


def test_permissions_are_those_of_the_path_in_the_whole_tree(tree: Tree) -> None:
    fs = tree.fs({"/": ALL, "/team": ["list"], "/team/a/deep": ["list", "download"], "/v": []})
    assert names(fs, b"/team") == {b"file", b"d", b"empty", b"a"}
    assert get(fs, b"/team/a/deep/file") == b"deep"
    for request in (
        lambda: fs.open(p(b"/team/file"), READ),
        lambda: put(fs, b"/team/new"),
        lambda: put(fs, b"/team/a/deep/new"),
        lambda: fs.scan(p(b"/v/w/far")),
        lambda: fs.rename(p(b"/file"), p(b"/team/new"), replace=False),
    ):
        assert outcome(request) is PermissionDenied


# Between two storages.


def test_a_rename_between_storages_moves_at_once_or_not_at_all(tree: Tree) -> None:
    fs, before = tree.fs(), tree.content()
    one_file_system = isinstance(tree.home, LocalStorage)
    for old, new in ((b"/file", b"/team/moved"), (b"/d", b"/v/w/far/empty"), (b"/team/a/deep/file", b"/got")):
        said = outcome(lambda old=old, new=new: fs.rename(p(old), p(new), replace=True))
        assert said is (None if one_file_system else CrossStorage)
    if one_file_system:
        assert get(fs, b"/team/moved") == b"home"
        assert get(fs, b"/v/w/far/empty/inner") == b"home"
        assert get(fs, b"/got") == b"deep"
        assert outcome(lambda: fs.rename(p(b"/team/moved"), p(b"/got"), replace=False)) is AlreadyExists
        assert outcome(lambda: fs.rename(p(b"/team/none"), p(b"/got"), replace=True)) is NotFound
    else:
        assert tree.content() == before


def test_hard_and_symbolic_links_between_storages_are_refused(tree: Tree) -> None:
    fs, before = tree.fs(), tree.content()
    for existing, new in ((b"/file", b"/team/l"), (b"/team/file", b"/l"), (b"/team/file", b"/team/a/deep/l")):
        assert outcome(lambda a=existing, b=new: fs.link(p(a), p(b))) is CrossStorage
    for target, path, expected in (
        (b"/team/file", b"/l", CrossStorage),
        (b"team/file", b"/l", CrossStorage),
        (b"d/../team/nothing", b"/l", CrossStorage),
        (b"/file", b"/team/l", CrossStorage),
        (b"../file", b"/team/l", CrossStorage),
        (b"../../file", b"/team/d/l", CrossStorage),
        (b"a/deep/file", b"/team/l", CrossStorage),
        (b"/team", b"/l", PermissionDenied),
        (b".", b"/team/l", PermissionDenied),
        (b"../../..", b"/team/a/deep/d/l", PermissionDenied),
        (b"v/w/far/", b"/l", PermissionDenied),
    ):
        assert outcome(lambda target=target, path=path: fs.symlink(target, p(path))) is expected, (target, path)
    assert tree.content() == before
    fs.symlink(b"/team/d/inner", p(b"/team/l"))
    fs.symlink(b"../file", p(b"/team/d/l"))
    assert (get(fs, b"/team/l"), get(fs, b"/team/d/l")) == (b"team", b"team")
    assert fs.readlink(p(b"/team/l")) == b"/team/d/inner"


@pytest.mark.parametrize(
    ("link", "target", "behind", "expected"),
    [
        (b"/l", b"team/file", b"", b"team"),
        (b"/l", b"/team", b"/file", b"team"),
        (b"/l", b"/v/w", b"/far/d/inner", b"far"),
        (b"/d/l", b"../team/a/deep", b"/../../file", b"home"),
        (b"/l", b"team/../file", b"", b"home"),
        (b"/l", b"team/a/deep/../../file", b"", b"team"),
        (b"/l", b"v/w/../w/far/file", b"", b"far"),
        (b"/l", b"../../team/file", b"", b"team"),
    ],
)
def test_a_link_of_a_home_leads_through_mounts(
    tree: Tree, link: bytes, target: bytes, behind: bytes, expected: bytes
) -> None:
    """An administrator may have made it; SFTP can't."""
    prepare(tree.home, {link: Link(target)})
    assert get(tree.fs(), link + behind) == expected


@pytest.mark.parametrize(
    "target",
    [
        b"/file",
        b"../file",
        b"../../../file",
        b"d/../../file",
        b"dot/../file",
        b"out/file",
        b"a/deep/file",
        b"/team/a/deep/file",
        b"/v/w/far/file",
        b"/",
        b"..",
    ],
)
def test_a_link_of_a_folder_leads_nowhere_outside_of_it(tree: Tree, target: bytes) -> None:
    """Somebody else put it there, to have this user's programs read, or write, what is only his."""
    prepare(tree.team, {b"/dot": Link(b"."), b"/out": Link(b".."), b"/l": Link(target), b"/d/to": Link(b"/team/l")})
    fs, before = tree.fs(), tree.content()
    for path in (b"/team/l", b"/team/d/to", b"/team/dot/l"):
        for request in (
            lambda path=path: fs.open(p(path), READ),
            lambda path=path: fs.open(p(path), CREATE),
            lambda path=path: fs.stat(p(path)),
            lambda path=path: fs.scan(p(path)),
            lambda path=path: fs.set_attributes(p(path), Attributes(size=0)),
            lambda path=path: fs.set_attributes(p(path + b"/x"), Attributes(size=0)),
            lambda path=path: fs.mkdir(p(path + b"/x")),
            lambda path=path: fs.remove(p(path + b"/file")),
            lambda path=path: fs.rename(p(path + b"/file"), p(b"/team/stolen"), replace=True),
            lambda path=path: fs.rename(p(b"/team/file"), p(path + b"/file"), replace=True),
            lambda path=path: fs.link(p(path + b"/file"), p(b"/team/stolen")),
        ):
            assert outcome(request) is PermissionDenied
        assert fs.lstat(p(b"/team/l")).kind is Kind.LINK
    assert tree.content() == before
    fs.remove(p(b"/team/l"))


def test_links_inside_of_a_folder_are_followed(tree: Tree) -> None:
    prepare(
        tree.team,
        {
            b"/dot": Link(b"."),
            b"/rel": Link(b"d/inner"),
            b"/abs": Link(b"/team/d"),
            b"/d/up": Link(b"../file"),
            b"/round": Link(b"../team/file"),
            b"/chain": Link(b"dot/abs/up"),
        },
    )
    fs = tree.fs()
    for path in (b"/rel", b"/abs/inner", b"/d/up", b"/round", b"/chain", b"/dot/dot/file"):
        assert get(fs, b"/team" + path) == b"team"
    # What the client writes behind a link is no part of it.
    assert get(fs, b"/team/dot/a/deep/file") == b"deep"
    assert fs.realpath(p(b"/team/dot/a/deep")) == p(b"/team/a/deep")


def test_a_link_that_is_moved_into_a_folder_leads_no_further_than_one_made_there(local_tree: Tree) -> None:
    tree = local_tree
    prepare(tree.home, {b"/l": Link(b"/file"), b"/d/l": Link(b"../file")})
    fs = tree.fs()
    fs.rename(p(b"/l"), p(b"/team/l"), replace=False)
    fs.rename(p(b"/d"), p(b"/team/moved"), replace=False)
    assert outcome(lambda: fs.open(p(b"/team/l"), READ)) is PermissionDenied
    assert get(fs, b"/team/moved/l") == b"team"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (b"d/inner", b"d/inner"),
        (b"../d", b"/d"),
        (b"d/../../d/inner", b"/d/inner"),
        (b"../../srv/real", PermissionDenied),
        (b"/srv/real", PermissionDenied),
        (b"/team/file", b"/team/file"),
    ],
)
def test_a_link_of_a_folder_tells_of_no_real_path_above_it(tree: Tree, target: bytes, told: object) -> None:
    prepare(tree.team, {b"/l": Link(target)})
    assert outcome(lambda: tree.fs().readlink(p(b"/team/l"))) == told


def test_a_rename_meets_links_on_both_sides(local_tree: Tree) -> None:
    tree = local_tree
    prepare(tree.home, {b"/in": Link(b"d")})
    prepare(tree.team, {b"/in": Link(b"d")})
    fs = tree.fs()
    fs.rename(p(b"/in/inner"), p(b"/team/in/new"), replace=False)
    assert get(fs, b"/team/d/new") == b"home"
    mounted = tree_of({ROOT: tree.home, p(b"/team"): tree.team})
    for old, new, link in ((b"/in/x", b"/team/d/new", b"/in"), (b"/file", b"/team/in/x", b"/team/in")):
        with pytest.raises(Exception, match="symbolic link") as met:
            mounted.rename(p(old), p(new), replace=False)
        assert met.value.link == p(link)  # type: ignore[attr-defined]


# A folder whose directory lies in the home.


def test_a_directory_that_is_mounted_elsewhere_stays(make_storage: Callable[[], Any]) -> None:
    home, shared = make_storage(), make_storage()
    prepare(home, {b"/x": DIRECTORY, b"/x/y": DIRECTORY, b"/x/y/z": DIRECTORY, b"/e": DIRECTORY})
    mounted = tree_of({ROOT: home, p(b"/m"): shared}, [p(b"/x/y")])
    for path, expected in ((b"/x", Unsupported), (b"/x/y", PermissionDenied)):
        for storage in (mounted, mounted.at_once):
            if storage is None:
                continue
            assert outcome(lambda s=storage, path=path: s.rmdir(p(path))) is expected
            assert outcome(lambda s=storage, path=path: s.rename(p(path), p(b"/n"), replace=True)) is expected
            assert outcome(lambda s=storage, path=path: s.rename(p(b"/e"), p(path), replace=True)) is expected
    mounted.rmdir(p(b"/x/y/z"))
    mounted.set_attributes(p(b"/x/y"), Attributes(mode=0o700))


def test_a_file_keeps_its_only_name_when_it_is_renamed_to_itself(tmp_path: Any) -> None:
    (tmp_path / "d").mkdir()
    home, inner = LocalStorage(bytes(tmp_path)), LocalStorage(bytes(tmp_path / "d"))
    mounted = tree_of({ROOT: home, p(b"/m"): inner})
    prepare(home, {b"/d/file": b"1"})
    home.link(p(b"/d/file"), p(b"/second"))
    mounted.rename(p(b"/d/file"), p(b"/m/file"), replace=True)
    assert home.lstat(p(b"/d/file")).nlink == 2
    assert outcome(lambda: mounted.rename(p(b"/d/file"), p(b"/m/file"), replace=False)) is AlreadyExists
    mounted.rename(p(b"/second"), p(b"/m/file"), replace=True)
    assert home.lstat(p(b"/d/file")).nlink == 1
    assert outcome(lambda: home.lstat(p(b"/second"))) is NotFound
    assert outcome(lambda: mounted.rename(p(b"/d"), p(b"/m/x"), replace=False)) is InvalidArgument
    mounted.close()


# At once.


class Slow(MemoryStorage):
    """Of this nothing is known without waiting."""

    @property
    def at_once(self) -> None:
        return None


def test_what_one_storage_knows_at_once_is_known_though_another_waits() -> None:
    home, slow = MemoryStorage(), Slow()
    for storage in (home, slow):
        prepare(storage, {b"/file": b"1"})
    mounted = tree_of({ROOT: home, p(b"/slow"): slow, p(b"/v/fast"): MemoryStorage()})
    now = mounted.at_once
    assert now is not None
    assert now.lstat(p(b"/file")) == home.lstat(p(b"/file"))
    for request in (
        lambda: now.lstat(p(b"/slow/file")),
        lambda: now.scan(p(b"/slow")),
        # It tells of the folder's directory too.
        lambda: now.scan(ROOT),
        lambda: now.rename(p(b"/slow/file"), p(b"/got"), replace=False),
        lambda: now.readlink(p(b"/slow/file")),
        lambda: now.link(p(b"/slow/file"), p(b"/slow/second")),
        lambda: now.space(p(b"/slow")),
    ):
        with pytest.raises(WouldBlock):
            request()
    assert {entry.name for entry in now.scan(p(b"/v"))} == {b"fast"}
    assert tree_of({ROOT: slow, p(b"/too"): Slow()}).at_once is None


def test_a_virtual_directory_is_the_same_at_once(tree: Tree) -> None:
    fs = tree.fs()
    assert fs.at_once is not None
    for path in WAYS:
        found = fs.stat(p(path))
        assert fs.at_once.stat(p(path)) == found


def test_a_folder_that_cannot_be_opened_hides_what_is_below_it_and_nothing_else() -> None:
    home = MemoryStorage()
    prepare(home, {b"/gone": DIRECTORY, b"/gone/secret": b"1", b"/file": b"2"})
    fs = View(home, folders={b"/gone": Refusing(lambda: Failure("it is away"))}).fs
    assert names(fs, b"/") == {b"gone", b"file"}
    for path in (b"/gone", b"/gone/secret"):
        assert outcome(lambda path=path: fs.stat(p(path))) is Failure
        assert outcome(lambda path=path: fs.open(p(path), CREATE)) is Failure
    assert outcome(lambda: fs.rename(p(b"/file"), p(b"/gone/x"), replace=False)) is CrossStorage
    assert outcome(lambda: fs.rmdir(p(b"/gone"))) is PermissionDenied


def test_identities_of_two_storages_differ(tree: Tree) -> None:
    mounted = tree_of({ROOT: tree.home, **{p(path): storage for path, storage in tree.folders.items()}})
    found = [b"/", b"/file", b"/d", b"/team", b"/team/file", b"/team/a", b"/v", b"/v/w", b"/v/w/far", b"/v/w/far/file"]
    assert len({mounted.lstat(p(path)).identity for path in found}) == len(found)


def test_a_mount_at_the_root_hides_the_home() -> None:
    """There is nothing special about it: it is the storage at the root."""
    folder, nested = MemoryStorage(), MemoryStorage()
    prepare(folder, {b"/file": b"folder"})
    fs = View(MemoryStorage(), folders={b"/": folder, b"/n": nested}).fs
    assert names(fs, b"/") == {b"file", b"n"}
    for request in (lambda: fs.rmdir(ROOT), lambda: fs.rename(ROOT, p(b"/n/x"), replace=True)):
        assert outcome(request) is PermissionDenied
    mounted = tree_of({ROOT: folder, p(b"/n"): nested})
    for old, new in ((b"/", b"/n/x"), (b"/n/x", b"/"), (b"/file", b"/")):
        assert outcome(lambda old=old, new=new: mounted.rename(p(old), p(new), replace=True)) is InvalidArgument


def test_a_link_in_a_folder_at_the_root_leads_out_of_it_neither() -> None:
    folder, own = MemoryStorage(), MemoryStorage()
    prepare(folder, {b"/out": Link(b"/own/key"), b"/in": Link(b"/file"), b"/file": b"1"})
    prepare(own, {b"/key": b"2", b"/out": Link(b"/file")})
    fs = View(MemoryStorage(), folders={b"/": folder, b"/own": own}).fs
    assert get(fs, b"/in") == b"1"
    for path in (b"/out", b"/own/out"):
        assert outcome(lambda path=path: fs.open(p(path), READ)) is PermissionDenied


def test_closing_closes_every_storage() -> None:
    closed: list[str] = []

    class Closing(MemoryStorage):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def close(self) -> None:
            closed.append(self.name)

    storages: dict[Any, Storage] = {ROOT: Closing("home"), p(b"/m"): Closing("m")}
    tree_of(storages).close()
    assert sorted(closed) == ["home", "m"]


def test_a_race_between_a_look_and_a_change_moves_no_mount(tree: Tree) -> None:
    """Where a mount is, is in the paths alone: whatever happens in a storage meanwhile changes nothing."""
    fs = tree.fs()
    prepare(tree.home, {b"/v": DIRECTORY, b"/v/w": DIRECTORY})
    fs.stat(p(b"/v/w"))
    # Another session of the same home, which mounts nothing, takes the directories away.
    tree.home.rename(p(b"/v"), p(b"/elsewhere"), replace=False)
    tree.home.symlink(b"/team", p(b"/v"))
    assert get(fs, b"/v/w/far/file") == b"far"
    assert names(fs, b"/v") == {b"w"}
    assert outcome(lambda: fs.stat(p(b"/v/file"))) is NotFound
    found: FileStat = fs.stat(p(b"/v"))
    assert found.kind is Kind.DIRECTORY


def test_a_table_of_other_mounts_is_a_mistake() -> None:
    """Else a folder would not be there, and what it hides would."""
    storages = {ROOT: MemoryStorage(), p(b"/m"): MemoryStorage()}
    with pytest.raises(ValueError, match="other mounts"):
        Mounted(storages, MountTable([ROOT]))
