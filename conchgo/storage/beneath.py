"""Getting to a directory beneath a root without following a link: openat2(2), or a walk where the kernel lacks it."""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from conchgo.errors import NotADirectory
from conchgo.paths import VirtualPath
from conchgo.storage import syscalls
from conchgo.storage.links import LinkEncountered

#: Access to no data: nothing is opened, a link itself included.
PIN: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
#: O_NONBLOCK: should a FIFO be swapped in after the look at the type, the open does not wait for its other end.
DATA: Final = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
RESOLVE: Final = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS | syscalls.RESOLVE_NO_MAGICLINKS

#: Opens (O_PATH) the directory that holds a path, given the root's descriptor: raises OSError, LinkEncountered or
#: NotADirectory.
ParentOpener = Callable[[int, VirtualPath], int]


class Root:
    """The directory that a storage is beneath, by its descriptor (-1 once it is closed)."""

    __slots__ = ("_prefix", "descriptor")

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._prefix = b""

    def is_above(self, path: bytes) -> bool:
        """Whether a real path, as /proc/self/fd tells it, lies in this directory. Raises OSError without a /proc."""
        if not (self._prefix and path.startswith(self._prefix)):
            # The directory itself may have been renamed.
            self._prefix = os.readlink(b"/proc/self/fd/%d" % self.descriptor) + b"/"
        return path.startswith(self._prefix)

    def close(self) -> None:
        """Idempotent."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class Place(NamedTuple):
    """A name in an open directory: what the *at system calls take."""

    directory: int
    name: bytes


@contextmanager
def pinned(place: Place) -> Iterator[int]:
    """An O_PATH descriptor of what is there, a link itself included: nothing is opened for data, nothing blocks."""
    descriptor = os.open(place.name, PIN, dir_fd=place.directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def closed_on_error(descriptor: int) -> Iterator[None]:
    """Close the descriptor if the block fails, which else goes on to somebody who closes it."""
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise


def link_target(descriptor: int) -> bytes:
    """What is written in the symbolic link that is pinned."""
    return os.readlink(b"", dir_fd=descriptor)


def walk(root: int, path: VirtualPath) -> int:
    """A `ParentOpener` that goes from descriptor to descriptor, and so knows which component is a link."""
    current = os.dup(root)
    for depth, name in enumerate(path.parts[:-1], 1):
        try:
            following = os.open(name, PIN, dir_fd=current)
        finally:
            os.close(current)
        current = following
        with closed_on_error(current):
            _check_directory(current, path, depth)
    return current


def _check_directory(descriptor: int, path: VirtualPath, depth: int) -> None:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISLNK(mode):
        raise LinkEncountered(VirtualPath(path.parts[:depth]), link_target(descriptor), path.parts[depth:])
    if not stat.S_ISDIR(mode):
        raise NotADirectory


def leap(root: int, path: VirtualPath) -> int:
    """A `ParentOpener` that needs one system call, but for links: the walk says which component is one.

    Where the tree changes meanwhile and the walk gets through, its directory is as good.
    """
    if len(path.parts) < 2:
        return os.dup(root)
    try:
        return syscalls.openat2(root, b"/".join(path.parts[:-1]), PIN | os.O_DIRECTORY, RESOLVE)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EAGAIN}:
            return walk(root, path)
        raise


@functools.cache
def best_opener() -> ParentOpener:
    """`leap` where the kernel has openat2 (Linux 5.6) and no seccomp filter refuses it, else `walk`; asked once."""
    try:
        os.close(syscalls.openat2(syscalls.AT_FDCWD, b".", PIN | os.O_DIRECTORY, RESOLVE))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM}:
            return walk
    return leap
