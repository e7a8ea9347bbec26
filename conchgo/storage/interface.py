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
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, runtime_checkable

from conchgo.paths import VirtualPath


class Kind(enum.Enum):
    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    #: A FIFO, socket or device.
    OTHER = "other"


_KINDS: Final = {
    stat_module.S_IFREG: Kind.FILE,
    stat_module.S_IFDIR: Kind.DIRECTORY,
    stat_module.S_IFLNK: Kind.LINK,
}


class FileStat(NamedTuple):
    """What is known of one name. Times are whole seconds since the epoch; `mode` holds type and permission bits."""

    mode: int
    size: int
    uid: int
    gid: int
    atime: int
    mtime: int
    nlink: int = 1
    #: Equal for two names of one file, by whatever storages they are reached, and for nothing else: device and inode.
    identity: tuple[int, int] = (0, 0)

    @property
    def kind(self) -> Kind:
        return _KINDS.get(stat_module.S_IFMT(self.mode), Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Attributes:
    """Changes to make, or None where nothing is asked. `mode` is read, write and execute bits (what
    else it holds is dropped, and a directory keeps its special bits); times are seconds."""

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
    """Room of a file system, in the words of statvfs(3); `by_quota`: it is a quota that leaves no more bytes."""

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
    by_quota: bool = False


class Create(enum.Enum):
    """What an open may find at the path."""

    #: It must be there.
    NEVER = "never"
    #: It must not be there yet (O_CREAT | O_EXCL).
    NEW = "new"


class Listing(Protocol):
    """An open directory: entries in the storage's order, without `.` and `..`, to go through once, by one thread.

    What vanishes meanwhile is left out. `close` is idempotent, and also ends a listing halfway.
    """

    def __iter__(self) -> Iterator[Entry]: ...
    def close(self) -> None: ...


class StorageFile(Protocol):
    """An open regular file. All calls may come from several threads at once; `close` comes last.

    Every call raises BadHandle where the file is closed or was not opened for that (a size needs write), and
    InvalidArgument for a negative offset or length. Views may be of any format, their bytes count.
    """

    def pread(self, length: int, offset: int) -> bytes:
        """`length` bytes from `offset`; fewer only where the file ends, none at or behind its end."""
        ...

    @property
    def immediate(self) -> bool:
        """Whether reading, and changes but for the size, answer at once, and writing mostly: they need no thread."""
        ...

    def preadv_now(self, views: Sequence[memoryview], offset: int) -> int | None:
        """As `preadv`, if all of it can be had without waiting; else None, and the views may hold anything."""
        ...

    def preadv(self, views: Sequence[memoryview], offset: int) -> int:
        """Fill the views in turn; the count of bytes read is short only where the file ends."""
        ...

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        """Write all of the views in turn, or raise; what was written before a failure stays. A gap reads as zeros.

        Raises:
            InvalidArgument: the end would lie behind 2**63 - 1.
            NoSpace: also where the storage takes no more without saying why.
        """
        ...

    def pwritev_now(self, views: Sequence[memoryview], offset: int) -> bool:
        """As `pwritev`, if that takes no wait; else False, and nothing is written; so it is without `immediate`."""
        ...

    def append(self, data: memoryview, *, most: int | None = None) -> None:
        """Write all at the end of the file as it is then, whoever else appends.

        Should the storage take it in parts (a full disk, a signal), others may come in between.

        Raises:
            QuotaExceeded: the file would have more than `most` bytes, whoever else appends with such a limit.
            NotBefore: with `most`, where others write at this moment; ask again then.
        """
        ...

    def stat(self) -> FileStat: ...

    def stat_now(self) -> FileStat | None:
        """As `stat`, if that takes no wait; else None."""
        ...

    def set_attributes(self, changes: Attributes) -> None:
        """As `Storage.set_attributes`, for the file that is open, whatever its name is by now."""
        ...

    def space(self) -> Space:
        """Of the file system that holds the file. Raises Unsupported where the storage does not know."""
        ...

    def sync(self) -> None:
        """Return once the data are on the disk: fsync(2)."""
        ...

    def close(self) -> None:
        """Idempotent. A network file system may say only now that it lost data: then this raises."""
        ...

    def close_now(self) -> bool:
        """Close, if that takes no wait; else False, and the file is still open."""
        ...

    def abandon(self) -> None:
        """Close it in place of `close`: what was written is not known to be whole (the client vanished, for instance).

        Wrappers may keep it from its place then; a storage just closes. Idempotent. Never raises NotBefore: nobody may
        be there to ask again.
        """
        ...


class Storage(Protocol):
    """A tree of files.

    Every call raises NotFound, NotADirectory, PermissionDenied, NoSpace, ReadOnlyStorage, InvalidPath (a component is
    too long) or Failure where these apply, and LinkEncountered where a directory on the way is a symbolic link. What
    makes, takes or moves names raises NotBefore while somebody moves a directory there (`Stillness`).
    The root is a directory that is always there: InvalidArgument where it shall be removed, renamed or replaced.
    """

    @property
    def at_once(self) -> Storage | None:
        """The same tree for callers that must not wait: what would have to wait raises WouldBlock and changes nothing.

        None where any call may have to wait. What it opens belongs to the caller as always: a listing of it answers at
        once too, a file says what it does. It has all abilities that the storage has (but LocalDirectories), and is
        closed with it.
        """
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
            InvalidArgument: neither read nor write, or truncate without write.
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

        `old` is gone afterwards, also where both were names of one file; but a path renamed to itself stays.

        Raises:
            AlreadyExists: `new` is there and `replace` is false.
            IsADirectory, NotADirectory, DirectoryNotEmpty: as rename(2) with `replace`.
            InvalidArgument: `new` lies below `old`.
        """
        ...

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        """Change what is asked, in the order size, owner, mode, times.

        `link` changes a symbolic link itself; otherwise LinkEncountered is raised where `path` is one. Size raises
        IsADirectory or NotARegularFile by what is there, mode Unsupported for a link, and InvalidArgument is raised for
        a size, id or time out of range: all this before anything is changed.
        """
        ...

    def close(self) -> None: ...


@runtime_checkable
class SymbolicLinks(Protocol):
    def readlink(self, path: VirtualPath) -> bytes:
        """What is written in the link. Raises InvalidArgument where `path` is no link."""
        ...

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        """Make a link; `target` is kept byte for byte. Raises AlreadyExists, InvalidPath (empty, too long, a NUL)."""
        ...


@runtime_checkable
class HardLinks(Protocol):
    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        """A second name for a file (never for what a link points to: a link itself gets the second name).

        Raises AlreadyExists; PermissionDenied for a directory.
        """
        ...


@runtime_checkable
class RenameAcross(Protocol):
    def rename_to(self, old: VirtualPath, other: Storage, new: VirtualPath, *, replace: bool) -> None:
        """As `rename`, to a name in another storage: atomically, or not at all.

        A LinkEncountered is on the way to `old` in this storage, or on the way to `new` in the other one.

        Raises:
            CrossStorage: the two have no file system in common.
        """
        ...


@runtime_checkable
class Stillness(Protocol):
    def still(self, *paths: VirtualPath) -> AbstractContextManager[object]:
        """Keep all others, in every process of this host, from making, taking and moving names where the paths are.

        So what one looks at in there is what one moves. It ends by itself when the process dies. Files that are open
        may be written to; local users are not held back. What the same thread does meanwhile goes through.

        Raises (when it is entered):
            NotBefore: others change names; nothing waits here.
            Failure: that has been so for half a minute.
            WouldBlock: the same, at once.
        """
        ...


@runtime_checkable
class FreeSpace(Protocol):
    def space(self, path: VirtualPath) -> Space:
        """Raises LinkEncountered also where `path` itself is a link."""
        ...


@runtime_checkable
class LocalDirectories(Protocol):
    """A storage whose directories are the operating system's, so that other programs may work in them.

    This ability a storage does not have `at_once`.
    """

    def open_directory(self, path: VirtualPath) -> int:
        """A descriptor (O_PATH, close-on-exec) of the directory, which the caller closes.

        It stays that of the same directory, whatever its name is by then. Raises LinkEncountered also where `path`
        itself is a link.
        """
        ...


@runtime_checkable
class RangeCopies(Protocol):
    """An ability of a `StorageFile`: a part of it is copied to another file, or from there, without being read here.

    The source is asked, and asks the target in its turn: so all that is around the one and the other has its say.
    """

    def copy_to(self, target: RangeCopies, offset: int, length: int, to: int) -> int:
        """Copy up to `length` bytes from `offset` on to `to` in the target.

        Gives the count, which may be less, and is 0 where there are no more; what is a hole here may be one there.

        Raises:
            Unsupported: not between these two, or not with handles that are open like this. Nothing was written: who
                reads and writes instead gets it done, or learns why not.
        """
        ...

    def copy_from(self, source: RangeCopies, offset: int, length: int, to: int) -> int:
        """What the target is asked by a `source` of its own kind."""
        ...
