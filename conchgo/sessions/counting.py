"""Counting what is there in a user's home or a folder."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Final

from conchgo.accounts.store import AccountStore
from conchgo.errors import Busy, Cancelled, Failure, NotBefore, NotFound
from conchgo.quota.charges import folder_domain, home_charge, included, user_domain
from conchgo.quota.interface import Charge, Limits, Usage
from conchgo.quota.scans import Scan, Scans
from conchgo.quota.tally import Tally
from conchgo.quota.tracking import Track
from conchgo.sessions.directories import Directories
from conchgo.storage.interface import Storage
from conchgo.vfs.scan import Progress, count

#: Seconds until one asks again who waits for a scan.
_PAUSE: Final = 0.2


def _silent(_seen: int, _left: int) -> None:
    """Progress that nobody wants to see."""


def all_domains(store: AccountStore, track: Track) -> tuple[list[str], list[str]]:
    """Of all users and folders of the store: those that are counted, and the others."""
    folders = (folder_domain(folder.name) for folder in store.folders())
    charges = [*map(home_charge, store.users()), *(Charge(domain, ((domain, Limits()),)) for domain in folders)]
    counted: list[str] = []
    others: list[str] = []
    for charge in charges:
        kept = track.charge(charge)
        (counted if kept is not None and kept.domains else others).append(charge.storage)
    return counted, others


class Counting:
    """Scans domains of `store`'s users and folders.

    What a scan has seen is kept in `directory`, so that it goes on there when its process has died; "" for nowhere.
    Calls block, and may come from several threads.
    """

    def __init__(self, scans: Scans, store: AccountStore, directories: Directories, directory: str = "") -> None:
        self._scans = scans
        self._store = store
        self._directories = directories
        self._directory = directory
        self._lock = threading.Lock()
        #: Of scans that were begun here: None while a thread works on it.
        self._begun: dict[str, tuple[Scan, Tally] | None] = {}

    def needs(self, domain: str) -> bool:
        """As `Scans.needs`."""
        return self._scans.needs(domain)

    def forget(self, domain: str) -> None:
        """As `Scans.forget`."""
        self._scans.forget(domain)

    def doubt(self, domains: Set[str]) -> None:
        """As `Scans.doubt`."""
        self._scans.doubt(domains)

    def lies_in(self, domain: str, directory: str) -> bool:
        """Whether it is this directory whose content counts in the domain. Raises Failure."""
        try:
            return self._where(domain) == directory
        except NotFound:
            return False

    def due(self, interval: float) -> Sequence[str]:
        """As `Scans.due`."""
        return self._scans.due(interval)

    def count(self, domain: str, progress: Progress = _silent) -> Usage:
        """Count what is there, or go on with that.

        Raises:
            NotBefore: some that change it have not ended; ask again then, and it goes on.
            Busy: another scan of the domain goes on, or somebody moves directories again and again.
            NotFound: there is no such user or folder.
            PermissionDenied, Failure: it can't be counted.
            Cancelled: by `progress`.
        """
        scan, tally = self._taken(domain)
        try:
            with self._storages(domain) as storages:
                usage = count(scan, storages, tally, _called, progress)
        except NotBefore:
            self._begun[domain] = scan, tally
            raise
        except (Cancelled, KeyboardInterrupt):
            # Whoever begins again, here or after this process, goes on.
            del self._begun[domain]
            tally.close()
            raise
        except BaseException:
            del self._begun[domain]
            tally.close()
            with suppress(Failure):
                scan.abandon()
            raise
        del self._begun[domain]
        tally.close()
        with suppress(FileNotFoundError):
            os.unlink(self._path(domain))
        return usage

    def ensure(self, domain: str) -> None:
        """Count what nobody has counted yet.

        Raises:
            NotBefore: that takes longer; ask again then.
            NotFound, PermissionDenied, Failure: as `count`.
        """
        if not self._scans.needs(domain):
            return
        try:
            self.count(domain)
        except Busy:
            raise NotBefore(time.monotonic() + _PAUSE) from None

    def _taken(self, domain: str) -> tuple[Scan, Tally]:
        """The scan of the domain, for this thread alone."""
        with self._lock:
            begun = self._begun.get(domain)
            if begun is None and domain in self._begun:
                raise Busy(f"a scan of {domain} goes on already")
            self._begun[domain] = None
        if begun is not None:
            return begun
        try:
            return self._scans.begin(domain, self._beside(domain)), Tally(self._path(domain))
        except BaseException:
            del self._begun[domain]
            raise

    def _path(self, domain: str) -> str:
        if not self._directory:
            return ""
        os.makedirs(self._directory, mode=0o750, exist_ok=True)
        return os.path.join(self._directory, f"{domain.encode().hex()}.scan")

    @contextmanager
    def _storages(self, domain: str) -> Iterator[Mapping[str, Storage]]:
        """What counts in the domain, by its name; nothing where that was not made yet."""
        with ExitStack() as until:
            directory = self._where(domain)
            storage = None
            if directory is not None:
                with suppress(NotFound):
                    storage = until.enter_context(closing(self._directories.as_it_is(directory)))
            yield {} if storage is None else {domain: storage}

    def _beside(self, domain: str) -> Sequence[str]:
        """What counts against the same limits."""
        name = domain.partition(":")[2]
        user = self._store.user(name) if domain == user_domain(name) else None
        return () if user is None else included(user)

    def _where(self, domain: str) -> str | None:
        """Its directory. Raises NotFound: nobody has it."""
        name = domain.partition(":")[2]
        if domain == folder_domain(name):
            folder = self._store.folder(name)
            if folder is None:
                raise NotFound(f"there is no folder {name}; `conchgo folder list` shows all")
            return folder.mapped_path
        user = self._store.user(name)
        if user is None:
            raise NotFound(f"there is no user {name}; `conchgo user list` shows all")
        hidden = any(mount.virtual_path == "/" for mount in user.virtual_folders)
        return None if hidden else user.home_dir


def _called(work: Callable[[], None]) -> None:
    """Let who waits without a thread hear of it."""
    work()
