"""What a storage backend is.

A storage holds a tree below a root of its own. Paths are `VirtualPath`s from that root. It knows no users, follows no
symbolic link, and raises `conchgo.errors` only. Calls block; they may come from several threads at once.

What every backend can do is in `Storage` and `StorageFile`; what only some can do is in the small protocols below, and
a backend says that it has an ability by implementing it.
"""

from __future__ import annotations

import enum
import stat as stat_module
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from conchgo.paths import VirtualPath

type_bits = {
    stat_module.S_IFREG: "file",
    stat_module.S_IFDIR: "directory",
    stat_module.S_IFLNK: "link",
}


class Kind(enum.Enum):
    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    #: A FIFO, socket or device.
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FileStat:
    """What is known of one name. Times are whole seconds since the epoch; `mode` holds type and permission bits."""

    mode: int
    size: int
    uid: int
    gid: int
    atime: int
    mtime: int
    nlink: int = 1
    #: Equal for two names of one file (device and inode, for instance), within one storage.
    identity: tuple[int, int] = (0, 0)

    @property
    def kind(self) -> Kind:
        return Kind(type_bits.get(stat_module.S_IFMT(self.mode), "other"))


@dataclass(frozen=True, slots=True)
class Attributes:
    """Changes to make, or None where nothing is asked. `mode` is permission bits only; times are seconds."""

    size: int | None = None
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    atime: int | None = None
    mtime: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One name of a directory; `stat` is None where it could not be read (the listing goes on)."""

    name: bytes
    stat: FileStat | None


@dataclass(frozen=True, slots=True)
class Space:
    """Room of a file system, in the words of statvfs(3)."""

    block_size: int
    fragment_size: int
    blocks: int
    blocks_free: int
    blocks_available: int
    files: int
    files_free: int
    files_available: int
    filesystem_id: int
    read_only: bool
    name_max: int


class Create(enum.Enum):
    """What an open may find at the path."""

    #: It must be there.
    NEVER = "never"
    #: It must not be there yet (O_CREAT | O_EXCL).
    NEW = "new"


class Listing(Protocol):
    """An open directory: entries in the storage's order, without `.` and `..`."""

    def __iter__(self) -> Iterator[Entry]: ...
    def close(self) -> None: ...


class StorageFile(Protocol):
    """An open regular file. All calls may come from several threads at once; `close` comes last, and once."""

    def pread(self, length: int, offset: int) -> bytes:
        """`length` bytes from `offset`; fewer only where the file ends, none at or behind its end."""
        ...

    def preadv(self, views: Sequence[memoryview], offset: int) -> int:
        """Fill the views in turn; the count of bytes read is short only where the file ends."""
        ...

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        """Write all of the views in turn, or raise; what was written before a failure stays."""
        ...

    def append(self, data: memoryview) -> None:
        """Write all at the end of the file as it is then."""
        ...

    def stat(self) -> FileStat: ...
    def set_attributes(self, changes: Attributes) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


class Storage(Protocol):
    """A tree of files.

    Every call raises NotFound, NotADirectory, PermissionDenied, NoSpace, ReadOnlyStorage, InvalidPath (a component is
    too long) or Failure where these apply, and LinkEncountered where a directory on the way is a symbolic link.
    """

    @property
    def immediate(self) -> bool:
        """Whether calls answer at once, so that they need no thread."""
        ...

    def lstat(self, path: VirtualPath) -> FileStat: ...

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> StorageFile:
        """Open a regular file; `truncate` empties it, `mode` (before the storage's umask) is for a new one.

        Raises:
            LinkEncountered: also where `path` itself is a link (with Create.NEW: AlreadyExists).
            IsADirectory, NotARegularFile: by what is there; nothing was opened for data.
            AlreadyExists: with Create.NEW.
        """
        ...

    def scan(self, path: VirtualPath) -> Listing:
        """Raises LinkEncountered also where `path` itself is a link."""
        ...

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        """Raises AlreadyExists where anything is there, a link included."""
        ...

    def rmdir(self, path: VirtualPath) -> None:
        """Raises DirectoryNotEmpty, or NotADirectory where something else (a link included) is there."""
        ...

    def remove(self, path: VirtualPath) -> None:
        """Remove a name that is no directory: a file, a link itself, a FIFO. Raises IsADirectory."""
        ...

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        """Move a name, atomically; links are moved, not followed.

        Raises:
            AlreadyExists: `new` is there and `replace` is false.
            IsADirectory, NotADirectory, DirectoryNotEmpty: as rename(2) with `replace`.
            InvalidArgument: `new` lies below `old`.
        """
        ...

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        """Change what is asked, in the order size, owner, mode, times.

        `link` changes a symbolic link itself; otherwise LinkEncountered is raised where `path` is one. Size raises
        IsADirectory or NotARegularFile by what is there.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class SymbolicLinks(Protocol):
    def readlink(self, path: VirtualPath) -> bytes:
        """What is written in the link. Raises InvalidArgument where `path` is no link."""
        ...

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        """Raises AlreadyExists."""
        ...


@runtime_checkable
class HardLinks(Protocol):
    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        """A second name for a file (never for what a link points to: a link itself gets the second name).

        Raises AlreadyExists; PermissionDenied for a directory.
        """
        ...


@runtime_checkable
class FreeSpace(Protocol):
    def space(self, path: VirtualPath) -> Space:
        """Raises LinkEncountered also where `path` itself is a link."""
        ...
