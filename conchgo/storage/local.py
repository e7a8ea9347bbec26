"""A directory of the operating system as a storage.

Every call gets to the parent directory by `beneath.py`, and then works with that descriptor and the last name alone: so
no link is followed, and no change of the tree meanwhile leads out of the root.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from conchgo.errors import (
    AlreadyExists,
    Busy,
    CrossStorage,
    Failure,
    InvalidArgument,
    IsADirectory,
    NotADirectory,
    NotARegularFile,
    Unsupported,
)
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage import syscalls
from conchgo.storage.arguments import changed_mode, check_changes, check_open, check_target, checked
from conchgo.storage.beneath import (
    DATA,
    PIN,
    ParentOpener,
    Place,
    Root,
    best_opener,
    closed_on_error,
    link_target,
    pinned,
)
from conchgo.storage.countable import CountableFile
from conchgo.storage.creating import Creator
from conchgo.storage.interface import Attributes, Create, FileStat, Space, Storage
from conchgo.storage.links import LinkEncountered
from conchgo.storage.local_at_once import LocalAtOnce, kernel_tells
from conchgo.storage.local_attributes import asked_owner, asked_times, file_stat, space_found
from conchgo.storage.local_file import LocalFile, is_held
from conchgo.storage.local_listing import LocalListing
from conchgo.storage.oserrors import translated
from conchgo.storage.renaming import remove_inode, rename_new, rename_replacing
from conchgo.storage.residence import Residence, residence
from conchgo.storage.tree_lock import Held, TreeLock

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: How an open of a regular file fails where something else was swapped in after the look at the type.
_SWAPPED: Final = frozenset((errno.ELOOP, errno.ENXIO, errno.EISDIR))
_ATTEMPTS: Final = 8


class LocalStorage:
    """The tree below the directory `root`, which is opened once and may be renamed afterwards.

    With `below` it is that directory of `root`: links are followed on the way to `root`, and none from there on.


    `umask` (in place of the process' one) is taken from the modes of what is made here; `owner` (uid, gid; -1 leaves
    one as it is) is given to it, which only a root server can do. `open_parent` is for kernels and tests: the way to
    a path's directory, by default the best that the kernel has.
    """

    def __init__(
        self,
        root: bytes,
        below: VirtualPath = ROOT,
        *,
        umask: int = 0o022,
        owner: tuple[int, int] | None = None,
        open_parent: ParentOpener | None = None,
    ) -> None:
        self._open_parent = open_parent or best_opener()
        self._creator = Creator(umask, owner)
        with translated():
            top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._root = Root(_readable(self._open_parent(top, VirtualPath((*below.parts, b".")))))
            finally:
                os.close(top)
            self._device = os.fstat(self._root.descriptor).st_dev
            self._tree = TreeLock(self._root)
        self._residence = residence(self._root.descriptor)
        tells = self._residence is not Residence.ELSEWHERE and kernel_tells()
        self._at_once = LocalAtOnce(self._root, self._tree, self._residence, self._creator) if tells else None

    @property
    def at_once(self) -> LocalAtOnce | None:
        return self._at_once

    def lstat(self, path: VirtualPath) -> FileStat:
        with self._at(path) as place:
            return file_stat(os.stat(place.name, dir_fd=place.directory, follow_symlinks=False))

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> LocalFile:
        check_open(read=read, write=write, truncate=truncate)
        access = os.O_RDWR if read and write else os.O_WRONLY if write else os.O_RDONLY
        if create is Create.NEW:
            if path.is_root:
                raise AlreadyExists
            with self._changed(path) as place:
                descriptor = self._creator.file(place, access, mode)
        else:
            with self._at(path) as place:
                descriptor = _open_regular(path, place, access)
                with closed_on_error(descriptor):
                    if truncate:
                        os.ftruncate(descriptor, 0)
        with closed_on_error(descriptor), translated():
            # Below the root there may be other file systems.
            known = os.fstat(descriptor).st_dev == self._device
        return LocalFile(descriptor, writable=write, residence=self._residence if known else Residence.ELSEWHERE)

    def scan(self, path: VirtualPath) -> LocalListing:
        with self._at(path) as place:
            try:
                descriptor = os.open(place.name, _DIRECTORY, dir_fd=place.directory)
            except NotADirectoryError:
                with pinned(place) as pin:
                    _refuse_link(path, pin)
                raise
            with closed_on_error(descriptor):
                return LocalListing(descriptor)

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        with self._changed(path) as place:
            self._creator.directory(place, mode)

    def rmdir(self, path: VirtualPath) -> None:
        with self._changed(path) as place:
            os.rmdir(place.name, dir_fd=place.directory)

    def remove(self, path: VirtualPath) -> None:
        with self._changed(path) as place:
            os.unlink(place.name, dir_fd=place.directory)

    def remove_found(self, path: VirtualPath, found: FileStat) -> None:
        with self._changed(path) as place:
            if not remove_inode(place, found.identity, found.kind):
                raise Busy("the file was replaced while it was removed, try again")

    def holds(self, file: CountableFile, path: VirtualPath) -> bool:
        return is_held(file, self._root, path, self.lstat)

    def still(self, *_paths: VirtualPath, alone: bool = True, at_once: bool = False) -> Held:
        return self._tree.held(alone=alone, at_once=at_once)

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        self.rename_to(old, self, new, replace=replace)

    def rename_to(self, old: VirtualPath, other: Storage, new: VirtualPath, *, replace: bool) -> None:
        if not isinstance(other, LocalStorage):
            raise CrossStorage
        if old.is_root or new.is_root:
            raise InvalidArgument("the root can be neither renamed nor replaced")
        if not self._rename(old, other, new, replace=replace, alone=False):
            self._rename(old, other, new, replace=replace, alone=True)

    def _rename(self, old: VirtualPath, other: LocalStorage, new: VirtualPath, *, replace: bool, alone: bool) -> bool:
        """Whether it could be done; a directory is moved `alone` only."""
        with (
            self.still(alone=alone),
            other.still(alone=alone),
            self._at(old) as source,
            other._at(new) as target,
        ):
            found = os.stat(source.name, dir_fd=source.directory, follow_symlinks=False)
            if replace and (old == new if other is self else _is_same_name(source, target)):
                return True
            if stat.S_ISDIR(found.st_mode) and not alone:
                return False
            _rename(source, target, replace=replace)
            return True

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        check_changes(changes)
        with self._at(path) as place, pinned(place) as pin:
            found = os.fstat(pin)
            if not link:
                _refuse_link(path, pin)
            if changes.mode is not None and stat.S_ISLNK(found.st_mode):
                raise Unsupported("a symbolic link has no mode of its own")
            if changes.size is not None:
                _refuse_irregular(found.st_mode)
                _set_size(path, place, changes.size)
            owner = asked_owner(changes)
            if owner:
                syscalls.chown_pinned(pin, *owner)
            if changes.mode is not None:
                syscalls.chmod_pinned(pin, changed_mode(found.st_mode, changes.mode))
            times = asked_times(changes, os.fstat(pin))
            if times:
                os.utime(place.name, ns=times, dir_fd=place.directory, follow_symlinks=False)

    def readlink(self, path: VirtualPath) -> bytes:
        with self._at(path) as place:
            return os.readlink(place.name, dir_fd=place.directory)

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        check_target(target)
        with self._changed(path) as place:
            self._creator.link(place, target)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        with self.still(alone=False), self._at(existing) as source, self._at(new) as target:
            os.link(
                source.name,
                target.name,
                src_dir_fd=source.directory,
                dst_dir_fd=target.directory,
                follow_symlinks=False,
            )

    def space(self, path: VirtualPath) -> Space:
        with self._at(path) as place, pinned(place) as pin:
            _refuse_link(path, pin)
            return space_found(os.fstatvfs(pin))

    def open_directory(self, path: VirtualPath) -> int:
        with self._at(path) as place:
            descriptor = os.open(place.name, PIN, dir_fd=place.directory)
            with closed_on_error(descriptor):
                _refuse_link(path, descriptor)
                if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                    raise NotADirectory
                return descriptor

    def close(self) -> None:
        with translated():
            self._root.close()

    @contextmanager
    def _at(self, path: VirtualPath) -> Iterator[Place]:
        """Where `path` is, the root as "." in itself; OSErrors of the block are translated."""
        checked(path)
        with translated():
            directory = self._open_parent(self._root.descriptor, path)
            try:
                yield Place(directory, path.name or b".")
            finally:
                os.close(directory)

    @contextmanager
    def _changed(self, path: VirtualPath) -> Iterator[Place]:
        """As `_at`, where that name is made or taken."""
        with self._tree.held(alone=False), self._at(path) as place:
            yield place


def _readable(directory: int) -> int:
    """That O_PATH descriptor, or one that can be locked in its place (`TreeLock`)."""
    try:
        descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return directory
    os.close(directory)
    return descriptor


def _rename(source: Place, target: Place, *, replace: bool) -> None:
    if replace:
        rename_replacing(source, target)
    else:
        rename_new(source, target)


def _is_same_name(one: Place, other: Place) -> bool:
    """Whether two storages, one of which lies in the other, mean the same by two paths."""
    return one.name == other.name and os.path.samestat(os.fstat(one.directory), os.fstat(other.directory))


def _refuse_link(path: VirtualPath, pin: int) -> None:
    if stat.S_ISLNK(os.fstat(pin).st_mode):
        raise LinkEncountered(path, link_target(pin))


def _refuse_irregular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectory
    if not stat.S_ISREG(mode):
        raise NotARegularFile


def _set_size(path: VirtualPath, place: Place, size: int) -> None:
    descriptor = _open_regular(path, place, os.O_WRONLY)
    try:
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def _open_regular(path: VirtualPath, place: Place, access: int) -> int:
    """A descriptor for the data of a regular file; anything else is refused by its type, before it is opened."""
    for _ in range(_ATTEMPTS):
        with pinned(place) as pin:
            _refuse_link(path, pin)
            _refuse_irregular(os.fstat(pin).st_mode)
        try:
            descriptor = os.open(place.name, access | DATA, dir_fd=place.directory)
        except OSError as error:
            if error.errno in _SWAPPED:
                continue
            raise
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    raise Failure("the file was replaced again and again while it was opened")
