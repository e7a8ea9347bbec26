"""scp -f: send files to the client."""

from __future__ import annotations

from itertools import islice
from typing import Final

from conchgo.commands.files import Files
from conchgo.commands.scp import messages
from conchgo.commands.scp.peer import Peer
from conchgo.errors import ConchgoError, Failure, NotARegularFile, NotBefore, TooManyLinks
from conchgo.paths import VirtualPath
from conchgo.vfs.interface import File, FileStat, Kind, Listing, OpenOptions

_READ: Final = OpenOptions(read=True)
#: Names that are read at once.
_BATCH: Final = 1000
#: Directories that wait for their turn, in all levels together.
_MOST_WAITING: Final = 100_000
#: Bytes that are read and sent before others get their turn.
_PIECE: Final = 512 * 1024


class _Level:
    """A directory that is being sent: first its files, as they are listed, then the directories among them.

    So one listing is open at a time, however deep it goes.
    """

    def __init__(self, path: VirtualPath, identity: tuple[int, int], listing: Listing) -> None:
        self.path = path
        self.identity = identity
        self.listing: Listing | None = listing
        self._entries = iter(listing)
        #: To be taken from the end.
        self.names: list[bytes] = []
        self.directories: list[bytes] = []

    def read(self) -> None:
        """Some more names, or close the listing. Blocks."""
        self.names = [entry.name for entry in islice(self._entries, _BATCH)][::-1]
        if not self.names:
            self.close()

    def close(self) -> None:
        if self.listing is not None:
            self.listing.close()
            self.listing = None


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
        self._waiting = 0

    async def send(self, path: VirtualPath) -> None:
        """A file, or a directory with all that is in it. What can't be sent is told, and the others are."""
        try:
            await self._send(path)
            while self._levels:
                await self._go_on(self._levels[-1])
        finally:
            if self._levels:
                await self._files.finish(self._levels[-1].close)

    async def _go_on(self, level: _Level) -> None:
        if level.names:
            await self._send(level.path / level.names.pop())
        elif level.listing is not None:
            try:
                await self._files.hop(level.read)
            except ConchgoError as error:
                await self._files.finish(level.close)
                await self._peer.warn(level.path, error)
        elif level.directories:
            self._waiting -= 1
            await self._send(level.path / level.directories.pop())
        else:
            self._levels.pop()
            await self._peer.console.write(b"E\n")
            await self._peer.answer()

    async def _send(self, path: VirtualPath) -> None:
        """A file, or the beginning of a directory."""
        try:
            stat = await self._files.do(lambda files: files.stat(path))
            if stat.kind is Kind.DIRECTORY and self._recursive:
                if self._puts_off(path):
                    return
                opened: _Level | File = await self._level(path, stat)
            elif stat.kind is Kind.FILE:
                opened = await self._files.do(lambda files: files.open(path, _READ))
            else:
                raise NotARegularFile
        except ConchgoError as error:
            await self._peer.warn(path, error)
            return
        if isinstance(opened, _Level):
            await self._begin(opened, stat)
            return
        try:
            await self._send_file(path, stat, opened)
        finally:
            await self._files.close(opened)

    def _puts_off(self, path: VirtualPath) -> bool:
        """Whether a directory waits until the files beside it are sent."""
        if not self._levels or self._levels[-1].listing is None:
            return False
        if self._waiting >= _MOST_WAITING:
            raise Failure(f"more than {_MOST_WAITING} directories wait: send it alone")
        self._waiting += 1
        self._levels[-1].directories.append(path.name)
        return True

    async def _level(self, path: VirtualPath, stat: FileStat) -> _Level:
        if any(level.identity == stat.identity for level in self._levels):
            raise TooManyLinks("the directory is within itself, by a link")
        return _Level(path, stat.identity, await self._files.hop(self._files.filesystem.scan, path))

    async def _begin(self, level: _Level, stat: FileStat) -> None:
        self._levels.append(level)
        if not await self._announced(level.path, stat, 0):
            self._levels.pop()
            await self._files.finish(level.close)

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
