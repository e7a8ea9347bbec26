"""The table of requests: what each is called, how it is read, who serves it, what it needs and how it is answered."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from conchgo.edge.pieces import Pieces
from conchgo.edge.stream import Buffer
from conchgo.errors import InvalidArgument
from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Reader
from conchgo.sftp.server import Maybe, Name, ServedDirectory, ServedFile, Server

#: A whole packet, or one in two parts.
Reply: TypeAlias = bytes | tuple[bytes, Buffer]


class Handles(enum.Enum):
    """What the leading arguments of a request are, besides paths and numbers."""

    NONE = 0
    FILE = 1
    DIRECTORY = 2
    ANY = 3
    TWO_FILES = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of request.

    `parse` reads the arguments; `serve` does the work, called with the server and the arguments, handles replaced by
    what they stand for; `reply` makes the answer from the request's id and what `serve` returned. `needs` names the
    permission verbs that may be asked (by `conchgo.vfs`), and `writes` whether the request changes anything:
    documentation is made from these two.
    """

    name: str
    parse: Callable[[Reader], tuple[Any, ...]]
    serve: Callable[..., Maybe[Any]]
    reply: Callable[[int, Any], Reply]
    handles: Handles = Handles.NONE
    writes: bool = False
    needs: tuple[str, ...] = ()
    #: What an extension says in VERSION.
    version: bytes = b""


def ok(request_id: int, _: object) -> bytes:
    return codec.status(request_id, c.FX_OK, "success")


def attrs(request_id: int, encoded: bytes) -> bytes:
    return codec.packet(c.FXP_ATTRS, request_id, encoded)


def data(request_id: int, found: Buffer) -> Reply:
    return codec.data(request_id, found) if found else codec.status(request_id, c.FX_EOF, "end of file")


def names(request_id: int, found: Sequence[Name]) -> bytes:
    if not found:
        return codec.status(request_id, c.FX_EOF, "end of directory")
    body = b"".join(codec.string(name.filename) + codec.string(name.longname) + name.attributes for name in found)
    return codec.packet(c.FXP_NAME, request_id, codec.uint32(len(found)) + body)


def one_name(request_id: int, path: bytes) -> bytes:
    """A NAME with one path, and without attributes, as REALPATH and READLINK answer."""
    return names(request_id, [Name(path, path, codec.stat_attributes(None))])


def handle(request_id: int, name: bytes) -> bytes:
    return codec.packet(c.FXP_HANDLE, request_id, codec.string(name))


def extended(request_id: int, body: bytes) -> bytes:
    return codec.packet(c.FXP_EXTENDED_REPLY, request_id, body)


def one_string(reader: Reader) -> tuple[bytes]:
    """One path or one handle."""
    return (reader.string(),)


def two_strings(reader: Reader) -> tuple[bytes, bytes]:
    return reader.string(), reader.string()


def string_and_attributes(reader: Reader) -> tuple[Any, ...]:
    return reader.string(), reader.attributes()


def _parse_open(reader: Reader) -> tuple[Any, ...]:
    return reader.string(), reader.uint32(), reader.attributes()


def _parse_read(reader: Reader) -> tuple[Any, ...]:
    return reader.string(), reader.uint64(), min(reader.uint32(), c.MAX_DATA)


def _parse_write(reader: Reader) -> tuple[Any, ...]:
    return reader.string(), reader.uint64(), reader.data()


def _read(_: Server, file: ServedFile, offset: int, length: int) -> Maybe[Buffer]:
    return b"" if offset + length > c.MAX_OFFSET else file.read(offset, length)


def _write(_: Server, file: ServedFile, offset: int, content: Pieces) -> Maybe[None]:
    if offset + len(content) > c.MAX_OFFSET:
        raise InvalidArgument("the offset is larger than a file can be")
    return file.write(offset, content)


def _close(_: Server, opened: ServedFile | ServedDirectory) -> Maybe[None]:
    return opened.close()


def _fstat(_: Server, file: ServedFile) -> Maybe[bytes]:
    return file.stat()


def _readdir(_: Server, directory: ServedDirectory) -> Maybe[Sequence[Name]]:
    return directory.names()


#: READ and WRITE of disjoint ranges may overlap in time; everything else keeps its order.
READ: Final = Row("READ", _parse_read, _read, data, Handles.FILE, needs=("download",))
WRITE: Final = Row("WRITE", _parse_write, _write, ok, Handles.FILE, writes=True, needs=("upload", "overwrite"))
#: These two make a handle, CLOSE ends one.
OPEN: Final = Row(
    "OPEN",
    _parse_open,
    lambda server, *args: server.open(*args),
    handle,
    writes=True,
    needs=("download", "upload", "overwrite"),
)
OPENDIR: Final = Row("OPENDIR", one_string, lambda server, path: server.opendir(path), handle, needs=("list",))
CLOSE: Final = Row("CLOSE", one_string, _close, ok, Handles.ANY)

_SETSTAT_NEEDS: Final = ("chmod", "chown", "chtimes", "overwrite")

REQUESTS: Final[Mapping[int, Row]] = {
    c.FXP_OPEN: OPEN,
    c.FXP_CLOSE: CLOSE,
    c.FXP_READ: READ,
    c.FXP_WRITE: WRITE,
    c.FXP_LSTAT: Row("LSTAT", one_string, lambda server, path: server.lstat(path), attrs, needs=("list",)),
    c.FXP_FSTAT: Row("FSTAT", one_string, _fstat, attrs, Handles.FILE),
    c.FXP_SETSTAT: Row(
        "SETSTAT",
        string_and_attributes,
        lambda server, *args: server.setstat(*args),
        ok,
        writes=True,
        needs=_SETSTAT_NEEDS,
    ),
    c.FXP_FSETSTAT: Row(
        "FSETSTAT",
        string_and_attributes,
        lambda _, file, changes: file.set_attributes(changes),
        ok,
        Handles.FILE,
        writes=True,
        needs=_SETSTAT_NEEDS,
    ),
    c.FXP_OPENDIR: OPENDIR,
    c.FXP_READDIR: Row("READDIR", one_string, _readdir, names, Handles.DIRECTORY),
    c.FXP_REMOVE: Row(
        "REMOVE", one_string, lambda server, path: server.remove(path), ok, writes=True, needs=("delete_files",)
    ),
    c.FXP_MKDIR: Row(
        "MKDIR",
        string_and_attributes,
        lambda server, *args: server.mkdir(*args),
        ok,
        writes=True,
        needs=("create_dirs",),
    ),
    c.FXP_RMDIR: Row(
        "RMDIR", one_string, lambda server, path: server.rmdir(path), ok, writes=True, needs=("delete_dirs",)
    ),
    c.FXP_REALPATH: Row("REALPATH", one_string, lambda server, path: server.realpath(path), one_name),
    c.FXP_STAT: Row("STAT", one_string, lambda server, path: server.stat(path), attrs, needs=("list",)),
    c.FXP_RENAME: Row(
        "RENAME",
        two_strings,
        lambda server, *args: server.rename(*args),
        ok,
        writes=True,
        needs=("rename_files", "rename_dirs"),
    ),
    c.FXP_READLINK: Row("READLINK", one_string, lambda server, path: server.readlink(path), one_name, needs=("list",)),
    # OpenSSH's order of arguments, target first: the draft's is the other way round, and nobody sends it.
    c.FXP_SYMLINK: Row(
        "SYMLINK",
        two_strings,
        lambda server, *args: server.symlink(*args),
        ok,
        writes=True,
        needs=("create_symlinks",),
    ),
}
