"""Removes what uploads left that ended with their process: from all that a user has, once he logs in, and slowly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from conchgo.accounts.model import Folder, User
from conchgo.edge.pools import Runner
from conchgo.errors import ConchgoError, NotBefore
from conchgo.sessions.storages import Storages
from conchgo.sessions.views import Views
from conchgo.vfs.uploads.temporaries import sweep_all

_log = Logger()

#: Entries that are looked at together, and seconds between: 100,000 files take a minute, and next to nothing else.
_PORTION: Final = 200
_PAUSE: Final = 0.1


class Sweeper:
    """For each user once in the life of this process: his storages are opened beside those of his sessions."""

    def __init__(
        self,
        open_storages: Callable[[User, Mapping[str, Folder]], Storages],
        views: Views,
        disk: Runner,
        clock: IReactorTime,
    ) -> None:
        self._open_storages = open_storages
        self._views = views
        self._disk = disk
        self._clock = clock
        self._begun: set[str] = set()

    def begin(self, user: User, folders: Mapping[str, Folder]) -> None:
        """`folders` are the records of the user's folders."""
        if user.username not in self._begun:
            self._begun.add(user.username)
            Deferred.fromCoroutine(self._sweep(user, folders)).addErrback(self._failed, user.username)

    async def _sweep(self, user: User, folders: Mapping[str, Folder]) -> None:
        storages = await self._disk.run(user.username, self._open_storages, user, folders)
        try:
            steps = sweep_all(self._views.tree(storages), self._views.temporaries, _PORTION)
            while await self._disk.run(user.username, lambda: next(steps, _END) is not _END):
                await deferLater(self._clock, _PAUSE)
        finally:
            storages.close()

    def _failed(self, failure: Failure, username: str) -> None:
        """The next login tries again."""
        self._begun.discard(username)
        if failure.check(ConchgoError, NotBefore) is None:
            _log.failure("sweeping after uploads failed", failure)


_END: Final = object()
