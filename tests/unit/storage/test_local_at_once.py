"""What a local storage tells without waiting, and what it leaves to a thread."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conchgo.errors import AlreadyExists, BadHandle, InvalidPath, NotFound, PermissionDenied, WouldBlock
from conchgo.paths import ROOT
from conchgo.storage import local, local_at_once, local_file, syscalls
from conchgo.storage.beneath import Root
from conchgo.storage.creating import Creator
from conchgo.storage.interface import Attributes, Create
from conchgo.storage.local import LocalStorage
from conchgo.storage.local_at_once import LocalAtOnce, kernel_tells
from conchgo.storage.residence import Residence
from conchgo.storage.tree_lock import TreeLock
from tests.contract.storage.helpers import descriptors, outcome, p, put
from tests.unit.storage.identity import ordinary_user


@pytest.fixture
def at_once(storage: LocalStorage) -> LocalAtOnce:
    if storage.at_once is None:
        pytest.skip("the kernel can't be asked for what it has cached, or the tests' directory is on no disk")
    return storage.at_once


@pytest.fixture
def tree(storage: LocalStorage, root: bytes) -> None:
    storage.mkdir(p(b"/d"))
    put(storage, b"/d/file", b"data")
    storage.symlink(b"file", p(b"/d/link"))
    storage.symlink(b"d", p(b"/l"))
    os.mkfifo(root + b"/d/fifo")


@pytest.fixture
def asked_again() -> Iterator[None]:
    kernel_tells.cache_clear()
    yield
    kernel_tells.cache_clear()


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("path", [b"/", b"/d", b"/d/file", b"/d/link", b"/d/fifo"])
def test_what_is_cached_is_told(storage: LocalStorage, at_once: LocalAtOnce, path: bytes) -> None:
    assert at_once.lstat(p(path)) == storage.lstat(p(path))


@pytest.mark.usefixtures("tree")
def test_a_cached_file_is_opened_for_reading(at_once: LocalAtOnce) -> None:
    file = at_once.open(p(b"/d/file"), read=True, write=False, create=Create.NEVER)

    assert bytes(file.pread(10, 0)) == b"data"
    assert file.stat_now() == file.stat()
    file.close()


@pytest.mark.usefixtures("tree")
def test_a_name_that_nobody_asked_for_is_not_cached(storage: LocalStorage, at_once: LocalAtOnce) -> None:
    if storage._residence is not Residence.DISK:
        pytest.skip("the tests' directory is on no disk")
    with pytest.raises(WouldBlock):
        at_once.lstat(p(b"/d/missing"))
    assert outcome(lambda: storage.lstat(p(b"/d/missing"))) is NotFound
    assert outcome(lambda: at_once.lstat(p(b"/d/missing"))) is NotFound


waiting: dict[str, Callable[[LocalAtOnce], Any]] = {
    "a link on the way": lambda storage: storage.lstat(p(b"/l/file")),
    "a link itself is opened": lambda storage: storage.open(p(b"/d/link"), read=True, write=False, create=Create.NEVER),
    "a directory is opened": lambda storage: storage.open(p(b"/d"), read=True, write=False, create=Create.NEVER),
    "the root is opened": lambda storage: storage.open(ROOT, read=True, write=False, create=Create.NEVER),
    "a FIFO is opened": lambda storage: storage.open(p(b"/d/fifo"), read=True, write=False, create=Create.NEVER),
    "write": lambda storage: storage.open(p(b"/d/file"), read=True, write=True, create=Create.NEVER),
    "truncate": lambda storage: storage.open(p(b"/d/file"), read=False, write=True, create=Create.NEVER, truncate=True),
    "scan": lambda storage: storage.scan(p(b"/d")),
    "mkdir": lambda storage: storage.mkdir(p(b"/d/new")),
    "rmdir": lambda storage: storage.rmdir(p(b"/d")),
    "remove": lambda storage: storage.remove(p(b"/d/file")),
    "rename": lambda storage: storage.rename(p(b"/d/file"), p(b"/d/new"), replace=True),
    "set_attributes": lambda storage: storage.set_attributes(p(b"/d/file"), Attributes(size=0)),
    "readlink": lambda storage: storage.readlink(p(b"/d/link")),
    "symlink": lambda storage: storage.symlink(b"x", p(b"/d/new")),
    "link": lambda storage: storage.link(p(b"/d/file"), p(b"/d/new")),
    "space": lambda storage: storage.space(p(b"/d")),
}


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("name", waiting)
def test_what_may_wait_is_left_to_a_thread(at_once: LocalAtOnce, root: bytes, name: str) -> None:
    before = descriptors()

    with pytest.raises(WouldBlock):
        waiting[name](at_once)

    assert sorted(os.listdir(root + b"/d")) == [b"fifo", b"file", b"link"]
    assert os.stat(root + b"/d/file").st_size == 4
    assert descriptors() == before


@pytest.fixture
def in_memory(root: bytes, at_once: LocalAtOnce, tree: None) -> Iterator[LocalAtOnce]:
    """The tree, as if nothing there waited for a device."""
    top = Root(os.open(root, os.O_PATH | os.O_DIRECTORY))
    yield LocalAtOnce(top, TreeLock(top), Residence.MEMORY, Creator(0o022, None))
    top.close()


def test_a_new_file_is_made_in_memory_only(at_once: LocalAtOnce, in_memory: LocalAtOnce, root: bytes) -> None:
    def make(storage: LocalAtOnce) -> None:
        file = storage.open(p(b"/d/new"), read=False, write=True, create=Create.NEW, mode=0o666)
        file.pwritev([memoryview(b"data")], 0)
        file.set_attributes(Attributes(size=2))
        file.close()

    if at_once._residence is Residence.DISK:
        with pytest.raises(WouldBlock):
            make(at_once)
    before = descriptors()
    make(in_memory)
    with open(root + b"/d/new", "rb") as new:
        assert new.read() == b"da"
        assert os.fstat(new.fileno()).st_mode == 0o100644
    assert descriptors() == before


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/", WouldBlock),
        (b"/d/file", AlreadyExists),
        (b"/d/link", AlreadyExists),
        (b"/d", AlreadyExists),
        (b"/l/new", WouldBlock),
        (b"/d/link/new", WouldBlock),
        (b"/d/file/new", WouldBlock),
        (b"/d/" + b"n" * 256, InvalidPath),
    ],
)
def test_what_is_not_made_in_memory(
    in_memory: LocalAtOnce, root: bytes, path: bytes, expected: type[Exception]
) -> None:
    before = descriptors()
    with pytest.raises(expected):
        in_memory.open(p(path), read=True, write=True, create=Create.NEW)
    assert sorted(os.listdir(root + b"/d")) == [b"fifo", b"file", b"link"]
    assert os.stat(root + b"/d/file").st_size == 4
    assert descriptors() == before


@pytest.mark.usefixtures("tree")
def test_what_the_operating_system_forbids(storage: LocalStorage, at_once: LocalAtOnce, root: bytes) -> None:
    with ordinary_user(root):
        storage.set_attributes(p(b"/d"), Attributes(mode=0))
        with pytest.raises((PermissionDenied, WouldBlock)):
            at_once.lstat(p(b"/d/file"))
        storage.set_attributes(p(b"/d"), Attributes(mode=0o700))
        storage.set_attributes(p(b"/d/file"), Attributes(mode=0))
        with pytest.raises((PermissionDenied, WouldBlock)):
            at_once.open(p(b"/d/file"), read=True, write=False, create=Create.NEVER)


def test_another_file_system_on_the_way_is_left_to_a_thread() -> None:
    if not kernel_tells():
        pytest.skip("the kernel can't be asked for what it has cached")
    root = Root(os.open("/", os.O_PATH | os.O_DIRECTORY))
    os.stat("/proc/version")

    for path in (b"/proc", b"/proc/version"):
        with pytest.raises(WouldBlock):
            LocalAtOnce(root, TreeLock(root), Residence.DISK, Creator(0o022, None)).lstat(p(path))
    root.close()


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda name: os.symlink("file2", name), lambda name: None])
def test_what_is_swapped_in_after_the_look_is_left_to_a_thread(
    at_once: LocalAtOnce, root: bytes, monkeypatch: pytest.MonkeyPatch, make: Callable[[bytes], None]
) -> None:
    before = descriptors()
    look = at_once.lstat

    def look_and_swap(path: Any) -> Any:
        found = look(path)
        os.unlink(root + b"/d/file")
        make(root + b"/d/file")
        os.path.lexists(root + b"/d/file")
        return found

    monkeypatch.setattr(at_once, "lstat", look_and_swap)

    with pytest.raises((WouldBlock, NotFound)):
        at_once.open(p(b"/d/file"), read=True, write=False, create=Create.NEVER)
    assert descriptors() == before


def test_a_closed_storage(storage: LocalStorage, at_once: LocalAtOnce) -> None:
    at_once.close()
    storage.lstat(ROOT)
    storage.close()

    assert outcome(lambda: at_once.lstat(ROOT)) is BadHandle
    assert outcome(lambda: at_once.lstat(p(b"/a/b"))) is BadHandle


@pytest.mark.usefixtures("asked_again")
@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EPERM, errno.EINVAL])
def test_a_kernel_that_does_not_tell(root: bytes, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def openat2(*_arguments: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(syscalls, "openat2", openat2)
    storage = LocalStorage(root, open_parent=lambda top, _: os.dup(top))

    assert storage.at_once is None
    storage.close()


@pytest.mark.usefixtures("asked_again")
def test_a_directory_that_is_not_cached_says_nothing_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def openat2(*_arguments: object) -> int:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(syscalls, "openat2", openat2)

    assert local_at_once.kernel_tells()


def test_on_a_network_nothing_is_at_once(root: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "residence", lambda _: Residence.ELSEWHERE)
    storage = LocalStorage(root)
    put(storage, b"/file")
    file = storage.open(p(b"/file"), read=True, write=False, create=Create.NEVER)

    assert storage.at_once is None
    assert file.stat_now() is None
    assert not file.close_now()
    assert not file.immediate
    file.close()
    assert file.close_now()
    storage.close()


@pytest.mark.parametrize(
    ("residence", "write", "removed", "age", "expected"),
    [
        (Residence.DISK, False, False, 100, True),
        (Residence.DISK, False, False, 1, False),
        (Residence.DISK, False, True, 100, False),
        (Residence.DISK, True, False, 100, False),
        (Residence.MEMORY, True, False, 1, True),
        (Residence.MEMORY, True, True, 1, False),
    ],
)
def test_which_files_are_closed_at_once(
    root: bytes,
    monkeypatch: pytest.MonkeyPatch,
    residence: Residence,
    write: bool,
    removed: bool,
    age: int,
    expected: bool,
) -> None:
    monkeypatch.setattr(local, "residence", lambda _: residence)
    storage = LocalStorage(root)
    put(storage, b"/file", b"data")
    file = storage.open(p(b"/file"), read=True, write=write, create=Create.NEVER)
    if removed:
        storage.remove(p(b"/file"))
    changed = os.fstat(file._descriptor).st_ctime
    monkeypatch.setattr(local_file.time, "time", lambda: changed + age)

    assert file.close_now() is expected
    assert (outcome(file.stat) is BadHandle) is expected
    file.close()
    storage.close()
