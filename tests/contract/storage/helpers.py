"""Short words for what every test of a storage does."""

from __future__ import annotations

import errno
import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from conchgo.errors import ConchgoError, NotBefore, WouldBlock
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Charge, Limits
from conchgo.quota.memory import MemoryLedger
from conchgo.storage.beneath import leap, walk
from conchgo.storage.countable import CountableStorage
from conchgo.storage.interface import Create, Entry, FreeSpace, HardLinks, Listing, Storage, StorageFile, SymbolicLinks
from conchgo.storage.local import LocalStorage
from conchgo.storage.memory import MemoryStorage
from conchgo.vfs.metering.metered import Metered
from conchgo.vfs.mount_table import MountTable
from conchgo.vfs.mounted import Mounted

p = VirtualPath.parse


class FullStorage(Storage, SymbolicLinks, HardLinks, FreeSpace):
    """A storage with all abilities."""


@dataclass(frozen=True)
class Backend:
    """A way to make an empty storage in an empty directory, and to put a FIFO into it."""

    make: Callable[[bytes], Any]
    add_special: Callable[[Any, bytes, VirtualPath], None]


def _mkfifo(_storage: FullStorage, root: bytes, path: VirtualPath) -> None:
    os.mkfifo(root + bytes(path))


class AtOnceFirst:
    """Asks as a server does: what a storage knows at once, and where it would have to wait, once more."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return getattr(self.storage.at_once, name)(*args, **kwargs)
            except WouldBlock:
                return getattr(self.storage, name)(*args, **kwargs)

        return call

    def close(self) -> None:
        self.storage.close()


class Hiding:
    """A storage without one of its names, which is there for more than the tests."""

    def __init__(self, storage: Storage, name: bytes) -> None:
        self._storage = storage
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def scan(self, path: VirtualPath) -> Any:
        listing = self._storage.scan(path)
        return HidingListing(listing, self._name) if path.is_root else listing


class HidingListing:
    def __init__(self, listing: Listing, name: bytes) -> None:
        self._listing = listing
        self._name = name
        self.close = listing.close

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entry in self._listing if entry.name != self._name)


def with_folder(storage: Storage) -> Mounted:
    """The storage at the root, and another one below it."""
    storages = {ROOT: storage, p(b"/mounted/folder"): MemoryStorage()}
    return Mounted(storages, MountTable(storages))


def metered(storage: CountableStorage) -> Metered:
    """The storage with a quota that is never reached."""
    return Metered(storage, MemoryLedger(), Charge("user:ada", (("user:ada", Limits(2**62, 2**62)),)))


#: What quotas are held on.
countable = {
    "memory": Backend(lambda _root: MemoryStorage(), lambda storage, _root, path: storage.add_special(path)),
    "local": Backend(lambda root: LocalStorage(root, open_parent=leap), _mkfifo),
    "local-at-once": Backend(lambda root: AtOnceFirst(LocalStorage(root)), _mkfifo),
    #: With `old_kernel`.
    "local-walk": Backend(lambda root: LocalStorage(root, open_parent=walk), _mkfifo),
}

backends = {
    **countable,
    "mounted": Backend(lambda root: Hiding(with_folder(LocalStorage(root)), b"mounted"), _mkfifo),
    "mounted-at-once": Backend(
        lambda root: Hiding(AtOnceFirst(with_folder(LocalStorage(root))), b"mounted"),  # type: ignore[arg-type]
        _mkfifo,
    ),
    "metered": Backend(lambda root: metered(LocalStorage(root)), _mkfifo),
    "metered-at-once": Backend(lambda root: AtOnceFirst(metered(LocalStorage(root))), _mkfifo),
}


def old_kernel(patch: pytest.MonkeyPatch) -> None:
    """Neither openat2 nor renameat2, as with Linux before 5.6 on a file system without RENAME_NOREPLACE."""

    def lacking(*_arguments: object) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    patch.setattr("conchgo.storage.syscalls.openat2", lacking)
    patch.setattr("conchgo.storage.syscalls.rename_noreplace", lacking)


def descriptors() -> dict[str, str]:
    """The descriptors that this process has open, and what they are.

    From the first look on nothing is collected: what other tests left would be closed between two looks.
    """
    gc.disable()
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
    return found


@contextmanager
def opened(
    storage: Storage,
    path: bytes,
    *,
    read: bool = True,
    write: bool = True,
    create: Create = Create.NEVER,
    truncate: bool = False,
) -> Iterator[StorageFile]:
    file = storage.open(p(path), read=read, write=write, create=create, truncate=truncate)
    try:
        yield file
    finally:
        file.close()


def put(storage: Storage, path: bytes, data: bytes = b"") -> None:
    with opened(storage, path, create=Create.NEW) as file:
        file.pwritev([memoryview(data)], 0)


def get(storage: Storage, path: bytes) -> bytes:
    with opened(storage, path, write=False) as file:
        return file.pread(file.stat().size, 0)


def names(storage: Storage, path: bytes = b"/") -> set[bytes]:
    listing = storage.scan(p(path))
    try:
        return {entry.name for entry in listing}
    finally:
        listing.close()


def outcome(call: Callable[[], object]) -> object:
    """What the call returned, or the type of what it raised."""
    try:
        return call()
    except ConchgoError as error:
        return type(error)


def patiently(call: Callable[[], object]) -> None:
    """Call again what must wait for somebody else, as a server does."""
    while True:
        try:
            call()
            return
        except NotBefore as wait:
            time.sleep(max(0.0, wait.at - time.monotonic()))
