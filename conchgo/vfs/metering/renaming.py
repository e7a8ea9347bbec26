"""Renames that are counted, of just what was looked at.

Whoever takes a name from a file holds the file (`CountableFile.exclusively`), and no directory moves while somebody has
the tree with others. So it is enough to hold the files, and the tree with others, where a file moves to a new name or
over another file. Where anything else moves or is replaced (a link, a directory, a file that the server can't open),
another session might put a file there; that is done by whoever holds the tree alone (`Countable.still`).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from conchgo.errors import AlreadyExists, CrossStorage
from conchgo.paths import VirtualPath
from conchgo.quota.interface import Change
from conchgo.storage.countable import CountableStorage
from conchgo.storage.interface import FileStat, Kind, RenameAcross
from conchgo.vfs.metering.meter import Held, Meter, found, hold, replaced_meanwhile, retried
from conchgo.vfs.metering.moving import Move, Moved, MovedDirectory, MovedFile
from conchgo.vfs.uploads.temporaries import is_replacing


@dataclass(frozen=True, slots=True)
class Side:
    """A name, where it is, who is charged for what lies there; `across` is the storage, if it has that ability."""

    storage: CountableStorage
    across: RenameAcross | None
    meter: Meter
    path: VirtualPath

    def rename(self, other: Side, *, replace: bool) -> None:
        if self.storage is other.storage:
            self.storage.rename(self.path, other.path, replace=replace)
        elif self.across is None:
            raise CrossStorage
        else:
            self.across.rename_to(self.path, other.storage, other.path, replace=replace)


def rename(old: Side, new: Side, *, replace: bool) -> None:
    """Move what has the one name to the other one.

    Raises:
        NotBefore: somebody holds a file or the tree, or it must be waited for room.
        QuotaExceeded: where it goes there is no room.
        CrossStorage, and what `Storage.rename` does.
    """

    def work() -> None:
        if not _attempt(old, new, replace=replace, alone=False):
            _attempt(old, new, replace=replace, alone=True)

    retried(work)


def _attempt(old: Side, new: Side, *, replace: bool, alone: bool) -> bool:
    """Whether it could be done so; Busy where somebody changed what a name stands for."""
    with ExitStack() as until:
        until.enter_context(old.storage.still(old.path, alone=alone))
        if new.storage is not old.storage:
            until.enter_context(new.storage.still(new.path, alone=alone))
        source, there = old.storage.lstat(old.path), found(new.storage, new.path)
        # What is not there yet is not replaced either when it appears: it would have to be counted.
        replaces = replace and there is not None
        if there is not None and (not replaces or there.identity == source.identity):
            there = None
        moving, replaced = _hold_files(until, (old, source), (new, there))
        if not (alone or (_stays(source, moving) and _stays(there, replaced))):
            return False
        move = Move(old.meter, old.path, new.meter, new.path, _moved(old, source, moving))
        try:
            with ExitStack() as placed:
                if is_replacing(old.path.name) and not is_replacing(new.path.name) and not _leaves(replaced):
                    _take_place(old, new, placed)
                move.counted(replaced, lambda: old.rename(new, replace=replaces))
        except AlreadyExists:
            if replace and not replaces:
                raise replaced_meanwhile() from None
            raise
        return True


def _stays(found: FileStat | None, held: Held | None) -> bool:
    """Whether nobody else can take that name, or there is none."""
    return found is None or (held is not None and held.stays)


def _moved(old: Side, source: FileStat, held: Held | None) -> Moved:
    if held is not None:
        return MovedFile(held)
    return MovedDirectory(old.storage, old.path) if source.kind is Kind.DIRECTORY else Moved()


def _hold_files(until: ExitStack, *rows: tuple[Side, FileStat | None]) -> list[Held | None]:
    """Those that are regular files; always in the same order, so that of two who meet one gets on.

    Raises:
        NotBefore: somebody else holds one.
        Busy: something else is there by now.
    """
    held: dict[int, Held] = {}
    files = [(there.identity, row) for row, (_, there) in enumerate(rows) if there and there.kind is Kind.FILE]
    for identity, row in sorted(files):
        side = rows[row][0]
        held[row] = hold(side.storage, side.path, until)
        if held[row].found.identity != identity:
            raise replaced_meanwhile()
    return [held.get(row) for row in range(len(rows))]


def _take_place(old: Side, new: Side, until: ExitStack) -> None:
    """What a temporary was to replace is gone, or stays by another name: it needs a place of its own.

    Raises:
        QuotaExceeded, NotBefore, Failure: as `Ledger.change`.
    """
    meter = old.meter
    until.push(partial(_settle, meter.change(meter.charge, new.path, identity=None, before=0, files=1), 1))
    until.push(partial(_settle, meter.change(meter.lending, old.path, identity=None, before=0), -1))


def _leaves(replaced: Held | None) -> bool:
    """Whether a file is no more when it is replaced."""
    return replaced is not None and replaced.found.nlink == 1


def _settle(change: Change, files: int, kind: type[BaseException] | None, *_: object) -> None:
    if kind is None:
        change.done(None, size=0, files=files)
    else:
        change.cancel()
