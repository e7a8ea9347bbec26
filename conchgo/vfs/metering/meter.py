"""What all that is counted has in common: who counts, for whom, and how a file is kept still meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from conchgo.errors import BadHandle, Busy, IsADirectory, NotADirectory, NotARegularFile, NotFound, PermissionDenied
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change, Charge, Identity, Ledger, Limits
from conchgo.storage.countable import CountableFile, CountableStorage
from conchgo.storage.interface import Create, FileStat, Storage
from conchgo.storage.links import LinkEncountered

T = TypeVar("T")

_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class Meter:
    """Counts what changes at one charge.

    `crossed`: what lies there may be moved to other charges, and come from there, by this session or by others.
    """

    ledger: Ledger
    charge: Charge
    crossed: bool = True

    @property
    def lending(self) -> Charge:
        """The same domains, whose limits are not asked: for what takes the place of something else in the end."""
        return Charge(self.charge.storage, tuple((domain, Limits()) for domain, _ in self.charge.domains))

    @property
    def is_limited(self) -> bool:
        return any(limits.hold for _, limits in self.charge.domains)

    @property
    def is_idle(self) -> bool:
        """Whether nobody pays, and nothing that lies there can be anything to somebody who does."""
        return not (self.charge.domains or self.crossed)

    def change(
        self,
        charge: Charge,
        path: VirtualPath,
        *,
        identity: Identity | None,
        before: int,
        grow: int = 0,
        files: int = 0,
        links: int = 0,
        moves: bool = False,
        at_once: bool = False,
    ) -> Change:
        """As `Ledger.change`, but for a charge that nobody pays."""
        if not charge.domains:
            return _Uncounted()
        return self.ledger.change(
            charge,
            path,
            identity=identity,
            before=before,
            grow=grow,
            files=files,
            links=links,
            moves=moves,
            at_once=at_once,
        )

    def taking(self, path: VirtualPath, held: Held, work: Callable[[], T]) -> T:
        """Do `work`, which takes that name from the file; its last one takes the file."""
        change = self.change(
            self.charge,
            path,
            identity=held.found.identity,
            before=held.found.size,
            links=held.found.nlink,
        )
        return held.settling(change, work)


class _Uncounted:
    """A `Change` of what nobody pays for."""

    def done(self, identity: Identity | None, *, size: int, files: int) -> None:
        """Nothing is counted."""

    def cancel(self) -> None:
        """Nothing was announced."""


class Held:
    """A regular file that nobody else of us changes, nor gives other names, as long as it is held.

    One that the server may open neither to read nor to write can't be held: then it is as it was found, and a write
    that comes in between is counted as if the file were still there.
    """

    __slots__ = ("_file", "found")

    def __init__(self, file: CountableFile | None, found: FileStat) -> None:
        self._file = file
        self.found = found

    @property
    def stays(self) -> bool:
        """Whether it is held, so that nobody takes its names."""
        return self._file is not None

    def settling(self, change: Change, work: Callable[[], T]) -> T:
        """Do `work`, which may take a name from the file, and count it as gone if that was the last one."""
        left = self.found.nlink
        try:
            result = work()
            left -= 1
            return result
        finally:
            gone = not (self._file.stat().nlink if self._file is not None else left)
            change.done(self.found.identity, size=-self.found.size if gone else 0, files=-1 if gone else 0)


def hold(storage: CountableStorage, path: VirtualPath, until: ExitStack) -> Held:
    """The regular file at the path, held until the stack ends.

    Raises:
        NotBefore: somebody else holds it.
        Busy: something else is there by now.
    """
    for write in (False, True):
        try:
            file = storage.open(path, read=not write, write=write, create=Create.NEVER)
            until.callback(file.close)
            held = until.enter_context(file.exclusively())
            if storage.lstat(path).identity != held.identity:
                raise replaced_meanwhile()
            return Held(file, held)
        except (PermissionDenied, BadHandle):
            continue
        except LinkEncountered as met:
            if met.link != path:
                raise
            raise replaced_meanwhile() from None
        except (IsADirectory, NotARegularFile):
            raise replaced_meanwhile() from None
    return Held(None, storage.lstat(path))


def found(storage: Storage, path: VirtualPath) -> FileStat | None:
    """What is there, if anything can be."""
    try:
        return storage.lstat(path)
    except (NotFound, NotADirectory):
        return None


def retried(work: Callable[[], T]) -> T:
    """Do `work`, again where somebody changed what a name stands for while it worked.

    Raises:
        Busy: that happened again and again.
    """
    for _ in range(_TRIES - 1):
        try:
            return work()
        except Busy:
            continue
    return work()


def replaced_meanwhile() -> Busy:
    return Busy("the file was replaced meanwhile, try again")
