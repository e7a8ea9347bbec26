"""What a rename means for quotas: what is replaced is gone, and what changes domains is paid for where it comes to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from conchgo.errors import ConchgoError, CrossStorage
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change, Charge, Identity, Usage
from conchgo.storage.interface import Kind, Storage
from conchgo.vfs.metering import Held, Meter
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

    def content_there(self, found: Usage) -> Usage:
        """What it holds where it is now, if `found` was in it before."""
        return found


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
    is_counted = True

    def __init__(self, source: Storage, old: VirtualPath, target: Storage, new: VirtualPath) -> None:
        self._source = source
        self._old = old
        self._target = target
        self._new = new

    def content(self) -> Usage:
        """Raises CrossStorage where a file in it has several names."""
        return _content_below(self._source, self._old, alone=True)

    def content_there(self, found: Usage) -> Usage:
        """Others may have changed it between the look and the move."""
        try:
            return _content_below(self._target, self._new, alone=False)
        except ConchgoError:
            return found


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
        leaving, entering = self._without(self.source, self.target), self._without(self.target, self.source)
        content = self.moved.content() if leaving.domains or entering.domains else NOTHING
        with ExitStack() as undo:
            entered = self._entering(entering, content, replaced)
            undo.callback(entered.cancel)
            left = self._leaving(leaving)
            undo.callback(left.cancel)
            if replaced is None:
                work()
            else:
                self.target.taking(self.new, replaced, work)
            undo.pop_all()
        there = self.moved.content_there(content) if leaving.domains or entering.domains else NOTHING
        gone = there if leaving.domains else NOTHING
        left.done(self.moved.identity, size=-gone.size, files=-gone.files)
        entered.done(self.moved.identity, size=there.size, files=there.files)

    def _entering(self, charge: Charge, content: Usage, replaced: Held | None) -> Change:
        """What is replaced makes room for what comes; both are counted when they have happened."""
        gone = NOTHING if replaced is None or replaced.found.nlink > 1 else Usage(replaced.found.size, 1)
        return self.target.change(
            charge,
            self.new,
            identity=None,
            before=0,
            grow=max(0, content.size - gone.size),
            files=max(0, content.files - gone.files),
            moves=self.moved.identity is None,
        )

    def _leaving(self, leaving: Charge) -> Change:
        """Where it stays in all its domains, it is announced nevertheless that it moves.

        For a domain that a file leaves it is as if it were removed.
        """
        removed = bool(leaving.domains) and self.moved.identity is not None
        return self.source.change(
            leaving if leaving.domains or not self.moved.is_counted else self.source.charge,
            self.old,
            identity=self.moved.identity,
            before=self.moved.before,
            links=1 if removed else 0,
            moves=not removed,
        )

    def _without(self, meter: Meter, other: Meter) -> Charge:
        """The meter's own domains, if what moves is anything to them."""
        shared = {domain for domain, _ in other.charge.domains}
        own = tuple(row for row in meter.charge.domains if row[0] not in shared) if self.moved.is_counted else ()
        return Charge(meter.charge.storage, own)


def _content_below(storage: Storage, directory: VirtualPath, *, alone: bool) -> Usage:
    size = files = 0
    for _, entry in walk(storage, directory):
        if entry.stat is not None and entry.stat.kind is Kind.FILE:
            if alone and entry.stat.nlink > 1:
                raise _has_names()
            size += entry.stat.size
            files += 1
    return Usage(size, files)


def _has_names() -> CrossStorage:
    return CrossStorage("cannot rename across quotas: a file has several names (hard links)")
