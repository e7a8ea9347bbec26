"""Directories, names, and what is said where something else is there than was asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conchgo.errors import (
    AlreadyExists,
    BadHandle,
    ConchgoError,
    DirectoryNotEmpty,
    InvalidArgument,
    InvalidPath,
    IsADirectory,
    NotADirectory,
    NotFound,
    PermissionDenied,
)
from conchgo.paths import MAX_PATH, ROOT, VirtualPath
from conchgo.storage.interface import Attributes, Create, FreeSpace, HardLinks, Kind, SymbolicLinks
from conchgo.storage.links import LinkEncountered
from tests.contract.storage.helpers import FullStorage, get, names, opened, outcome, p, put

strange_names = [b"\xff\xfe", b"back\\slash", b"new\nline", b" ", b"-rf", b"a" * 255, "é".encode(), b"\x01", b"..."]

#: Every operation that takes a path, as it would be asked of something that has to be there (or not).
operations: dict[str, Callable[[FullStorage, VirtualPath], object]] = {
    "lstat": lambda storage, path: storage.lstat(path),
    "open": lambda storage, path: storage.open(path, read=True, write=False, create=Create.NEVER),
    "create": lambda storage, path: storage.open(path, read=True, write=True, create=Create.NEW),
    "scan": lambda storage, path: storage.scan(path),
    "mkdir": lambda storage, path: storage.mkdir(path),
    "rmdir": lambda storage, path: storage.rmdir(path),
    "remove": lambda storage, path: storage.remove(path),
    "rename": lambda storage, path: storage.rename(path, p(b"/other"), replace=False),
    "posix-rename": lambda storage, path: storage.rename(path, p(b"/other"), replace=True),
    "rename to": lambda storage, path: storage.rename(p(b"/file"), path, replace=False),
    "posix-rename to": lambda storage, path: storage.rename(p(b"/file"), path, replace=True),
    "set_attributes": lambda storage, path: storage.set_attributes(path, Attributes(mode=0o600)),
    "set_attributes of a link": lambda storage, path: storage.set_attributes(path, Attributes(mtime=1), link=True),
    "readlink": lambda storage, path: storage.readlink(path),
    "symlink": lambda storage, path: storage.symlink(b"target", path),
    "link": lambda storage, path: storage.link(path, p(b"/other")),
    "link to": lambda storage, path: storage.link(p(b"/file"), path),
    "space": lambda storage, path: storage.space(path),
}
makers = {"create", "mkdir", "symlink", "rename to", "posix-rename to", "link to"}


@pytest.fixture(autouse=True)
def tree(storage: FullStorage) -> None:
    put(storage, b"/file", b"data")
    storage.mkdir(p(b"/dir"))
    storage.mkdir(p(b"/dir/sub"))
    storage.symlink(b"dir", p(b"/link"))
    storage.symlink(b"nowhere", p(b"/dangling"))


def test_abilities(storage: FullStorage) -> None:
    assert isinstance(storage, SymbolicLinks)
    assert isinstance(storage, HardLinks)
    assert isinstance(storage, FreeSpace)


def test_kinds(storage: FullStorage, add_special: Callable[[VirtualPath], None]) -> None:
    add_special(p(b"/fifo"))

    kinds = {name: storage.lstat(p(name)).kind for name in (b"/", b"/file", b"/dir", b"/link", b"/fifo")}

    assert kinds == {
        b"/": Kind.DIRECTORY,
        b"/file": Kind.FILE,
        b"/dir": Kind.DIRECTORY,
        b"/link": Kind.LINK,
        b"/fifo": Kind.OTHER,
    }


@pytest.mark.parametrize("name", operations)
def test_a_missing_directory_on_the_way(storage: FullStorage, name: str) -> None:
    assert outcome(lambda: operations[name](storage, p(b"/missing/x"))) is NotFound


@pytest.mark.parametrize("name", operations)
def test_a_file_on_the_way(storage: FullStorage, name: str) -> None:
    assert outcome(lambda: operations[name](storage, p(b"/file/x"))) is NotADirectory


@pytest.mark.parametrize("name", operations)
@pytest.mark.parametrize("where", [b"/link", b"/dir/back"])
def test_a_link_on_the_way_is_told_and_not_followed(storage: FullStorage, name: str, where: bytes) -> None:
    storage.symlink(b"/dir", p(b"/dir/back"))

    with pytest.raises(LinkEncountered) as caught:
        operations[name](storage, p(where + b"/sub/x"))

    assert caught.value.link == p(where)
    assert caught.value.target == storage.readlink(p(where))
    assert caught.value.rest == (b"sub", b"x")


@pytest.mark.parametrize("name", sorted(set(operations) - makers))
def test_a_missing_name(storage: FullStorage, name: str) -> None:
    assert outcome(lambda: operations[name](storage, p(b"/dir/missing"))) is NotFound


@pytest.mark.parametrize("name", sorted(makers - {"posix-rename to"}))
@pytest.mark.parametrize("there", [b"/file", b"/dir", b"/dir/sub", b"/link", b"/dangling"])
def test_nothing_is_made_where_something_is(storage: FullStorage, name: str, there: bytes) -> None:
    assert outcome(lambda: operations[name](storage, p(there))) is AlreadyExists
    assert get(storage, b"/file") == b"data"
    assert storage.readlink(p(b"/link")) == b"dir"


@pytest.mark.parametrize("name", ["open", "scan", "set_attributes", "space"])
@pytest.mark.parametrize("link", [b"/link", b"/dangling"])
def test_a_link_itself_is_told(storage: FullStorage, name: str, link: bytes) -> None:
    with pytest.raises(LinkEncountered) as caught:
        operations[name](storage, p(link))

    assert caught.value.link == p(link)
    assert caught.value.target == storage.readlink(p(link))
    assert caught.value.rest == ()


def test_links_that_loop_are_links_like_others(storage: FullStorage) -> None:
    storage.symlink(b"loop", p(b"/loop"))

    with pytest.raises(LinkEncountered) as caught:
        storage.lstat(p(b"/loop/x"))

    assert caught.value.target == b"loop"


at_the_root: dict[str, type[ConchgoError]] = {
    "open": IsADirectory,
    "create": AlreadyExists,
    "mkdir": AlreadyExists,
    "rmdir": InvalidArgument,
    "remove": IsADirectory,
    "rename": InvalidArgument,
    "posix-rename": InvalidArgument,
    "rename to": InvalidArgument,
    "posix-rename to": InvalidArgument,
    "readlink": InvalidArgument,
    "symlink": AlreadyExists,
    "link": PermissionDenied,
    "link to": AlreadyExists,
}


@pytest.mark.parametrize("name", operations)
def test_the_root(storage: FullStorage, name: str) -> None:
    found = outcome(lambda: operations[name](storage, ROOT))

    if name in at_the_root:
        assert found is at_the_root[name]
    else:
        assert not isinstance(found, type)
    if name == "scan":
        found.close()  # type: ignore[attr-defined]


too_long = [
    VirtualPath((b"a" * 256,)),
    VirtualPath((b"a" * 256, b"x")),
    VirtualPath((b"a" * 255,) * 17),
    VirtualPath((b"a",) * MAX_PATH),
]
no_names = [
    VirtualPath(parts) for parts in [(b"..",), (b"dir", b".."), (b".",), (b"",), (b"a/b",), (b"a\0",), (b"../x",)]
]


@pytest.mark.parametrize("name", operations)
@pytest.mark.parametrize("path", too_long + no_names, ids=lambda path: repr(path)[:40])
def test_what_is_no_path_is_refused(storage: FullStorage, name: str, path: VirtualPath) -> None:
    assert outcome(lambda: operations[name](storage, path)) is InvalidPath


@pytest.mark.parametrize("name", strange_names, ids=lambda name: ascii(name)[:20])
def test_names_are_kept_byte_for_byte(storage: FullStorage, name: bytes) -> None:
    put(storage, b"/dir/" + name, b"x")
    assert name in names(storage, b"/dir")
    storage.rename(p(b"/dir/" + name), p(b"/dir/moved"), replace=False)
    storage.mkdir(p(b"/dir/" + name))
    put(storage, b"/dir/" + name + b"/" + name, b"y")
    assert get(storage, b"/dir/" + name + b"/" + name) == b"y"
    storage.symlink(name, p(b"/dir/to"))
    assert storage.readlink(p(b"/dir/to")) == name
    assert names(storage, b"/dir") == {b"sub", b"moved", b"to", name}


def test_the_longest_path(storage: FullStorage) -> None:
    path = ROOT
    for _ in range(15):
        path = path / (b"a" * 255)
        storage.mkdir(path)
    path = path / (b"b" * 254)
    assert len(bytes(path)) == MAX_PATH

    put(storage, bytes(path), b"deep")

    assert get(storage, bytes(path)) == b"deep"


def test_mkdir_takes_the_umask_from_the_mode(storage: FullStorage) -> None:
    storage.mkdir(p(b"/open"))
    storage.mkdir(p(b"/shut"), 0o700)

    assert storage.lstat(p(b"/open")).mode & 0o7777 == 0o755
    assert storage.lstat(p(b"/shut")).mode & 0o7777 == 0o700


@pytest.mark.parametrize(
    ("path", "expected"),
    [(b"/dir", DirectoryNotEmpty), (b"/file", NotADirectory), (b"/link", NotADirectory), (b"/dir/sub", None)],
)
def test_rmdir(storage: FullStorage, path: bytes, expected: type[ConchgoError] | None) -> None:
    assert outcome(lambda: storage.rmdir(p(path))) is expected
    assert (outcome(lambda: storage.lstat(p(path))) is NotFound) == (expected is None)


def test_remove(storage: FullStorage, add_special: Callable[[VirtualPath], None]) -> None:
    add_special(p(b"/fifo"))

    for path in (b"/file", b"/link", b"/dangling", b"/fifo"):
        storage.remove(p(path))

    assert names(storage) == {b"dir"}
    with pytest.raises(IsADirectory):
        storage.remove(p(b"/dir"))


def test_a_listing_has_names_and_what_they_are(storage: FullStorage) -> None:
    listing = storage.scan(ROOT)
    found = {entry.name: entry.stat.kind for entry in listing if entry.stat}
    listing.close()

    assert found == {b"file": Kind.FILE, b"dir": Kind.DIRECTORY, b"link": Kind.LINK, b"dangling": Kind.LINK}


def test_an_empty_listing(storage: FullStorage) -> None:
    assert names(storage, b"/dir/sub") == set()


def test_a_file_is_not_listed(storage: FullStorage) -> None:
    with pytest.raises(NotADirectory):
        storage.scan(p(b"/file"))


def test_a_listing_may_end_halfway_and_be_closed_twice(storage: FullStorage) -> None:
    listing = storage.scan(ROOT)
    next(iter(listing))

    listing.close()
    listing.close()

    assert list(listing) == []


def test_names_that_vanish_are_left_out(storage: FullStorage) -> None:
    for number in range(20):
        put(storage, b"/dir/sub/%d" % number)
    listing = storage.scan(p(b"/dir/sub"))
    entries = iter(listing)
    first = next(entries).name
    for number in range(20):
        storage.remove(p(b"/dir/sub/%d" % number))

    rest = [entry.name for entry in entries]

    listing.close()
    assert rest == []
    assert first


def test_space(storage: FullStorage) -> None:
    for path in (b"/", b"/dir", b"/file"):
        found = storage.space(p(path))
        assert found.blocks >= found.blocks_free >= found.blocks_available > 0
        assert found.fragment_size > 0
        assert found.name_max == 255
        assert not found.read_only
    file = storage.open(p(b"/file"), read=True, write=False, create=Create.NEVER)
    storage.remove(p(b"/file"))
    of_file = file.space()
    assert (of_file.fragment_size, of_file.name_max) == (found.fragment_size, found.name_max)
    assert of_file.blocks >= of_file.blocks_free > 0
    file.close()
    with pytest.raises(BadHandle):
        file.space()


def test_two_names_of_one_file_have_one_identity(storage: FullStorage) -> None:
    storage.link(p(b"/file"), p(b"/dir/second"))

    one, two = storage.lstat(p(b"/file")), storage.lstat(p(b"/dir/second"))

    assert one == two
    assert one.nlink == 2
    assert one.identity != storage.lstat(p(b"/dir")).identity
    with opened(storage, b"/dir/second") as file:
        file.pwritev([memoryview(b"DATA")], 0)
    storage.remove(p(b"/file"))
    assert get(storage, b"/dir/second") == b"DATA"
    assert storage.lstat(p(b"/dir/second")).nlink == 1


def test_a_second_name_of_a_link_is_the_link(storage: FullStorage) -> None:
    storage.link(p(b"/link"), p(b"/other"))

    assert storage.readlink(p(b"/other")) == b"dir"


def test_a_directory_gets_no_second_name(storage: FullStorage) -> None:
    with pytest.raises(PermissionDenied):
        storage.link(p(b"/dir"), p(b"/other"))


@pytest.mark.parametrize("target", [b"/etc/passwd", b"../../..", b"\xff\n\\", b"a" * 1000])
def test_a_link_keeps_any_target(storage: FullStorage, target: bytes) -> None:
    storage.symlink(target, p(b"/new"))

    assert storage.readlink(p(b"/new")) == target
    assert storage.lstat(p(b"/new")).size == len(target)


@pytest.mark.parametrize("target", [b"", b"a\0b", b"a" * 4096])
def test_targets_that_no_link_can_have(storage: FullStorage, target: bytes) -> None:
    with pytest.raises(InvalidPath):
        storage.symlink(target, p(b"/new"))


@pytest.mark.parametrize("path", [b"/file", b"/dir"])
def test_readlink_of_no_link(storage: FullStorage, path: bytes) -> None:
    with pytest.raises(InvalidArgument):
        storage.readlink(p(path))
