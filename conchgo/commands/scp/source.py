"""scp -f: send files to the client."""

from __future__ import annotations

from typing import Final, NamedTuple

from conchgo.commands.files import Files
from conchgo.commands.scp import messages
from conchgo.commands.scp.peer import Peer
from conchgo.errors import ConchgoError, Failure, NotARegularFile, NotBefore, TooManyLinks
from conchgo.paths import VirtualPath
from conchgo.vfs.interface import File, FileStat, Kind, OpenOptions
from conchgo.vfs.listing import names_of

_READ: Final = OpenOptions(read=True)
#: Names of one directory.
_MOST_NAMES: Final = 1_000_000
#: Bytes that are read and sent before others get their turn.
_PIECE: Final = 512 * 1024


class _Level(NamedTuple):
    """A directory, and the names in it that are still to be sent."""

    path: VirtualPath
    identity: tuple[int, int]
    names: list[bytes]


class Source:
    """Sends what is at some paths; links are followed, as everywhere in scp."""

    def __init__(self, peer: Peer, files: Files, owner: str, *, recursive: bool, preserve: bool) -> None:
        self._peer = peer
        self._files = files
        self._owner = owner.encode()
        self._recursive = recursive
        self._preserve = preserve
        #: The directories that are being sent, from the outermost on.
        self._levels: list[_Level] = []

    async def send(self, path: VirtualPath) -> None:
        """A file, or a directory with all that is in it. What can't be sent is told, and the others are."""
        await self._send(path)
        while self._levels:
            level = self._levels[-1]
            if level.names:
                await self._send(level.path / level.names.pop())
            else:
                self._levels.pop()
                await self._peer.console.write(b"E\n")
                await self._peer.answer()

    async def _send(self, path: VirtualPath) -> None:
        """A file, or the beginning of a directory."""
        try:
            stat = await self._files.do(lambda files: files.stat(path))
            if stat.kind is Kind.DIRECTORY and self._recursive:
                if any(level.identity == stat.identity for level in self._levels):
                    raise TooManyLinks("the directory is within itself, by a link")
                names = await self._files.hop(self._names, path)
            elif stat.kind is not Kind.FILE:
                raise NotARegularFile
            else:
                file = await self._files.do(lambda files: files.open(path, _READ))
        except ConchgoError as error:
            await self._peer.warn(path, error)
            return
        if stat.kind is Kind.DIRECTORY:
            if await self._announced(path, stat, 0):
                self._levels.append(_Level(path, stat.identity, names))
            return
        try:
            await self._send_file(path, stat, file)
        finally:
            await self._files.close(file)

    def _names(self, path: VirtualPath) -> list[bytes]:
        """To be taken from the end: files come before directories."""
        found = names_of(self._files.filesystem, path, _MOST_NAMES + 1)
        if len(found) > _MOST_NAMES:
            raise Failure(f"more than {_MOST_NAMES} names in one directory: use sftp")
        return [name for name, kind in sorted(found, key=lambda entry: entry[1] is not Kind.DIRECTORY)]

    async def _announced(self, path: VirtualPath, stat: FileStat, size: int) -> bool:
        """Whether the client wants it."""
        console = self._peer.console
        if self._preserve:
            await console.write(messages.times(stat.mtime, stat.atime))
            if not await self._peer.answer():
                return False
        is_directory = stat.kind is Kind.DIRECTORY
        await console.write(messages.header(is_directory, stat.mode, size, path.name or self._owner))
        return await self._peer.answer()

    async def _send_file(self, path: VirtualPath, stat: FileStat, file: File) -> None:
        """Just as many bytes as were announced, whatever becomes of the file meanwhile."""
        if not await self._announced(path, stat, stat.size):
            return
        failure: ConchgoError | None = None
        offset = 0
        while offset < stat.size:
            count = min(_PIECE, stat.size - offset)
            try:
                sent = 0 if failure else await self._send_piece(file, offset, count)
            except ConchgoError as error:
                failure, sent = error, 0
            if not sent:
                # The client counts on so many bytes: they follow, and then it is told that they are none.
                failure = failure or Failure("the file became shorter while it was sent")
                await self._peer.console.write(bytes(count))
                sent = count
            offset += sent
            await self._files.give_way()
        if failure is None:
            await self._peer.ok()
        else:
            await self._peer.warn(path, failure)
        await self._peer.answer()

    async def _send_piece(self, file: File, offset: int, count: int) -> int:
        """The count of bytes that were sent, 0 at the end of the file."""
        await self._peer.console.writable()
        try:
            found = self._peer.console.write_from(lambda views: file.preadv_now(views, offset), count)
        except NotBefore:
            found = None
        if found is not None:
            return found
        data = await self._files.hop(file.pread, count, offset)
        await self._peer.console.write(data)
        return len(data)
