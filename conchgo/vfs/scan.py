"""Counts what lies in the storages of one domain: a look at every file, beside those who change them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

from conchgo.errors import Busy, Failure, NotADirectory, NotFound, PermissionDenied
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.interface import Usage
from conchgo.quota.scans import Scan
from conchgo.quota.tally import Place, Tally, inode_key
from conchgo.storage.interface import Kind, Storage
from conchgo.storage.links import LinkEncountered

#: Files after which is kept what was found, and told how far the scan is.
_BATCH: Final = 4096

#: How often all is looked at again because somebody moved directories meanwhile.
_TRIES: Final = 5

#: Told of each batch: files seen so far, and directories that are known and to be looked into.
Progress = Callable[[int, int], None]


def look(
    scan: Scan, storages: Mapping[str, Storage], tally: Tally, progress: Progress = lambda _seen, _left: None
) -> None:
    """Look at every file of the storages (by the names that charges have for them), or at those that are left.

    `progress` may raise Cancelled: another call goes on from there.

    Raises:
        PermissionDenied, Failure: a directory can't be read, and so not be counted.
    """
    tally.begin(scan.name, [(name, bytes(ROOT)) for name in storages])
    while places := tally.pending(_BATCH):
        batch = _Batch(tally, progress)
        for number, (name, path) in places:
            _look_into(storages[name], name, VirtualPath.parse(path), batch)
            batch.looked.append(number)
            if batch.is_full:
                break
        batch.keep()


def count(
    scan: Scan,
    storages: Mapping[str, Storage],
    tally: Tally,
    wait: Callable[[Callable[[], None]], None],
    progress: Progress = lambda _seen, _left: None,
) -> Usage:
    """Count all, and say what is there. `wait` calls until that raises NotBefore no more.

    Raises:
        Busy: somebody moves directories again and again.
        PermissionDenied, Failure: a directory can't be read, or the database did not answer; nothing was said.
        Cancelled: by `progress`.
    """
    for _ in range(_TRIES):
        look(scan, storages, tally, progress)
        wait(scan.settle)
        try:
            return scan.finish(tally)
        except Busy:
            tally.begin("", ())
    raise Busy("directories are moved again and again while they are scanned, try again later")


class _Batch:
    """What was found lately, and is kept together."""

    def __init__(self, tally: Tally, progress: Progress) -> None:
        self._tally = tally
        self._progress = progress
        self.looked: list[int] = []
        self.files: list[tuple[str, int]] = []
        self.directories: list[Place] = []

    @property
    def is_full(self) -> bool:
        return len(self.files) + len(self.directories) + len(self.looked) >= _BATCH

    def keep(self) -> None:
        """Where this is in the midst of a directory, that is looked into again should the scan end here."""
        seen = len(self.files)
        self._tally.looked_into(self.looked, self.files, self.directories)
        self.looked, self.files, self.directories = [], [], []
        self._progress(seen, self._tally.left())


def _look_into(storage: Storage, name: str, directory: VirtualPath, batch: _Batch) -> None:
    try:
        listing = storage.scan(directory)
    except (NotFound, NotADirectory, LinkEncountered):
        return
    except PermissionDenied:
        raise PermissionDenied(f"permission denied: {directory} can't be read, and so not be counted") from None
    with closing(listing):
        for entry in listing:
            stat = entry.stat
            if stat is None:
                raise Failure(f"{directory / entry.name} can't be looked at, and so not be counted")
            if stat.kind is Kind.FILE:
                batch.files.append((inode_key(stat.identity), stat.size))
            elif stat.kind is Kind.DIRECTORY:
                batch.directories.append((name, bytes(directory / entry.name)))
            if batch.is_full:
                batch.keep()
