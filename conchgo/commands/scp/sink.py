"""scp -t: take files from the client."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Final, NamedTuple

from conchgo.commands.files import Files
from conchgo.commands.scp import messages
from conchgo.commands.scp.messages import Header, Times
from conchgo.commands.scp.peer import Fatal, Peer
from conchgo.errors import (
    AlreadyExists,
    ConchgoError,
    InvalidPath,
    IsADirectory,
    NoSpace,
    NotADirectory,
    PermissionDenied,
    QuotaExceeded,
    Unsupported,
)
from conchgo.paths import VirtualPath
from conchgo.vfs.discarding import discard
from conchgo.vfs.interface import Attributes, File, FileStat, Filesystem, Kind, OpenOptions

_PIECE: Final = 1024 * 1024
#: Lines that are taken before others get their turn.
_TURN: Final = 64
#: What the client may tell by itself: a warning, or that it gives up.
_FROM_CLIENT: Final = frozenset((bytes((messages.WARNING,)), bytes((messages.ERROR,))))


class _Level(NamedTuple):
    """A directory that is being filled, and what it shall have when it is full."""

    path: VirtualPath
    attributes: Attributes | None


class Sink:
    """Takes what comes to `target`: into it where it is a directory, else under its name.

    A file's mode (as far as the user may choose it) is the sender's for a new file; with `preserve` mode and times are
    the sender's in any case.
    """

    def __init__(self, peer: Peer, files: Files, target: VirtualPath, *, recursive: bool, preserve: bool) -> None:
        self._peer = peer
        self._files = files
        self._target = target
        self._recursive = recursive
        self._preserve = preserve
        self._levels: list[_Level] = []
        self._times: Times | None = None

    async def run(self, *, directory: bool) -> None:
        """Everything, to the end of the input. `directory` says that the target must be one.

        Raises:
            Fatal: it can't go on.
        """
        there = await self._files.do(lambda files: files.peek(self._target))
        self._into = there is not None and there.kind is Kind.DIRECTORY
        if directory and not self._into:
            raise Fatal(f"{self._target}: {NotADirectory.default}")
        await self._peer.ok()
        for number in count(1):
            try:
                line = await self._peer.console.read_line()
            except EOFError:
                if self._levels:
                    raise Fatal from None
                return
            await self._take(line)
            if number % _TURN == 0:
                await self._files.give_way()

    async def _take(self, line: bytes) -> None:
        kind = line[:1]
        if kind in _FROM_CLIENT:
            self._peer.failed = True
            if kind[0] == messages.ERROR:
                raise Fatal
        elif kind == b"T":
            self._times = messages.parsed_times(line)
            await self._peer.ok()
        elif line == b"E":
            await self._leave()
        else:
            header = messages.parsed_header(line)
            times, self._times = self._times, None
            if not messages.is_printable(header.name):
                # The sender passes over it, and goes on.
                await self._peer.warn(self._path(header.name), InvalidPath("a control character is in the name"))
            elif header.is_directory:
                await self._enter(header, self._attributes(header, times))
            else:
                await self._receive(header, self._attributes(header, times))

    def _attributes(self, header: Header, times: Times | None) -> Attributes | None:
        """What it shall have when it is whole."""
        if not self._preserve:
            return None
        mtime, atime = times or (None, None)
        return Attributes(mode=header.mode, mtime=mtime, atime=atime)

    def _path(self, name: bytes) -> VirtualPath:
        if self._levels:
            return self._levels[-1].path / name
        return self._target / name if self._into else self._target

    # Directories

    async def _enter(self, header: Header, attributes: Attributes | None) -> None:
        if not self._recursive:
            raise Fatal("a directory came, and -r was not asked for")
        path = self._path(header.name)
        try:
            await self._files.hop(_make_directory, self._files.filesystem, path, header.mode)
        except ConchgoError as error:
            # The sender passes over what it is warned of.
            await self._peer.warn(path, error)
            return
        self._levels.append(_Level(path, attributes))
        await self._peer.ok()

    async def _leave(self) -> None:
        if not self._levels:
            raise Fatal("protocol error: the end of a directory that was not begun")
        level = self._levels.pop()
        error = await self._adorn(level.path, level.attributes)
        await (self._peer.ok() if error is None else self._peer.warn(level.path, error))

    async def _adorn(self, path: VirtualPath, attributes: Attributes | None) -> ConchgoError | None:
        """Give a directory its mode and times; what went wrong."""
        if attributes is None:
            return None
        try:
            await self._files.do(lambda files: files.set_attributes(path, attributes))
        except ConchgoError as error:
            return error
        return None

    # Files

    async def _receive(self, header: Header, attributes: Attributes | None) -> None:
        path = self._path(header.name)
        try:
            file = await self._files.hop(_opened, self._files.filesystem, path, header)
        except ConchgoError as refusal:
            await self._peer.warn(path, refusal)
            return
        whole = False
        try:
            await self._peer.ok()
            error = await self._data(file, header.size)
            if await self._peer.answer() and error is None:
                error = await self._completed(file, attributes)
                whole = error is None
        finally:
            if not whole:
                await self._files.finish(lambda: discard(self._files.filesystem, file, path))
        await (self._peer.ok() if error is None else self._peer.warn(path, error))

    async def _data(self, file: File, size: int) -> ConchgoError | None:
        """Write what comes, and after a failure read on: the sender looks at no answer before it has sent all."""
        error: ConchgoError | None = None
        offset = 0
        while offset < size:
            data = await self._peer.console.read(min(size - offset, file.portion or _PIECE))
            if not data:
                raise Fatal
            if error is None:
                try:
                    await self._files.write(file, data, offset)
                except ConchgoError as failure:
                    error = failure
            offset += len(data)
            await self._files.give_way()
        return error

    async def _completed(self, file: File, attributes: Attributes | None) -> ConchgoError | None:
        """Close it with its mode and times; what went wrong with the content, for else the file is as it shall be."""
        try:
            if attributes is not None:
                await self._files.hop(file.set_attributes, attributes)
        except (PermissionDenied, Unsupported) as error:
            self._peer.failed = True
            self._peer.console.error(f"scp: {error.text}")
        try:
            await self._files.close(file)
        except ConchgoError as error:
            return error
        return None


def _make_directory(files: Filesystem, path: VirtualPath, mode: int) -> None:
    try:
        files.mkdir(path, mode | 0o700)
    except AlreadyExists:
        there = files.peek(path)
        if there is None or there.kind is not Kind.DIRECTORY:
            raise NotADirectory from None


def _opened(files: Filesystem, path: VirtualPath, header: Header) -> File:
    """A file to write, if there is room for it."""
    there: FileStat | None = files.peek(path)
    if there is not None and there.kind is Kind.DIRECTORY:
        raise IsADirectory
    _require_room(files, path, header.size - (there.size if there else 0))
    return files.open(path, OpenOptions(write=True, create=True, truncate=True, mode=header.mode & 0o777))


def _require_room(files: Filesystem, path: VirtualPath, size: int) -> None:
    """Better refused before all of it is sent than after."""
    with suppress(PermissionDenied, Unsupported):
        space = files.space(path.parent)
        # What is left of a quota may be no whole blocks.
        if size >= (space.blocks_available + 1) * space.fragment_size:
            raise QuotaExceeded if space.by_quota else NoSpace
