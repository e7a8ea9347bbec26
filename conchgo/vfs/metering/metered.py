"""Quotas: a storage that announces to a ledger whatever changes sizes, before it is done, and tells what came of it.

An inode counts once, by its apparent size, from its first name on until its last one is taken; links and directories
count nothing. Nobody who works through here passes a limit. What others do beside the server (local users, commands
that it starts) is found by the next scan.

No system call tells what was renamed, or replaced; `renaming.py` sees to it that it is what was looked at.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, closing
from typing import Final, TypeVar

from conchgo.errors import (
    AlreadyExists,
    ConchgoError,
    CrossStorage,
    Failure,
    NotARegularFile,
    NotBefore,
    QuotaExceeded,
    Unsupported,
    WouldBlock,
)
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Charge, Identity, Ledger
from conchgo.storage.arguments import check_changes, check_open
from conchgo.storage.countable import CountableStorage
from conchgo.storage.interface import (
    Attributes,
    Create,
    FileStat,
    FreeSpace,
    HardLinks,
    Kind,
    Listing,
    RenameAcross,
    Space,
    Storage,
    StorageFile,
    SymbolicLinks,
)
from conchgo.vfs.metering.meter import Meter, found, hold, retried
from conchgo.vfs.metering.metered_file import MeteredFile
from conchgo.vfs.metering.quota_space import within_quota
from conchgo.vfs.metering.renaming import Side, rename
from conchgo.vfs.uploads.temporaries import is_replacing

T = TypeVar("T")

_EMPTY: Final = Attributes(size=0)


class Metered:
    """A storage whose content is paid for by one charge."""

    __slots__ = ("_across", "_free_space", "_hard_links", "_links", "_meter", "_now", "_storage")

    def __init__(
        self, storage: CountableStorage, ledger: Ledger, charge: Charge, *, crossed: bool = True, now: bool = False
    ) -> None:
        """`crossed` is as with `Meter`; `now`: it is the face of a storage that answers at once."""
        self._storage = storage
        self._meter = Meter(ledger, charge, crossed)
        self._now = now
        self._links = storage if isinstance(storage, SymbolicLinks) else None
        self._hard_links = storage if isinstance(storage, HardLinks) else None
        self._free_space = storage if isinstance(storage, FreeSpace) else None
        self._across = storage if isinstance(storage, RenameAcross) else None

    @property
    def at_once(self) -> Metered | None:
        storage = self._storage.at_once
        if storage is None:
            return None
        meter = self._meter
        return Metered(storage, meter.ledger, meter.charge, crossed=meter.crossed, now=True)

    def close(self) -> None:
        self._storage.close()

    def lstat(self, path: VirtualPath) -> FileStat:
        return self._storage.lstat(path)

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> StorageFile:
        check_open(read=read, write=write, truncate=truncate)
        if self._meter.is_idle:
            return self._storage.open(path, read=read, write=write, create=create, truncate=truncate, mode=mode)
        if create is Create.NEW:
            return self._created(path, read=read, write=write, mode=mode)
        file = self._storage.open(path, read=read, write=write, create=create, mode=mode)
        if not write and not self._meter.is_limited:
            return file
        metered = MeteredFile(file, self._storage, path, self._meter, write=write)
        if truncate:
            try:
                metered.resize(_EMPTY, 0, at_once=self._now)
            except BaseException:
                file.close()
                raise
        return metered

    def _created(self, path: VirtualPath, *, read: bool, write: bool, mode: int) -> MeteredFile:
        # It has no place among the files of its own: it will have that of the file that it replaces.
        charge = self._meter.lending if is_replacing(path.name) else self._meter.charge
        try:
            change = self._meter.change(charge, path, identity=None, before=0, files=1, at_once=self._now)
        except (QuotaExceeded, NotBefore, Failure):
            # Who opens what is there already needs no room for it.
            if found(self._storage, path) is not None:
                raise AlreadyExists from None
            raise
        try:
            file = self._storage.open(path, read=read, write=write, create=Create.NEW, mode=mode)
        except BaseException:
            change.cancel()
            raise
        change.done(_identity(file), size=0, files=1)
        return MeteredFile(file, self._storage, path, self._meter, write=write)

    def scan(self, path: VirtualPath) -> Listing:
        return self._storage.scan(path)

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        self._storage.mkdir(path, mode)

    def rmdir(self, path: VirtualPath) -> None:
        self._storage.rmdir(path)

    def remove(self, path: VirtualPath) -> None:
        if self._meter.is_idle:
            self._storage.remove(path)
        else:
            self._refuse_now()
            retried(lambda: self._remove(path))

    def _remove(self, path: VirtualPath) -> None:
        there = self._storage.lstat(path)
        if there.kind is not Kind.FILE:
            self._storage.remove_found(path, there)
            return
        with ExitStack() as until:
            held = hold(self._storage, path, until)
            self._meter.taking(path, held, lambda: self._storage.remove_found(path, held.found))

    def still(self, *paths: VirtualPath) -> AbstractContextManager[object]:
        return self._storage.still(*paths)

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        if old == new or old.is_root or new.is_root or self._meter.is_idle:
            self._storage.rename(old, new, replace=replace)
        else:
            self._refuse_now()
            rename(self._side(old), self._side(new), replace=replace)

    def rename_to(self, old: VirtualPath, other: Storage, new: VirtualPath, *, replace: bool) -> None:
        if self._across is None or not isinstance(other, Metered):
            raise CrossStorage
        self._refuse_now()
        rename(self._side(old), other._side(new), replace=replace)

    def _side(self, path: VirtualPath) -> Side:
        return Side(self._storage, self._across, self._meter, path)

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        if changes.size is None or self._meter.is_idle:
            self._storage.set_attributes(path, changes, link=link)
            return
        check_changes(changes)
        self._refuse_now()
        if link and self._storage.lstat(path).kind is Kind.LINK:
            raise NotARegularFile
        with closing(self.open(path, read=False, write=True, create=Create.NEVER)) as file:
            file.set_attributes(changes)

    def readlink(self, path: VirtualPath) -> bytes:
        return _able(self._links).readlink(path)

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        _able(self._links).symlink(target, path)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        """Whoever holds the file counts its names."""
        if self._meter.is_idle:
            _able(self._hard_links).link(existing, new)
        else:
            self._refuse_now()
            retried(lambda: self._link(existing, new))

    def _link(self, existing: VirtualPath, new: VirtualPath) -> None:
        with ExitStack() as until:
            until.enter_context(self._storage.still(alone=False))
            if self._storage.lstat(existing).kind is Kind.FILE:
                hold(self._storage, existing, until)
            _able(self._hard_links).link(existing, new)

    def space(self, path: VirtualPath) -> Space:
        space = _able(self._free_space).space(path)
        return within_quota(space, self._meter.ledger, self._meter.charge, at_once=self._now)

    def _refuse_now(self) -> None:
        """What takes names looks at much before it begins: that is for a thread."""
        if self._now:
            raise WouldBlock


def _identity(file: StorageFile) -> Identity | None:
    try:
        return file.stat().identity
    except ConchgoError:
        return None


def _able(ability: T | None) -> T:
    if ability is None:
        raise Unsupported
    return ability
