"""What a rename means for quotas: what is replaced is gone, and what changes storages is paid for where it comes to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from conchgo.errors import CrossStorage
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change, Charge, Identity, Limits, Usage
from conchgo.storage.interface import Kind, Storage
from conchgo.vfs.metering.meter import Held, Meter
from conchgo.vfs.walk import walk

NOTHING: Final = Usage(0, 0)


class Moved:
    """What moves: nothing that counts, unless it is one of the others."""

    identity: Identity | None = None
    before = 0
    is_counted = False

    def content(self) -> Usage:
        """What it holds, before it is moved to another domain."""
        return NOTHING


class MovedFile(Moved):
    is_counted = True

    def __init__(self, held: Held) -> None:
        self._found = held.found
        self.identity = held.found.identity
        self.before = held.found.size

    def content(self) -> Usage:
        """Raises CrossStorage where it has several names: it would be in both domains afterwards."""
        if self._found.nlink > 1:
            raise _has_names()
        return Usage(self._found.size, 1)


class MovedDirectory(Moved):
    """While its storage is still: nobody changes what it holds, from the look at it until it is counted."""

    is_counted = True

    def __init__(self, storage: Storage, path: VirtualPath) -> None:
        self._storage = storage
        self._path = path

    def content(self) -> Usage:
        """Raises CrossStorage where a file in it has several names."""
        size = files = 0
        for _, entry in walk(self._storage, self._path):
            if entry.stat is not None and entry.stat.kind is Kind.FILE:
                if entry.stat.nlink > 1:
                    raise _has_names()
                size += entry.stat.size
                files += 1
        return Usage(size, files)


@dataclass(frozen=True, slots=True)
class Move:
    """From `old` at one meter to `new` at another, or the same."""

    source: Meter
    old: VirtualPath
    target: Meter
    new: VirtualPath
    moved: Moved

    def counted(self, replaced: Held | None, work: Callable[[], None]) -> None:
        """Do `work`, which moves it, in the place of a file `replaced`.

        Raises:
            QuotaExceeded, NotBefore, Failure: as `Ledger.change`.
            CrossStorage: what moves has other names, and can't change domains.
        """
        crosses = self._crosses()
        content = self.moved.content() if crosses else NOTHING
        with ExitStack() as undo:
            entered = self._entering(crosses, content, replaced)
            undo.callback(entered.cancel)
            left = self._leaving(crosses)
            undo.callback(left.cancel)

            def move() -> None:
                """What comes is counted before what makes room for it, or nobody would count it for a moment."""
                work()
                entered.done(self.moved.identity, size=content.size, files=content.files)

            if replaced is None:
                move()
            else:
                self.target.taking(self.new, replaced, move)
            undo.pop_all()
        left.done(self.moved.identity, size=-content.size, files=-content.files)

    def _crosses(self) -> bool:
        """Whether it counts elsewhere afterwards."""
        source, target = self.source.charge, self.target.charge
        return self.moved.is_counted and source.storage != target.storage and bool(source.domains or target.domains)

    def _entering(self, crosses: bool, content: Usage, replaced: Held | None) -> Change:
        """It needs room under those limits that it is not under already. What is replaced makes room too."""
        charge, under = self.target.charge, {domain for domain, _ in self.source.charge.domains}
        domains = tuple((domain, Limits() if domain in under else limits) for domain, limits in charge.domains)
        gone = NOTHING if replaced is None or replaced.found.nlink > 1 else Usage(replaced.found.size, 1)
        return self.target.change(
            Charge(charge.storage, domains if crosses else ()),
            self.new,
            identity=None,
            before=0,
            grow=max(0, content.size - gone.size),
            files=max(0, content.files - gone.files),
            moves=self.moved.identity is None,
        )

    def _leaving(self, crosses: bool) -> Change:
        """Also where it stays, it is announced that it moves. For a domain that a file leaves it is as if it were
        removed; but after a kill that is not certain, as long as it may be counted nowhere else."""
        charge = self.source.charge
        return self.source.change(
            charge if self.moved.is_counted else Charge(charge.storage, ()),
            self.old,
            identity=self.moved.identity,
            before=self.moved.before,
            links=1 if crosses and self.moved.identity is not None else 0,
            moves=True,
        )


def _has_names() -> CrossStorage:
    return CrossStorage("cannot rename across quotas: a file has several names (hard links)")
