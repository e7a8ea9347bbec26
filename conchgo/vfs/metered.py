"""Quotas: a storage that announces to a ledger whatever changes sizes, before it is done, and tells what came of it.

An inode counts once, by its apparent size, from its first name on until its last one is taken; links and directories
count nothing. Nobody who works through here passes a limit. What others do beside the server (local users, commands
that it starts) is found by the next scan.

No system call tells what a rename replaced. Where somebody puts a file in the place of a link, or another directory in
the place of one on the way, just while somebody renames onto that name, the file is counted until the next scan.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Final, TypeVar

from conchgo.errors import (
    AlreadyExists,
    ConchgoError,
    CrossStorage,
    Failure,
    NotADirectory,
    NotARegularFile,
    NotBefore,
    NotFound,
    QuotaExceeded,
    Unsupported,
    WouldBlock,
)
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change, Charge, Identity, Ledger
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
from conchgo.vfs.metered_file import MeteredFile
from conchgo.vfs.metering import Held, Meter, hold, replaced_meanwhile, retried
from conchgo.vfs.moving import Move, Moved, MovedDirectory, MovedFile
from conchgo.vfs.quota_space import within_quota
from conchgo.vfs.temporaries import is_replacing

T = TypeVar("T")

_EMPTY: Final = Attributes(size=0)


class Metered:
    """A storage whose content is paid for by one charge."""

    __slots__ = ("_across", "_free_space", "_hard_links", "_links", "_meter", "_now", "_storage")

    def __init__(self, storage: CountableStorage, ledger: Ledger, charge: Charge, *, now: bool = False) -> None:
        """`now`: it is the face of a storage that answers at once."""
        self._storage = storage
        self._meter = Meter(ledger, charge)
        self._now = now
        self._links = storage if isinstance(storage, SymbolicLinks) else None
        self._hard_links = storage if isinstance(storage, HardLinks) else None
        self._free_space = storage if isinstance(storage, FreeSpace) else None
        self._across = storage if isinstance(storage, RenameAcross) else None

    @property
    def at_once(self) -> Metered | None:
        storage = self._storage.at_once
        return None if storage is None else Metered(storage, self._meter.ledger, self._meter.charge, now=True)

    def close(self) -> None:
        self._storage.close()

    def lstat(self, path: VirtualPath) -> FileStat:
        return self._storage.lstat(path)

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> StorageFile:
        check_open(read=read, write=write, truncate=truncate)
        if not self._meter.charge.domains:
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
            change = self._meter.ledger.change(charge, path, identity=None, before=0, files=1, at_once=self._now)
        except (QuotaExceeded, NotBefore, Failure):
            # Who opens what is there already needs no room for it.
            if _found(self._storage, path) is not None:
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
        if self._meter.charge.domains:
            self._refuse_now()
            retried(lambda: self._remove(path))
        else:
            self._storage.remove(path)

    def _remove(self, path: VirtualPath) -> None:
        found = self._storage.lstat(path)
        if found.kind is not Kind.FILE:
            self._storage.remove_found(path, found)
            return
        with ExitStack() as until:
            held = hold(self._storage, path, until)
            self._meter.taking(path, held, lambda: self._storage.remove_found(path, held.found))

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        def move(*, replace: bool) -> None:
            self._storage.rename(old, new, replace=replace)

        if old == new or old.is_root or new.is_root or not self._meter.charge.domains:
            move(replace=replace)
        else:
            self._refuse_now()
            retried(lambda: self._move(old, self, new, move, replace=replace))

    def rename_to(self, old: VirtualPath, other: Storage, new: VirtualPath, *, replace: bool) -> None:
        across = self._across
        if across is None or not isinstance(other, Metered):
            raise CrossStorage
        target: Metered = other

        def move(*, replace: bool) -> None:
            across.rename_to(old, target._storage, new, replace=replace)

        self._refuse_now()
        retried(lambda: self._move(old, target, new, move, replace=replace))

    def _move(
        self, old: VirtualPath, target: Metered, new: VirtualPath, move: Callable[..., None], *, replace: bool
    ) -> None:
        source, there = self._storage.lstat(old), _found(target._storage, new)
        # What is not there yet is not replaced either when it appears: it would have to be counted.
        replaces = replace and there is not None
        if there is not None and (not replaces or there.identity == source.identity):
            there = None
        with ExitStack() as until:
            held, replaced = _hold_files(until, (self._storage, old, source), (target._storage, new, there))
            moved = Moved()
            if held is not None:
                moved = MovedFile(held)
            elif source.kind is Kind.DIRECTORY:
                moved = MovedDirectory(self._storage, old, target._storage, new)
            with ExitStack() as placed:
                if is_replacing(old.name) and not is_replacing(new.name) and not _leaves(replaced):
                    self._take_place(old, new, placed)
                Move(self._meter, old, target._meter, new, moved).counted(replaced, lambda: move(replace=replaces))

    def _take_place(self, old: VirtualPath, new: VirtualPath, until: ExitStack) -> None:
        """What a temporary was to replace is gone, or stays by another name: it needs a place of its own.

        Raises:
            QuotaExceeded, NotBefore, Failure: as `Ledger.change`.
        """
        change = self._meter.ledger.change
        place = change(self._meter.charge, new, identity=None, before=0, files=1)
        until.push(partial(_settle, place, 1))
        until.push(partial(_settle, change(self._meter.lending, old, identity=None, before=0), -1))

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        if changes.size is None or not self._meter.charge.domains:
            self._storage.set_attributes(path, changes, link=link)
            return
        check_changes(changes)
        self._refuse_now()
        if link and self._storage.lstat(path).kind is Kind.LINK:
            raise NotARegularFile
        file = self._storage.open(path, read=False, write=True, create=Create.NEVER)
        with closing(file):
            MeteredFile(file, self._storage, path, self._meter, write=True).set_attributes(changes)

    def readlink(self, path: VirtualPath) -> bytes:
        return _able(self._links).readlink(path)

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        _able(self._links).symlink(target, path)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        """Whoever holds the file counts its names."""
        if self._meter.charge.domains:
            self._refuse_now()
            retried(lambda: self._link(existing, new))
        else:
            _able(self._hard_links).link(existing, new)

    def _link(self, existing: VirtualPath, new: VirtualPath) -> None:
        with ExitStack() as until:
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


def _hold_files(until: ExitStack, *rows: tuple[CountableStorage, VirtualPath, FileStat | None]) -> list[Held | None]:
    """Those of the rows that are regular files; always in the same order, so that of two who meet one gets on.

    Raises:
        NotBefore: somebody else holds one.
        Busy: something else is there by now.
    """
    held: dict[int, Held] = {}
    files = [(found.identity, row) for row, (_, _, found) in enumerate(rows) if found and found.kind is Kind.FILE]
    for identity, row in sorted(files):
        storage, path, _ = rows[row]
        held[row] = hold(storage, path, until)
        if held[row].found.identity != identity:
            raise replaced_meanwhile()
    return [held.get(row) for row in range(len(rows))]


def _leaves(replaced: Held | None) -> bool:
    """Whether a file is no more when it is replaced."""
    return replaced is not None and replaced.found.nlink == 1


def _settle(change: Change, files: int, kind: type[BaseException] | None, *_: object) -> None:
    if kind is None:
        change.done(None, size=0, files=files)
    else:
        change.cancel()


def _found(storage: Storage, path: VirtualPath) -> FileStat | None:
    """What is there, if anything can be."""
    try:
        return storage.lstat(path)
    except (NotFound, NotADirectory):
        return None


def _identity(file: StorageFile) -> Identity | None:
    try:
        return file.stat().identity
    except ConchgoError:
        return None


def _able(ability: T | None) -> T:
    if ability is None:
        raise Unsupported
    return ability
