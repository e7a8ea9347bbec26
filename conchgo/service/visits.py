"""A user's files without a session of his, for the command line: counted as his, and told to nobody."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final, TypeVar

from sqlalchemy import Engine

from conchgo.accounts.store import AccountStore
from conchgo.errors import NotBefore, NotFound
from conchgo.events.bus import Bus
from conchgo.events.records import Origin
from conchgo.quota.durable import DurableLedger
from conchgo.quota.tracking import Track
from conchgo.service.accounts import make_directory
from conchgo.service.quotas import counting, looking, owner
from conchgo.service.settings import Settings
from conchgo.sessions.directories import Directories
from conchgo.sessions.quotas import Quotas
from conchgo.sessions.storages import open_storages
from conchgo.sessions.views import Rules, Views
from conchgo.vfs.compose import compose
from conchgo.vfs.interface import Filesystem

T = TypeVar("T")

#: Seconds after which one asks again, at most: meanwhile the ledger is told, and asks for room.
_PAUSE: Final = 0.1


class Visit:
    """Does one thing after the other, and waits for what must wait."""

    def __init__(self, files: Filesystem, ledger: DurableLedger) -> None:
        self._files = files
        self._ledger = ledger

    def do(self, step: Callable[[Filesystem], T]) -> T:
        """Raises what the step does, but for NotBefore."""
        return _patient(lambda: step(self._files), self._ledger)


@contextmanager
def visit(engine: Engine, store: AccountStore, settings: Settings, username: str) -> Iterator[Visit]:
    """The user's tree, as a session of his would have it.

    Raises:
        NotFound: there is no such user.
        StartError: the directory of all homes can't be made.
        ConchgoError: his home can't be opened, or the database did not answer.
    """
    user = store.user(username)
    if user is None:
        raise NotFound(f"there is no user {username}")
    umask = int(settings.users.umask, 8)
    os.umask(umask)
    make_directory("users.base_directory", settings.users.base_directory)
    rules = Rules.of(user)
    this = owner(engine, settings)
    directory = os.path.join(settings.service.state_directory, "ledger")
    with closing(DurableLedger(engine, this, directory, looking(store, settings))) as ledger:
        quotas = Quotas(ledger, counting(engine, this, store, settings), Track(settings.quota.track))
        names = [folder.name for folder in user.virtual_folders]
        folders = {name: folder for name in names if (folder := store.folder(name)) is not None}
        storages = open_storages(Directories(umask, settings.users.base_directory), user, folders)
        try:
            tracked = _patient(lambda: quotas.prepare(storages), ledger)
            origin = Origin(username, "command line", "")
            view = Views(Bus(), quotas=quotas).view(user, rules, origin, tracked)
            yield Visit(compose(view), ledger)
        finally:
            storages.close()


def _patient(work: Callable[[], T], ledger: DurableLedger) -> T:
    while True:
        try:
            return work()
        except NotBefore as wait:
            ledger.tick()
            time.sleep(min(_PAUSE, max(0.0, wait.at - time.monotonic())))
