"""What only a directory of the operating system has: a root that moves, sockets and devices, permissions."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from conchgo.errors import BadHandle, NotADirectory, NotARegularFile, NotFound, PermissionDenied
from conchgo.paths import ROOT
from conchgo.storage.beneath import ParentOpener, leap, walk
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.links import LinkEncountered
from conchgo.storage.local import LocalStorage
from tests.contract.storage.helpers import descriptors, get, names, outcome, p, put
from tests.unit.storage.identity import ordinary_user


@pytest.mark.parametrize(("name", "expected"), [(b"/missing", NotFound), (b"/file", NotADirectory)])
def test_a_root_that_is_no_directory(root: bytes, name: bytes, expected: type) -> None:
    with open(root + b"/file", "wb"):
        pass

    with pytest.raises(expected) as caught:
        LocalStorage(root + name)

    assert os.fsdecode(root) not in caught.value.text


def test_the_root_may_be_renamed(storage: LocalStorage, root: bytes) -> None:
    put(storage, b"/file", b"data")
    os.rename(root, root + b".moved")
    os.mkdir(root)

    assert get(storage, b"/file") == b"data"


def test_the_root_may_be_reached_through_a_link(root: bytes) -> None:
    os.symlink(root, root + b".link")
    storage = LocalStorage(root + b".link")
    put(storage, b"/file")
    storage.close()

    assert os.listdir(root) == [b"file"]


def test_a_closed_storage(storage: LocalStorage) -> None:
    storage.close()
    storage.close()

    assert outcome(lambda: storage.lstat(ROOT)) is BadHandle
    assert outcome(lambda: storage.lstat(p(b"/a/b"))) is BadHandle


@pytest.mark.parametrize("opener", [leap, walk])
def test_devices_are_not_opened(opener: ParentOpener) -> None:
    storage = LocalStorage(b"/dev", open_parent=opener)
    for path in (b"/null", b"/zero", b"/tty"):
        for write in (False, True):
            found = outcome(
                lambda path=path, write=write: storage.open(p(path), read=True, write=write, create=Create.NEVER)
            )
            assert found is NotARegularFile
    storage.close()


def test_sockets_are_not_opened(storage: LocalStorage, root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(os.fsdecode(root))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")

        assert outcome(lambda: storage.open(p(b"/socket"), read=True, write=True, create=Create.NEVER)) is (
            NotARegularFile
        )
        storage.set_attributes(p(b"/socket"), Attributes(mode=0o600, mtime=1))

    assert storage.lstat(p(b"/socket")).mode & 0o7777 == 0o600
    assert storage.lstat(p(b"/socket")).mtime == 1


def test_a_listing_is_read_as_it_is_asked_for(
    storage: LocalStorage, root: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(100):
        os.mknod(root + b"/%d" % number)
    taken = 0
    scandir = os.scandir

    class Counting:
        def __init__(self, descriptor: int) -> None:
            self.entries = scandir(descriptor)
            self.close = self.entries.close

        def __iter__(self) -> Any:
            nonlocal taken
            for entry in self.entries:
                taken += 1
                yield entry

    monkeypatch.setattr(os, "scandir", Counting)
    listing = storage.scan(ROOT)
    entries = iter(listing)
    for _ in range(3):
        next(entries)
    listing.close()

    assert taken == 3


def test_an_entry_that_cannot_be_read_does_not_spoil_the_listing(storage: LocalStorage, root: bytes) -> None:
    storage.mkdir(p(b"/dir"))
    put(storage, b"/dir/one")
    put(storage, b"/dir/two")
    storage.set_attributes(p(b"/dir"), Attributes(mode=0o400))
    try:
        with ordinary_user(root):
            listing = storage.scan(p(b"/dir"))
            found = {entry.name: entry.stat for entry in listing}
            listing.close()
    finally:
        storage.set_attributes(p(b"/dir"), Attributes(mode=0o700))

    assert found == {b"one": None, b"two": None}


forbidden: dict[str, Callable[[LocalStorage], Any]] = {
    "lstat": lambda storage: storage.lstat(p(b"/shut/file")),
    "lstat below": lambda storage: storage.lstat(p(b"/shut/dir/file")),
    "open": lambda storage: storage.open(p(b"/shut/file"), read=True, write=False, create=Create.NEVER),
    "create": lambda storage: storage.open(p(b"/shut/new"), read=True, write=True, create=Create.NEW),
    "scan": lambda storage: storage.scan(p(b"/shut")),
    "mkdir": lambda storage: storage.mkdir(p(b"/shut/new")),
    "rmdir": lambda storage: storage.rmdir(p(b"/shut/dir")),
    "remove": lambda storage: storage.remove(p(b"/shut/file")),
    "rename": lambda storage: storage.rename(p(b"/shut/file"), p(b"/new"), replace=False),
    "posix-rename": lambda storage: storage.rename(p(b"/file"), p(b"/shut/file"), replace=True),
    "set_attributes": lambda storage: storage.set_attributes(p(b"/shut/file"), Attributes(mode=0o777)),
    "readlink": lambda storage: storage.readlink(p(b"/shut/link")),
    "symlink": lambda storage: storage.symlink(b"x", p(b"/shut/new")),
    "link": lambda storage: storage.link(p(b"/shut/file"), p(b"/new")),
    "link to": lambda storage: storage.link(p(b"/file"), p(b"/shut/new")),
    "space": lambda storage: storage.space(p(b"/shut/file")),
    "read what may not be": lambda storage: storage.open(p(b"/none"), read=True, write=False, create=Create.NEVER),
    "write what may not be": lambda storage: storage.open(p(b"/none"), read=False, write=True, create=Create.NEVER),
    "size": lambda storage: storage.set_attributes(p(b"/none"), Attributes(size=0)),
    "owner": lambda storage: storage.set_attributes(p(b"/file"), Attributes(uid=0)),
    "group": lambda storage: storage.set_attributes(p(b"/file"), Attributes(gid=0)),
    "owner of a link": lambda storage: storage.set_attributes(p(b"/link"), Attributes(uid=0), link=True),
}


@pytest.mark.parametrize("name", forbidden)
def test_what_the_operating_system_forbids(storage: LocalStorage, root: bytes, name: str) -> None:
    storage.mkdir(p(b"/shut"))
    storage.mkdir(p(b"/shut/dir"))
    storage.symlink(b"file", p(b"/link"))
    for path in (b"/file", b"/none", b"/shut/file", b"/shut/dir/file"):
        put(storage, path, b"data")
    storage.set_attributes(p(b"/none"), Attributes(mode=0))
    with ordinary_user(root):
        storage.set_attributes(p(b"/shut"), Attributes(mode=0))
        before = descriptors()
        found = outcome(lambda: forbidden[name](storage))
        storage.set_attributes(p(b"/shut"), Attributes(mode=0o700))

    assert found is PermissionDenied
    assert descriptors() == before
    assert names(storage) == {b"file", b"link", b"none", b"shut"}
    assert names(storage, b"/shut") == {b"dir", b"file"}
    assert storage.lstat(p(b"/none")).size == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owners_change_one_by_one(storage: LocalStorage) -> None:
    put(storage, b"/file", b"data")
    storage.symlink(b"file", p(b"/link"))

    storage.set_attributes(p(b"/file"), Attributes(uid=1000))
    storage.set_attributes(p(b"/link"), Attributes(gid=2000), link=True)
    file, link = storage.lstat(p(b"/file")), storage.lstat(p(b"/link"))
    assert (file.uid, file.gid) == (1000, 0)
    assert (link.uid, link.gid) == (0, 2000)

    opened = storage.open(p(b"/file"), read=True, write=False, create=Create.NEVER)
    opened.set_attributes(Attributes(gid=3000))
    opened.close()
    file = storage.lstat(p(b"/file"))
    assert (file.uid, file.gid) == (1000, 3000)


def test_an_open_directory_stays_the_same_one(storage: LocalStorage, root: bytes) -> None:
    storage.mkdir(p(b"/a"))
    put(storage, b"/a/file")
    descriptor = storage.open_directory(p(b"/a"))
    storage.rename(p(b"/a"), p(b"/b"), replace=False)
    storage.symlink(b"/", p(b"/a"))

    assert os.listdir(f"/proc/self/fd/{descriptor}") == ["file"]
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_only_directories_are_opened_as_such_and_no_links(storage: LocalStorage) -> None:
    storage.mkdir(p(b"/dir"))
    put(storage, b"/file")
    storage.symlink(b"dir", p(b"/link"))
    before = descriptors()

    os.close(storage.open_directory(ROOT))
    assert outcome(lambda: storage.open_directory(p(b"/file"))) is NotADirectory
    assert outcome(lambda: storage.open_directory(p(b"/link"))) is LinkEncountered
    assert outcome(lambda: storage.open_directory(p(b"/link/below"))) is LinkEncountered
    assert outcome(lambda: storage.open_directory(p(b"/missing"))) is NotFound
    assert descriptors() == before
