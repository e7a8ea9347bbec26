"""A storage in memory: for tests, and for what need not last."""

from __future__ import annotations

import itertools
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Final

from conchgo.errors import (
    AlreadyExists,
    Busy,
    DirectoryNotEmpty,
    InvalidArgument,
    IsADirectory,
    NotADirectory,
    NotFound,
    PermissionDenied,
    Unsupported,
)
from conchgo.paths import VirtualPath
from conchgo.storage.arguments import PLAIN_MODE, check_changes, check_open, check_target, checked
from conchgo.storage.countable import CountableFile
from conchgo.storage.interface import Attributes, Create, Entry, FileStat, Space
from conchgo.storage.links import LinkEncountered
from conchgo.storage.memory_file import MemoryFile
from conchgo.storage.memory_tree import NODE_COST, Budget, Node

_CAPACITY: Final = 2**30
#: For all storages, so that no two of them have a file with the same number.
_numbers: Final = itertools.count(1)


class MemoryListing:
    """A `Listing` of the names that were there at the start; what vanished meanwhile is left out."""

    def __init__(self, directory: Node, lock: threading.RLock) -> None:
        self._directory = directory
        self._lock = lock
        self._names = iter(list(directory.children))

    def __iter__(self) -> Iterator[Entry]:
        for name in self._names:
            with self._lock:
                node = self._directory.children.get(name)
                found = Entry(name, node.stat()) if node else None
            if found:
                yield found

    def close(self) -> None:
        self._names = iter([])


class MemoryStorage:
    """A tree in memory, with all abilities. `capacity` bounds it: NoSpace; files are not sparse.

    `umask` is taken from the modes of what is made here, `owner` (uid, gid) is given to it; `clock` tells seconds
    since the epoch. There are no permission checks.
    """

    def __init__(
        self,
        umask: int = 0o022,
        *,
        owner: tuple[int, int] = (0, 0),
        clock: Callable[[], float] = time.time,
        capacity: int = _CAPACITY,
    ) -> None:
        self._umask = umask
        self._owner = owner
        self._clock = clock
        self._budget = Budget(capacity)
        self._lock = threading.RLock()
        self._root = self._node(stat.S_IFDIR, 0o777)
        self._root.links = 2

    @property
    def at_once(self) -> MemoryStorage | None:
        return self

    def lstat(self, path: VirtualPath) -> FileStat:
        with self._lock:
            return self._find(path).stat()

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> MemoryFile:
        check_open(read=read, write=write, truncate=truncate)
        with self._lock:
            if create is Create.NEW:
                node = self._add(path, stat.S_IFREG, mode)
            else:
                node = self._find(path)
                _refuse_link(path, node)
                node.refuse_irregular()
                if truncate:
                    self._budget.resize(node, 0, self._now())
            return MemoryFile(node, self._lock, self._budget, self._now, read=read, write=write)

    def scan(self, path: VirtualPath) -> MemoryListing:
        with self._lock:
            node = self._find(path)
            _refuse_link(path, node)
            if not node.is_directory:
                raise NotADirectory
            return MemoryListing(node, self._lock)

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        with self._lock:
            self._add(path, stat.S_IFDIR, mode).links = 2
            self._parent(path).links += 1

    def rmdir(self, path: VirtualPath) -> None:
        with self._lock:
            if path.is_root:
                raise InvalidArgument("the root cannot be removed")
            node = self._find(path)
            if not node.is_directory:
                raise NotADirectory
            if node.children:
                raise DirectoryNotEmpty
            self._drop(path)

    def remove(self, path: VirtualPath) -> None:
        with self._lock:
            if self._find(path).is_directory:
                raise IsADirectory
            self._drop(path)

    def remove_found(self, path: VirtualPath, found: FileStat) -> None:
        with self._lock:
            if self._find(path).stat().identity != found.identity:
                raise Busy("the file was replaced while it was removed, try again")
            self.remove(path)

    def still(self, *_paths: VirtualPath, alone: bool = True, at_once: bool = False) -> AbstractContextManager[object]:
        """It is in one process: the lock of all its calls will do."""
        return self._lock

    def holds(self, file: CountableFile, path: VirtualPath) -> bool:
        return file.stat().nlink > 0

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        if old.is_root or new.is_root:
            raise InvalidArgument("the root can be neither renamed nor replaced")
        with self._lock:
            source, target = self._parent(old), self._parent(new)
            node = self._find(old)
            there = target.children.get(new.name)
            if there and not replace:
                raise AlreadyExists
            if new.is_within(old) and new != old:
                raise InvalidArgument("a directory cannot be moved into itself")
            if old.is_within(new) and new != old:
                raise DirectoryNotEmpty
            if there:
                if old == new:
                    return
                if there is not node:
                    _check_replaceable(node, there)
                self._drop(new)
            if node.is_directory:
                source.links -= 1
                target.links += 1
            del source.children[old.name]
            target.children[new.name] = node
            source.mtime = target.mtime = self._now()

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        check_changes(changes)
        with self._lock:
            node = self._find(path)
            if not link:
                _refuse_link(path, node)
            if changes.mode is not None and node.is_link:
                raise Unsupported("a symbolic link has no mode of its own")
            if changes.size is not None:
                node.refuse_irregular()
                self._budget.resize(node, changes.size, self._now())
            node.apply(changes)

    def readlink(self, path: VirtualPath) -> bytes:
        with self._lock:
            node = self._find(path)
            if not node.is_link:
                raise InvalidArgument
            return node.target

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        check_target(target)
        with self._lock:
            self._add(path, stat.S_IFLNK, 0o777, target)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        with self._lock:
            self._parent(existing)
            directory = self._parent(new)
            node = self._find(existing)
            if new.is_root or new.name in directory.children:
                raise AlreadyExists
            if node.is_directory:
                raise PermissionDenied
            node.links += 1
            directory.children[new.name] = node
            directory.mtime = self._now()

    def space(self, path: VirtualPath) -> Space:
        with self._lock:
            _refuse_link(path, self._find(path))
            return self._budget.space()

    def add_special(self, path: VirtualPath) -> None:
        """Make something like a FIFO, which no operation of the interface can make: for tests."""
        with self._lock:
            self._add(path, stat.S_IFIFO, 0o666)

    def close(self) -> None:
        """Nothing is held but memory."""

    def _now(self) -> int:
        return int(self._clock())

    def _parent(self, path: VirtualPath) -> Node:
        """The directory that holds `path`; the root holds itself."""
        checked(path)
        current = self._root
        for depth, name in enumerate(path.parts[:-1], 1):
            following = current.children.get(name)
            if following is None:
                raise NotFound
            if following.is_link:
                raise LinkEncountered(VirtualPath(path.parts[:depth]), following.target, path.parts[depth:])
            if not following.is_directory:
                raise NotADirectory
            current = following
        return current

    def _find(self, path: VirtualPath) -> Node:
        if path.is_root:
            return self._root
        node = self._parent(path).children.get(path.name)
        if node is None:
            raise NotFound
        return node

    def _node(self, kind: int, mode: int, target: bytes = b"") -> Node:
        self._budget.take(NODE_COST + len(target))
        if kind != stat.S_IFLNK:
            mode &= PLAIN_MODE & ~self._umask
        uid, gid = self._owner
        now = self._now()
        return Node(next(_numbers), kind | mode, uid, gid, now, now, target=target)

    def _add(self, path: VirtualPath, kind: int, mode: int, target: bytes = b"") -> Node:
        directory = self._parent(path)
        if path.is_root or path.name in directory.children:
            raise AlreadyExists
        node = self._node(kind, mode, target)
        directory.children[path.name] = node
        directory.mtime = node.mtime
        return node

    def _drop(self, path: VirtualPath) -> None:
        directory = self._parent(path)
        node = directory.children.pop(path.name)
        directory.mtime = self._now()
        node.links -= 1
        if node.is_directory:
            node.links = 0
            directory.links -= 1
        self._budget.release(node)


def _refuse_link(path: VirtualPath, node: Node) -> None:
    if node.is_link:
        raise LinkEncountered(path, node.target)


def _check_replaceable(node: Node, there: Node) -> None:
    """As rename(2) says it."""
    if node.is_directory and not there.is_directory:
        raise NotADirectory
    if there.is_directory and not node.is_directory:
        raise IsADirectory
    if there.children:
        raise DirectoryNotEmpty
