"""A session's Filesystem as Conch's ISFTPServer: for stock Conch's FileTransferServer and for plugins made for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, ParamSpec, TypeVar

from twisted.conch.interfaces import ISFTPFile, ISFTPServer
from twisted.conch.ssh.filetransfer import SFTPError
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from conchgo.edge.filesystem_work import close_now
from conchgo.edge.pools import Runner
from conchgo.errors import Cancelled, ConchgoError
from conchgo.paths import VirtualPath
from conchgo.sftp import conch_attributes
from conchgo.sftp.filesystem_server import open_options
from conchgo.sftp.longname import longname
from conchgo.sftp.status import status_of
from conchgo.vfs.interface import File, Filesystem, Listing

P = ParamSpec("P")
T = TypeVar("T")


def _sftp_error(error: BaseException) -> BaseException:
    """What Conch's server turns into a status: its own error, with our table's code and text."""
    if isinstance(error, EOFError):
        return error
    code, text = status_of(error)
    return SFTPError(code, text.encode("ascii", "backslashreplace").decode("ascii"))


def _raise_sftp_error(failure: Failure) -> NoReturn:
    raise _sftp_error(failure.value or RuntimeError("a failure without an error"))


class _Worker:
    """Runs work that may block, and turns what goes wrong into Conch's errors."""

    __slots__ = ("_owner", "_runner")

    def __init__(self, runner: Runner, owner: str) -> None:
        self._runner = runner
        self._owner = owner

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        result: Deferred[T] = self._runner.run(self._owner, work, *args, **kwargs)
        return result.addErrback(_raise_sftp_error)

    def close(self, close: Callable[[], None], abandon: Callable[[], None] | None = None) -> Deferred[None]:
        """As `run`, and never refused; where the client leaves while it waits for its time, `abandon` is done."""
        closed: Deferred[None] = self._runner.run(self._owner, close)
        closed.addErrback(close_now, close)
        if abandon is not None:
            closed.addErrback(self._left, abandon)
        return closed.addErrback(_raise_sftp_error)

    def _left(self, failure: Failure, abandon: Callable[[], None]) -> Deferred[None]:
        failure.trap(Cancelled)
        return self.close(abandon)


@implementer(ISFTPServer)
class FilesystemAdapter:
    """Every method of ISFTPServer over a Filesystem. `avatar` is the session's user, as that interface wants it.

    `filesystem` offers the Filesystem itself to whoever can use it (conchgo's engine does: the fast path).
    """

    __slots__ = ("_worker", "avatar", "filesystem")

    def __init__(self, avatar: object, filesystem: Filesystem, runner: Runner, owner: str) -> None:
        self.avatar = avatar
        self.filesystem = filesystem
        self._worker = _Worker(runner, owner)

    def gotVersion(self, otherVersion: int, extData: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        return {}

    def openFile(self, filename: bytes, flags: int, attrs: Mapping[str, Any]) -> Deferred[_AdaptedFile]:
        def opened() -> _AdaptedFile:
            options = open_options(flags, conch_attributes.to_changes(attrs))
            return _AdaptedFile(self.filesystem.open(self._path(filename), options), self._worker, options.append)

        return self._worker.run(opened)

    def removeFile(self, filename: bytes) -> Deferred[None]:
        return self._worker.run(lambda: self.filesystem.remove(self._path(filename)))

    def renameFile(self, oldpath: bytes, newpath: bytes) -> Deferred[None]:
        return self._worker.run(lambda: self.filesystem.rename(self._path(oldpath), self._path(newpath), replace=False))

    def makeDirectory(self, path: bytes, attrs: Mapping[str, Any]) -> Deferred[None]:
        mode = conch_attributes.to_changes(attrs).mode
        return self._worker.run(lambda: self.filesystem.mkdir(self._path(path), mode))

    def removeDirectory(self, path: bytes) -> Deferred[None]:
        return self._worker.run(lambda: self.filesystem.rmdir(self._path(path)))

    def openDirectory(self, path: bytes) -> Deferred[_AdaptedDirectory]:
        return self._worker.run(
            lambda: _AdaptedDirectory(self.filesystem.scan(self._path(path)), self.filesystem, self._worker)
        )

    def getAttrs(self, path: bytes, followLinks: bool) -> Deferred[dict[str, int]]:
        look = self.filesystem.stat if followLinks else self.filesystem.lstat
        return self._worker.run(lambda: conch_attributes.from_stat(look(self._path(path))))

    def setAttrs(self, path: bytes, attrs: Mapping[str, Any]) -> Deferred[None]:
        changes = conch_attributes.to_changes(attrs)
        return self._worker.run(lambda: self.filesystem.set_attributes(self._path(path), changes))

    def readLink(self, path: bytes) -> Deferred[bytes]:
        return self._worker.run(lambda: self.filesystem.readlink(self._path(path)))

    def makeLink(self, linkPath: bytes, targetPath: bytes) -> Deferred[None]:
        return self._worker.run(lambda: self.filesystem.symlink(targetPath, self._path(linkPath)))

    def realPath(self, path: bytes) -> Deferred[bytes]:
        return self._worker.run(lambda: bytes(self.filesystem.realpath(self._path(path))))

    def extendedRequest(self, extendedName: bytes, extendedData: bytes) -> bytes:
        raise NotImplementedError("operation unsupported")

    def _path(self, raw: bytes) -> VirtualPath:
        return VirtualPath.parse(raw, self.filesystem.start)


@implementer(ISFTPFile)
class _AdaptedFile:
    def __init__(self, file: File, worker: _Worker, appending: bool) -> None:
        self._file = file
        self._worker = worker
        self._appending = appending

    def close(self) -> Deferred[None]:
        return self._worker.close(self._file.close, self._file.abandon)

    def readChunk(self, offset: int, length: int) -> Deferred[bytes]:
        return self._worker.run(self._read, offset, length)

    def writeChunk(self, offset: int, data: bytes) -> Deferred[None]:
        if self._appending:
            return self._worker.run(self._file.append, memoryview(data))
        return self._worker.run(self._file.pwritev, [memoryview(data)], offset)

    def getAttrs(self) -> Deferred[dict[str, int]]:
        return self._worker.run(lambda: conch_attributes.from_stat(self._file.stat()))

    def setAttrs(self, attrs: Mapping[str, Any]) -> Deferred[None]:
        return self._worker.run(self._file.set_attributes, conch_attributes.to_changes(attrs))

    def _read(self, offset: int, length: int) -> bytes:
        data = self._file.pread(length, offset)
        if not data:
            raise EOFError("end of file")
        return data


class _AdaptedDirectory:
    """What openDirectory gives: entries as Conch's server takes them, one after the other.

    Conch's own server reads an entry a time in the reactor thread; conchgo's engine never comes here.
    """

    def __init__(self, listing: Listing, filesystem: Filesystem, worker: _Worker) -> None:
        self._listing = listing
        self._filesystem = filesystem
        self._worker = worker

    def __iter__(self) -> Iterator[tuple[bytes, bytes, dict[str, int]]]:
        identity, now = self._filesystem.identity, time.time()
        try:
            for entry in self._listing:
                line = longname(entry.name, entry.stat, identity, now)
                yield entry.name, line, conch_attributes.from_stat(entry.stat)
        except ConchgoError as error:
            raise _sftp_error(error) from error

    def close(self) -> Deferred[None]:
        return self._worker.close(self._listing.close)
