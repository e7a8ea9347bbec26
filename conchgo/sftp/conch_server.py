"""Serves the engine from any Conch ISFTPServer: the generic path."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from twisted.conch.interfaces import ISFTPFile, ISFTPServer
from twisted.conch.ssh.filetransfer import SFTPError
from twisted.internet.defer import Deferred, ensureDeferred, maybeDeferred
from twisted.python.failure import Failure

from conchgo import errors
from conchgo.edge.pieces import Pieces
from conchgo.edge.stream import Buffer
from conchgo.sftp import conch_attributes
from conchgo.sftp import constants as c
from conchgo.sftp.filesystem_server import NAMES_PER_REPLY
from conchgo.sftp.rows import Name, Row, extended
from conchgo.sftp.server import ServedDirectory, ServedFile
from conchgo.vfs.interface import Attributes

#: What the codes of an SFTPError mean; its text is for the client.
_BY_CODE: Final[Mapping[int, type[errors.ConchgoError]]] = {
    c.FX_NO_SUCH_FILE: errors.NotFound,
    c.FX_PERMISSION_DENIED: errors.PermissionDenied,
    c.FX_OP_UNSUPPORTED: errors.Unsupported,
}

#: What else ISFTPServers raise; the text is ours, for theirs may tell a real path.
_BY_TYPE: Final[Mapping[type[BaseException], type[errors.ConchgoError]]] = {
    FileNotFoundError: errors.NotFound,
    PermissionError: errors.PermissionDenied,
    FileExistsError: errors.AlreadyExists,
    NotADirectoryError: errors.NotADirectory,
    IsADirectoryError: errors.IsADirectory,
    NotImplementedError: errors.Unsupported,
}


def _translated(failure: Failure) -> None:
    error = failure.value
    if isinstance(error, SFTPError):
        if error.code == c.FX_EOF:
            raise EOFError
        raise _BY_CODE.get(error.code, errors.Failure)(str(error.message))
    for kind, meant in _BY_TYPE.items():
        if isinstance(error, kind):
            raise meant
    failure.raiseException()


def _asked(work: Callable[..., Any], *args: object) -> Deferred[Any]:
    return maybeDeferred(work, *args).addErrback(_translated)


class ConchServer:
    """A `conchgo.sftp.server.Server` over an ISFTPServer."""

    def __init__(self, client: ISFTPServer) -> None:
        self._client = client

    def cancel(self) -> None:
        """There is no word for it in ISFTPServer."""

    def extensions(self) -> Mapping[bytes, Row]:
        """What its gotVersion tells; each is answered by its extendedRequest."""
        offered: Mapping[bytes, bytes] = self._client.gotVersion(c.VERSION, {})
        return {name: self._extension(name, version) for name, version in offered.items()}

    def _extension(self, name: bytes, version: bytes) -> Row:
        serve = functools.partial(_asked, self._client.extendedRequest, name)
        return Row(
            name.decode("latin-1"),
            lambda reader: (reader.rest(),),
            lambda _, body: serve(body),
            extended,
            writes=True,
            version=version,
        )

    def open(self, path: bytes, flags: int, attributes: Attributes) -> Deferred[ServedFile]:
        opened = _asked(self._client.openFile, path, flags, conch_attributes.from_changes(attributes))
        return opened.addCallback(ConchFile, appending=bool(flags & c.FXF_APPEND))

    def opendir(self, path: bytes) -> Deferred[ServedDirectory]:
        return _asked(self._client.openDirectory, path).addCallback(ConchDirectory)

    def stat(self, path: bytes) -> Deferred[bytes]:
        return _asked(self._client.getAttrs, path, True).addCallback(conch_attributes.encoded)

    def lstat(self, path: bytes) -> Deferred[bytes]:
        return _asked(self._client.getAttrs, path, False).addCallback(conch_attributes.encoded)

    def setstat(self, path: bytes, changes: Attributes) -> Deferred[None]:
        return _asked(self._client.setAttrs, path, conch_attributes.from_changes(changes))

    def remove(self, path: bytes) -> Deferred[None]:
        return _asked(self._client.removeFile, path)

    def mkdir(self, path: bytes, attributes: Attributes) -> Deferred[None]:
        return _asked(self._client.makeDirectory, path, conch_attributes.from_changes(attributes))

    def rmdir(self, path: bytes) -> Deferred[None]:
        return _asked(self._client.removeDirectory, path)

    def realpath(self, path: bytes) -> Deferred[bytes]:
        return _asked(self._client.realPath, path)

    def rename(self, old: bytes, new: bytes) -> Deferred[None]:
        return _asked(self._client.renameFile, old, new)

    def readlink(self, path: bytes) -> Deferred[bytes]:
        return _asked(self._client.readLink, path)

    def symlink(self, target: bytes, link: bytes) -> Deferred[None]:
        return _asked(self._client.makeLink, link, target)


class ConchFile:
    """A `ServedFile` over an ISFTPFile."""

    def __init__(self, file: ISFTPFile, *, appending: bool) -> None:
        self._file = file
        self.appending = appending

    def read(self, offset: int, length: int) -> Deferred[Buffer]:
        return ensureDeferred(self._read_whole(offset, length))

    def read_now(self, offset: int, views: Sequence[memoryview]) -> None:
        """Not known: an ISFTPFile may answer at once or later."""

    async def _read_whole(self, offset: int, length: int) -> Buffer:
        """An ISFTPFile may give less than was asked: a reply is short only at the end of the file."""
        chunks: list[bytes] = []
        while length:
            try:
                chunk = (await _asked(self._file.readChunk, offset, length))[:length]
            except EOFError:
                break
            if not chunk:
                break
            chunks.append(chunk)
            offset += len(chunk)
            length -= len(chunk)
        return b"".join(chunks)

    def write(self, offset: int, data: Pieces, *, more: bool) -> Deferred[None]:
        return _asked(self._file.writeChunk, offset, bytes(data))

    def stat(self) -> Deferred[bytes]:
        return _asked(self._file.getAttrs).addCallback(conch_attributes.encoded)

    def set_attributes(self, changes: Attributes) -> Deferred[None]:
        return _asked(self._file.setAttrs, conch_attributes.from_changes(changes))

    def sync(self) -> None:
        raise errors.Unsupported

    def space(self) -> bytes:
        raise errors.Unsupported

    def close(self) -> Deferred[None]:
        return _asked(self._file.close)

    abandon = close


class ConchDirectory:
    """A `ServedDirectory` over what openDirectory gave."""

    def __init__(self, directory: Any) -> None:
        self._directory = directory
        self._entries: Iterator[Any] = iter(directory)

    def names(self) -> Deferred[Sequence[Name]]:
        return _asked(lambda: ensureDeferred(self._next_names()))

    async def _next_names(self) -> Sequence[Name]:
        names: list[Name] = []
        while len(names) < NAMES_PER_REPLY:
            entry = next(self._entries, None)
            if entry is None:
                break
            filename, line, attributes = await entry if isinstance(entry, Deferred) else entry
            names.append(Name(filename, line, conch_attributes.encoded(attributes)))
        return names

    def close(self) -> Deferred[None]:
        return _asked(self._directory.close)

    abandon = close
