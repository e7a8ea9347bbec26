"""What the engine asks of whatever serves the files: a `Filesystem` or any Conch `ISFTPServer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from twisted.internet.defer import Deferred

from conchgo.edge.pieces import Pieces
from conchgo.edge.stream import Buffer
from conchgo.vfs.interface import Attributes

if TYPE_CHECKING:
    from conchgo.sftp.requests import Row

T = TypeVar("T")

#: A value, or a Deferred of it.
Maybe: TypeAlias = T | Deferred[T]


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a NAME reply; `attributes` is encoded ATTRS."""

    filename: bytes
    longname: bytes
    attributes: bytes


class ServedFile(Protocol):
    """An open file; `appending` says that every write goes to its end."""

    appending: bool

    def read(self, offset: int, length: int) -> Maybe[Buffer]:
        """`length` bytes; fewer only at the end of the file, none behind it."""
        ...

    def write(self, offset: int, data: Pieces) -> Maybe[None]: ...
    def stat(self) -> Maybe[bytes]: ...
    def set_attributes(self, changes: Attributes) -> Maybe[None]: ...
    def sync(self) -> Maybe[None]: ...
    def space(self) -> Maybe[bytes]: ...
    def close(self) -> Maybe[None]: ...

    def abandon(self) -> Maybe[None]:
        """Close it because the client left without doing so."""
        ...


class ServedDirectory(Protocol):
    """An open directory."""

    def names(self) -> Maybe[Sequence[Name]]:
        """The next names; none at the end."""
        ...

    def close(self) -> Maybe[None]: ...
    def abandon(self) -> Maybe[None]: ...


class Server(Protocol):
    """One session's files. Paths are the client's bytes. What goes wrong is raised as in `conchgo.sftp.status`."""

    def extensions(self) -> Mapping[bytes, Row]:
        """Extended requests by name: VERSION advertises just these."""
        ...

    def cancel(self) -> None:
        """The client is gone: long work ends at its next step."""
        ...

    def open(self, path: bytes, flags: int, attributes: Attributes) -> Maybe[ServedFile]: ...
    def opendir(self, path: bytes) -> Maybe[ServedDirectory]: ...
    def stat(self, path: bytes) -> Maybe[bytes]: ...
    def lstat(self, path: bytes) -> Maybe[bytes]: ...
    def setstat(self, path: bytes, changes: Attributes) -> Maybe[None]: ...
    def remove(self, path: bytes) -> Maybe[None]: ...
    def mkdir(self, path: bytes, attributes: Attributes) -> Maybe[None]: ...
    def rmdir(self, path: bytes) -> Maybe[None]: ...
    def realpath(self, path: bytes) -> Maybe[bytes]: ...
    def rename(self, old: bytes, new: bytes) -> Maybe[None]: ...
    def readlink(self, path: bytes) -> Maybe[bytes]: ...
    def symlink(self, target: bytes, link: bytes) -> Maybe[None]: ...
