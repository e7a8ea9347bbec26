"""What a journal holds: records of a few kinds, each framed by its length and a checksum.

The checksum begins with a salt of the journal's own, so that no client's path can look like a record.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from conchgo.paths import VirtualPath
from conchgo.quota.interface import Identity

_FRAME: Final = struct.Struct("<II")
_PAYER: Final = struct.Struct("<cI")
_INTENT: Final = struct.Struct("<cQIQQqqqIB")
_OUTCOME: Final = struct.Struct("<cQIqqQQqqddB")
_NUMBER: Final = struct.Struct("<cQ")

_KNOWN: Final = 1
_MOVES: Final = 2

#: For `Outcome.left`.
MOVED: Final = -1

#: Longer than any record: a path has 4095 bytes, and the domains of a payer are few.
_LONGEST: Final = 2**20


class Payer(NamedTuple):
    """Who pays for what lies in a storage; the records that follow name him by `number`."""

    number: int
    storage: str
    domains: tuple[str, ...]

    def payload(self) -> bytes:
        return _PAYER.pack(b"P", self.number) + json.dumps([self.storage, self.domains]).encode()


class Intent(NamedTuple):
    """A change is about to be made; see `Ledger.change`. Numbers count up, from 1."""

    number: int
    payer: int
    path: bytes
    identity: Identity | None
    before: int
    grow: int
    files: int
    links: int
    moves: bool

    def payload(self) -> bytes:
        device, inode = self.identity or (0, 0)
        flags = (_KNOWN if self.identity else 0) | (_MOVES if self.moves else 0)
        fields = (self.number, self.payer, device, inode, self.before, self.grow, self.files, self.links, flags)
        return _INTENT.pack(b"I", *fields) + self.path


class Outcome(NamedTuple):
    """What came of an intent: `size` bytes and `files` files more. Where one inode was changed (`identity`), it has
    `after` bytes and counts as `left` files. `left` is MOVED for a directory that has moved. The change began and ended
    (`at`) then, in seconds since the epoch."""

    number: int
    payer: int
    size: int
    files: int
    identity: Identity | None
    after: int
    left: int
    began: float
    at: float

    def payload(self) -> bytes:
        device, inode = self.identity or (0, 0)
        fields = (self.number, self.payer, self.size, self.files, device, inode, self.after, self.left)
        return _OUTCOME.pack(b"O", *fields, self.began, self.at, _KNOWN if self.identity else 0)


class Mark(NamedTuple):
    """All outcomes before it are told with the flush of that number."""

    number: int

    def payload(self) -> bytes:
        return _NUMBER.pack(b"M", self.number)


class Doubt(NamedTuple):
    """The intent of that number is older than this journal: what happened beside it is not known."""

    number: int

    def payload(self) -> bytes:
        return _NUMBER.pack(b"D", self.number)


Record = Payer | Intent | Outcome | Mark | Doubt


def framed(payload: bytes, salt: int) -> bytes:
    """As it stands in the journal."""
    return _FRAME.pack(len(payload), zlib.crc32(payload, salt)) + payload


def records(data: bytes, salt: int) -> Iterator[Record]:
    """Up to the first that is not whole: a kill may have cut it off, and the change was not made then."""
    position = 0
    while position + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, position)
        position += _FRAME.size
        payload = data[position : position + length]
        position += length
        if not 0 < length <= _LONGEST or len(payload) < length or zlib.crc32(payload, salt) != checksum:
            return
        yield _READERS[payload[:1]](payload)


def _payer(payload: bytes) -> Payer:
    storage, domains = json.loads(payload[_PAYER.size :])
    return Payer(_PAYER.unpack_from(payload)[1], storage, tuple(domains))


def _intent(payload: bytes) -> Intent:
    _, number, payer, device, inode, before, grow, files, links, flags = _INTENT.unpack_from(payload)
    identity = (device, inode) if flags & _KNOWN else None
    path = payload[_INTENT.size :]
    return Intent(number, payer, path, identity, before, grow, files, links, bool(flags & _MOVES))


def _outcome(payload: bytes) -> Outcome:
    _, number, payer, size, files, device, inode, after, left, began, at, flags = _OUTCOME.unpack(payload)
    return Outcome(number, payer, size, files, (device, inode) if flags & _KNOWN else None, after, left, began, at)


_READERS: Final[dict[bytes, Callable[[bytes], Record]]] = {
    b"P": _payer,
    b"I": _intent,
    b"O": _outcome,
    b"M": lambda payload: Mark(_NUMBER.unpack(payload)[1]),
    b"D": lambda payload: Doubt(_NUMBER.unpack(payload)[1]),
}


def path_of(intent: Intent) -> VirtualPath:
    """The path, which was clean when it was written."""
    return VirtualPath.parse(intent.path)
