"""The table of requests: what each is called, how it is read, who serves it, what it needs and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from conchgo.edge.pieces import Pieces
from conchgo.edge.stream import Buffer
from conchgo.errors import InvalidArgument
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Reader
from conchgo.sftp.rows import (
    Handles,
    Name,
    Row,
    attrs,
    data,
    handle,
    names,
    ok,
    one_name,
    one_string,
    string_and_attributes,
    two_strings,
)
from conchgo.sftp.server import Maybe, ServedDirectory, ServedFile, Server


def _parse_open(reader: Reader) -> tuple[Any, ...]:
    return reader.string(), reader.uint32(), reader.attributes()


def _parse_read(reader: Reader) -> tuple[Any, ...]:
    return reader.string(), reader.uint64(), min(reader.uint32(), c.MAX_DATA)


def _parse_write(reader: Reader) -> tuple[Any, ...]:
    return reader.string(), reader.uint64(), reader.data()


def _read(_: Server, file: ServedFile, offset: int, length: int) -> Maybe[Buffer]:
    return b"" if offset + length > c.MAX_OFFSET else file.read(offset, length)


def _write(_: Server, file: ServedFile, offset: int, content: Pieces, more: bool) -> Maybe[None]:
    if offset + len(content) > c.MAX_OFFSET:
        raise InvalidArgument("the offset is larger than a file can be")
    return file.write(offset, content, more=more)


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
