"""What is known of a local directory without waiting: what the kernel's caches hold of a disk.

Only what looks is here, and a new file where no journal is written for it (tmpfs). Following a link reads it, removing
and truncating free what may be much. All else raises WouldBlock.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Callable
from typing import Final

from conchgo.errors import WouldBlock
from conchgo.paths import VirtualPath
from conchgo.storage import syscalls
from conchgo.storage.arguments import check_open, checked
from conchgo.storage.beneath import DATA, PIN, RESOLVE, Place, Root, closed_on_error
from conchgo.storage.countable import CountableFile
from conchgo.storage.creating import Creator
from conchgo.storage.interface import Create, FileStat
from conchgo.storage.local_attributes import file_stat
from conchgo.storage.local_file import LocalFile, is_held
from conchgo.storage.oserrors import domain_error
from conchgo.storage.refusing import Refusing
from conchgo.storage.residence import Residence
from conchgo.storage.tree_lock import Held, TreeLock

#: No other file system on the way: nobody has looked whether that one is on a disk.
_RESOLVE: Final = RESOLVE | syscalls.RESOLVE_NO_XDEV | syscalls.RESOLVE_CACHED
#: Not cached (or the tree changed meanwhile), another file system, a link on the way.
_UNSETTLED: Final = frozenset((errno.EAGAIN, errno.EXDEV, errno.ELOOP))
#: Where a directory is asked for, a link in its place too.
_UNSETTLED_PARENT: Final = _UNSETTLED | {errno.ENOTDIR}


@functools.cache
def _openers() -> tuple[Callable[[int, bytes], int], Callable[[int, bytes], int]]:
    """Open (directory, path) without access to data, and to read."""
    return syscalls.quick_opener(PIN, _RESOLVE), syscalls.quick_opener(os.O_RDONLY | DATA, _RESOLVE)


@functools.cache
def kernel_tells() -> bool:
    """Whether the kernel can be asked for what it has cached (Linux 5.12), and no seccomp filter refuses that."""
    try:
        os.close(syscalls.openat2(syscalls.AT_FDCWD, b".", PIN, _RESOLVE))
    except OSError as error:
        return error.errno == errno.EAGAIN
    return True


class LocalAtOnce(Refusing):
    """`LocalStorage.at_once`, where its file system keeps its files in memory or on a disk. The root stays open."""

    def __init__(self, root: Root, tree: TreeLock, residence: Residence, creator: Creator) -> None:
        super().__init__(WouldBlock)
        self._root = root
        self._tree = tree
        self._residence = residence
        self._creator = creator
        self._pin, self._open = _openers()

    @property
    def at_once(self) -> LocalAtOnce:
        return self

    def lstat(self, path: VirtualPath) -> FileStat:
        relative = checked(path) or b"."
        try:
            descriptor = self._pin(self._root.descriptor, relative)
            try:
                found = os.fstat(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _meaning(error) from error
        return file_stat(found)

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> LocalFile:
        """To read, or a new one in memory. What is no regular file is left to `LocalStorage`, which says what it is."""
        check_open(read=read, write=write, truncate=truncate)
        if create is Create.NEW and self._residence is Residence.MEMORY:
            return self._created(path, os.O_RDWR if read and write else os.O_WRONLY if write else os.O_RDONLY, mode)
        if write or create is not Create.NEVER or not stat.S_ISREG(self.lstat(path).mode):
            raise WouldBlock
        try:
            descriptor = self._open(self._root.descriptor, checked(path))
        except OSError as error:
            raise _meaning(error) from error
        with closed_on_error(descriptor):
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WouldBlock
        return LocalFile(descriptor, writable=False, residence=self._residence)

    def _created(self, path: VirtualPath, access: int, mode: int) -> LocalFile:
        checked(path)
        if path.is_root:
            raise WouldBlock
        try:
            with self._tree.held(alone=False, at_once=True):
                directory = self._pin(self._root.descriptor, checked(path.parent) or b".")
                try:
                    descriptor = self._creator.file(Place(directory, path.name), access, mode)
                finally:
                    os.close(directory)
        except OSError as error:
            raise (WouldBlock() if error.errno in _UNSETTLED_PARENT else domain_error(error)) from error
        return LocalFile(descriptor, writable=access != os.O_RDONLY, residence=self._residence)

    def remove_found(self, path: VirtualPath, found: FileStat) -> None:
        raise WouldBlock

    def still(self, *_paths: VirtualPath, alone: bool = True, at_once: bool = True) -> Held:
        return self._tree.held(alone=alone, at_once=at_once)

    def holds(self, file: CountableFile, path: VirtualPath) -> bool:
        return is_held(file, self._root, path, self.lstat)


def _meaning(error: OSError) -> Exception:
    return WouldBlock() if error.errno in _UNSETTLED else domain_error(error)
