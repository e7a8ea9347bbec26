"""What a scan has seen so far: inodes and their sizes, on the disk where they are many, and what is left to see."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from conchgo.errors import Failure
from conchgo.quota.interface import Identity, Usage

#: A directory to look into: the storage that it is in, and its path there.
Place = tuple[str, bytes]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS seen (inode TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (number INTEGER PRIMARY KEY, storage TEXT NOT NULL, path BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS begun (scan TEXT NOT NULL);
"""


class Correction(NamedTuple):
    """What became of an inode that was changed while the scan went on; `files` is 0 where it is gone."""

    inode: str
    size: int
    files: int


def inode_key(identity: Identity) -> str:
    return f"{identity[0]}:{identity[1]}"


class Tally:
    """Of one scan, in the file at `path`, where it outlives the process; "" for one that need not.

    Raises:
        Failure: the file can't be made or written.
    """

    def __init__(self, path: str = "") -> None:
        try:
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.executescript(f"PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; {_SCHEMA}")
        except sqlite3.Error as error:
            raise _failed(error) from None

    def begin(self, scan: str, places: Iterable[Place]) -> bool:
        """Go on with the scan of that name; where this is another one's tally, empty it and begin at `places`.

        Gives whether it goes on.
        """
        try:
            if (scan,) in self._database.execute("SELECT scan FROM begun").fetchall():
                return True
            self._database.execute("BEGIN")
            for table in ("seen", "pending", "begun"):
                self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
            self._database.execute("INSERT INTO begun VALUES (?)", (scan,))
            self._add_pending(places)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _failed(error) from None
        return False

    def pending(self, count: int) -> Sequence[tuple[int, Place]]:
        """Up to `count` directories that nobody has looked into, with their numbers; the latest found first."""
        rows = self._database.execute("SELECT * FROM pending ORDER BY number DESC LIMIT ?", (count,)).fetchall()
        return [(number, (storage, path)) for number, storage, path in rows]

    def looked_into(
        self, numbers: Iterable[int], files: Iterable[tuple[str, int]], directories: Iterable[Place]
    ) -> None:
        """What was found in these directories: all of it, or (if this raises) nothing is kept."""
        try:
            self._database.execute("BEGIN")
            self._database.executemany("DELETE FROM pending WHERE number = ?", ((number,) for number in numbers))
            self._database.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", files)
            self._add_pending(directories)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _failed(error) from None

    def correct(self, corrections: Iterable[Correction]) -> None:
        """Take note of what became of inodes, the latest last."""
        try:
            self._database.execute("BEGIN")
            for inode, size, files in corrections:
                self._database.execute("DELETE FROM seen WHERE inode = ?", (inode,))
                if files:
                    self._database.execute("INSERT INTO seen VALUES (?, ?)", (inode, size))
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _failed(error) from None

    def total(self) -> Usage:
        size, files = self._database.execute("SELECT coalesce(sum(size), 0), count(*) FROM seen").fetchone()
        return Usage(size, files)

    def left(self) -> int:
        """How many directories are known that nobody has looked into."""
        count: int = self._database.execute("SELECT count(*) FROM pending").fetchone()[0]
        return count

    def close(self) -> None:
        self._database.close()

    def _add_pending(self, places: Iterable[Place]) -> None:
        self._database.executemany("INSERT INTO pending (storage, path) VALUES (?, ?)", places)


def _failed(error: sqlite3.Error) -> Failure:
    return Failure(f"what a scan has seen can't be kept: {error}")
