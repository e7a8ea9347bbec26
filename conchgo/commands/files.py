"""A session's Filesystem for coroutines."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, ParamSpec, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from conchgo.edge.filesystem_work import FilesystemWork
from conchgo.edge.pieces import Pieces
from conchgo.errors import Cancelled
from conchgo.paths import VirtualPath
from conchgo.vfs.globbing import Expansion, parsed_pattern
from conchgo.vfs.interface import File, Filesystem

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds of work for one way to a thread: others get their turn, and who leaves ends the work.
_TURN: Final = 0.05


class Steps(Protocol):
    """Work that is done bit by bit."""

    def step(self) -> bool:
        """Do a little; whether there is more to do."""
        ...


def names_directory(text: str) -> bool:
    """Whether a path says by its end that it is one of a directory."""
    return text.endswith(("/", "/."))


class Files:
    """What a command does with files. After the client is gone everything but closing raises Cancelled.

    What work gives is never lost, so that what it opened can be closed.
    """

    def __init__(self, work: FilesystemWork) -> None:
        self._work = work

    @property
    def filesystem(self) -> Filesystem:
        """For work in a thread (`hop`)."""
        return self._work.filesystem

    @property
    def start(self) -> VirtualPath:
        """Where relative paths begin."""
        return self._work.filesystem.start

    def path(self, text: str) -> VirtualPath:
        """Raises InvalidPath."""
        return self._work.path(os.fsencode(text))

    async def expanded(self, pattern: str) -> list[VirtualPath]:
        """The paths that match, or what the pattern says literally. Raises InvalidPath, or Failure (too many)."""
        expansion = Expansion(self.filesystem, parsed_pattern(os.fsencode(pattern), self.start))
        try:
            while await self.some(expansion):
                pass
        finally:
            await self.finish(expansion.close)
        return expansion.found

    async def do(self, work: Callable[[Filesystem], T]) -> T:
        """Ask what is known at once, and where that is not enough, ask again in a thread."""
        self._check()
        result = self._work.run(work)
        return await result if isinstance(result, Deferred) else result

    async def hop(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do what may block, in a thread."""
        self._check()
        return await self._work.hop(work, *args, **kwargs)

    async def some(self, work: Steps) -> bool:
        """Work in a thread, for a turn; whether there is more to do."""
        return await self.hop(_some, work)

    async def write(self, file: File, data: Pieces, offset: int) -> None:
        """At once what takes no wait, else in a thread."""
        if not file.pwritev_now(data.views, offset):
            await self._work.hop(file.pwritev, data.views, offset)

    async def give_way(self) -> None:
        """Let other connections have their turn of the reactor."""
        self._check()
        await deferLater(self._work.clock, 0)

    async def close(self, file: File) -> None:
        """The file is as it shall be."""
        if not file.close_now():
            await self._work.close(file.close, file.abandon)

    async def abandon(self, file: File) -> None:
        """The file is not whole."""
        await self._work.close(file.abandon)

    async def finish(self, work: Callable[[], None]) -> None:
        """Give back what is open, in a thread, also when the client is gone."""
        await self._work.close(work)

    def cancel(self) -> None:
        """The client is gone."""
        self._work.cancel()

    def _check(self) -> None:
        if self._work.cancelled:
            raise Cancelled


def _some(work: Steps) -> bool:
    until = time.monotonic() + _TURN
    while work.step():
        if time.monotonic() >= until:
            return True
    return False
