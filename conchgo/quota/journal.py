"""The journal of one owner: what it is about to change, and what came of it, in a file that outlives a kill.

It is not synced to the disk: the kernel has what was written, whatever becomes of the process. After a crash of the
whole machine nobody trusts it (see `recovery`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from conchgo.quota.records import Record, framed, records

_MAGIC: Final = b"conchgo journal 1\n"
_HEADER: Final = len(_MAGIC) + 12

#: Room that a new file has on the disk at once, so that a full disk does not keep anybody from removing files.
_RESERVE: Final = 2**20

#: A journal longer than this is begun anew.
_LONG: Final = 2**18


class Journal:
    """A file at `path` that is written to by this object alone, under its caller's lock."""

    def __init__(self, path: str) -> None:
        """Raises OSError: it can't be made."""
        self.path = path
        self._salt = secrets.randbits(32)
        self._marked = _HEADER
        #: What could not be written when it happened.
        self._owed = b""
        self._descriptor, self._end = self._begun(b"", 0)

    @property
    def is_long(self) -> bool:
        return self._end > _LONG

    def write(self, payload: bytes) -> None:
        """Raises OSError: it was not written, as if never asked for."""
        data = self._owed + framed(payload, self._salt)
        if os.pwrite(self._descriptor, data, self._end) < len(data):
            raise OSError("the disk is full")
        self._end += len(data)
        self._owed = b""

    def write_or_owe(self, payload: bytes) -> None:
        """What has happened can't be refused: if need be it is written before the next record."""
        try:
            self.write(payload)
        except OSError:
            self._owed += framed(payload, self._salt)

    def mark(self, payload: bytes) -> None:
        """As `write`; `renew` keeps what follows it."""
        self.write(payload)
        self._marked = self._end

    def renew(self, checkpoint: int, first: Iterable[bytes]) -> None:
        """Go on with a new file: these payloads, then what was written since the mark, which `checkpoint` names.

        Raises OSError: the old file goes on.
        """
        tail = os.pread(self._descriptor, self._end - self._marked, self._marked)
        data = b"".join(framed(payload, self._salt) for payload in first) + tail
        old = self._descriptor
        self._descriptor, self._end = self._begun(data, checkpoint)
        self._marked = _HEADER
        os.close(old)

    def close(self) -> None:
        os.close(self._descriptor)
        # Whoever gets that number next shall not find our records in his file.
        self._descriptor = -1

    def remove(self) -> None:
        """Nobody needs it any more."""
        self.close()
        with suppress(OSError):
            os.unlink(self.path)

    def _begun(self, data: bytes, checkpoint: int) -> tuple[int, int]:
        temporary = f"{self.path}.new"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _RESERVE)
            data = _MAGIC + self._salt.to_bytes(4, "little") + checkpoint.to_bytes(8, "little") + data
            if os.pwrite(descriptor, data, 0) < len(data):
                raise OSError("the disk is full")
            os.rename(temporary, self.path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor, len(data)


class Contents(NamedTuple):
    """What a journal says: all outcomes that were told with the flush `checkpoint` are not in it."""

    checkpoint: int
    records: Sequence[Record]


def read(path: str) -> Contents:
    """What is in the journal at `path`.

    Raises:
        OSError: it can't be read.
        ValueError: it is no journal.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with open(descriptor, "rb") as file:
        data = file.read()
    if len(data) < _HEADER or not data.startswith(_MAGIC):
        raise ValueError(f"{path} is no journal of conchgo")
    start = len(_MAGIC)
    salt = int.from_bytes(data[start : start + 4], "little")
    checkpoint = int.from_bytes(data[start + 4 : _HEADER], "little")
    return Contents(checkpoint, list(records(data[_HEADER:], salt)))
