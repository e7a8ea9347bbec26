"""The session's filesystem: the one door through which every protocol and every command goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from conchgo.errors import ConchgoError, QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, Entry, FileStat, Kind, Listing, RangeCopies, Space, StorageFile

__all__ = [
    "Attributes",
    "Entry",
    "File",
    "FileStat",
    "Filesystem",
    "Identity",
    "Inside",
    "Kind",
    "Listing",
    "OpenOptions",
    "Space",
]


class Inside(RangeCopies, Protocol):
    """An open file, for what copies, reads and writes it without a way to the client: see `StorageFile`."""

    def pread(self, length: int, offset: int) -> bytes: ...
    def pwritev(self, views: Sequence[memoryview], offset: int) -> None: ...
    def append(self, data: memoryview) -> None: ...


class File(StorageFile, Protocol):
    """An open file, as a session sees it: what it may not do raises PermissionDenied."""

    @property
    def portion(self) -> int | None:
        """Bytes that one write had better carry at most, because they must wait for their time; None: any number."""
        ...

    def limit_reached(self, error: QuotaExceeded) -> ConchgoError:
        """A limit from above ends an upload: what the client is told, with what becomes of the file."""
        ...

    @property
    def inside(self) -> Inside:
        """The same for copies within the server: for these no bandwidth holds, and no transfer quota."""
        ...


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """How to open a file, in the words of open(2); `mode` is for a file that is made (None: 0666 before the umask)."""

    read: bool = False
    write: bool = False
    append: bool = False
    create: bool = False
    truncate: bool = False
    exclusive: bool = False
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """The session's own user; all other owners of files are numbers."""

    username: str
    uid: int
    gid: int

    def user_name(self, uid: int) -> str:
        """The name for a uid, or "" where it is not the session's own."""
        return self.username if uid == self.uid else ""

    def group_name(self, gid: int) -> str:
        return self.username if gid == self.gid else ""


class Filesystem(Protocol):
    """What one session may see and do. Calls block, and raise `conchgo.errors` only.

    Symbolic links on the way are followed in virtual paths (an absolute target starts at the virtual root, at most 40
    hops), and permissions are those of the path so resolved. The root itself can't be removed, renamed or replaced.
    """

    @property
    def identity(self) -> Identity: ...

    @property
    def start(self) -> VirtualPath:
        """Where relative paths begin."""
        ...

    @property
    def at_once(self) -> Filesystem | None:
        """The same for callers that must not wait; None where any call may have to.

        What would have to wait raises WouldBlock there, changes nothing and is told to nobody: asked again here, it is
        as if it had been asked once.
        """
        ...

    @property
    def inside(self) -> Filesystem:
        """The same for work within the server, of which nothing goes to the client or comes from it: no transfer.

        It follows no links (TooManyLinks where one is on the way), so that nobody who swaps one in leads it astray.
        """
        ...

    def speaking(self, protocol: str) -> Filesystem:
        """The same for a program that speaks another protocol (see `conchgo.events.records.Origin`)."""
        ...

    def stat(self, path: VirtualPath) -> FileStat: ...
    def lstat(self, path: VirtualPath) -> FileStat: ...

    def peek(self, path: VirtualPath) -> FileStat | None:
        """As `stat`, for what no client asked: None where nothing may be told, and that is no refusal."""
        ...

    def realpath(self, path: VirtualPath) -> VirtualPath:
        """The path without its links, up to the first that leads to what is not there or may not be listed."""
        ...

    def require(self, verb: str, path: VirtualPath) -> VirtualPath:
        """For what no other call asks: a right to do something with the path itself. Raises PermissionDenied.

        Gives the path without its links. That is not for clients to see.
        """
        ...

    def open(self, path: VirtualPath, options: OpenOptions) -> File: ...
    def scan(self, path: VirtualPath) -> Listing: ...
    def mkdir(self, path: VirtualPath, mode: int | None = None) -> None: ...
    def rmdir(self, path: VirtualPath) -> None: ...
    def remove(self, path: VirtualPath) -> None: ...

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        """Move a name, atomically. Without `replace` an existing target raises AlreadyExists."""
        ...

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        """Change what is asked; `link` changes a symbolic link itself."""
        ...

    def readlink(self, path: VirtualPath) -> bytes: ...
    def symlink(self, target: bytes, path: VirtualPath) -> None: ...
    def link(self, existing: VirtualPath, new: VirtualPath) -> None: ...
    def space(self, path: VirtualPath) -> Space: ...
