"""What a client sends to git-receive-pack, watched: so that what git makes of it has room (gitprotocol-pack(5))."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from conchgo.edge.stream import Buffer
from conchgo.errors import InvalidArgument, QuotaExceeded
from conchgo.processes.system import Lease

_LENGTH: Final = re.compile(rb"[0-9a-fA-F]{4}")
#: A command that removes a ref: the new object's name is zero.
_REMOVES: Final = re.compile(rb"(?:[0-9a-fA-F]{40} 0{40}|[0-9a-fA-F]{64} 0{64}) ")
#: `PACK`, the version and the count of objects (gitformat-pack(5)).
_HEADER: Final = 12

#: The pack, its index and its reverse index.
_FILES_OF_PACK: Final = 3
#: A ref, and its log.
_FILES_OF_REF: Final = 2
_BYTES_OF_REF: Final = 512


class Receiving:
    """A `conchgo.processes.interface.Wire` that changes nothing, and raises QuotaExceeded before it is too late.

    git itself watches the pack (receive.maxInputSize), but not the index that it makes of it, which may be larger.
    """

    def __init__(self, lease: Lease | None) -> None:
        self._lease = lease
        self._head: bytearray | None = bytearray()
        self._in_pack = False
        self._refs = 0
        self._needed_size = 0
        self._needed_files = 0
        #: Bytes of the pack that came.
        self.size = 0

    def from_client(self, data: Buffer) -> tuple[Sequence[Buffer], Sequence[Buffer]]:
        if self._head is None:
            self._more(len(data))
        else:
            self._head += data
            self._read_head(self._head)
        return (data,), ()

    def client_ended(self) -> tuple[Sequence[Buffer], Sequence[Buffer]]:
        return (), ()

    def from_program(self, data: Buffer) -> tuple[Sequence[Buffer], Sequence[Buffer]]:
        return (), (data,)

    def error(self, data: bytes) -> bytes:
        return data

    def events(self, data: bytes) -> None:
        """There are none."""

    def _read_head(self, head: bytearray) -> None:
        start = 0
        while not self._in_pack and len(head) - start >= 4:
            length = _packet_length(bytes(head[start : start + 4]))
            if len(head) - start < length:
                break
            self._packet(bytes(head[start + 4 : start + length]))
            start += max(length, 4)
            self._in_pack = length == 0
        del head[:start]
        if self._in_pack and len(head) >= _HEADER:
            self._head = None
            self._need(index_size(int.from_bytes(head[8:_HEADER], "big")), 0)
            self._more(len(head))

    def _packet(self, line: bytes) -> None:
        if line and not _REMOVES.match(line):
            self._refs += 1
            self._need(_BYTES_OF_REF, _FILES_OF_REF + (_FILES_OF_PACK if self._refs == 1 else 0))

    def _more(self, size: int) -> None:
        self.size += size
        self._need(size, 0)

    def _need(self, size: int, files: int) -> None:
        """Nothing is told as spent: what is left bounds the pack, which must not become less by what is in it."""
        self._needed_size += size
        self._needed_files += files
        if self._lease is None:
            return
        left, files_left = self._lease.left, self._lease.files_left
        if left is not None and self._needed_size > left:
            raise QuotaExceeded("quota exceeded: this push is larger than what is left")
        if files_left is not None and self._needed_files > files_left:
            raise QuotaExceeded("quota exceeded: this push makes more files than are left")
        self._lease.hold(self._needed_size, self._needed_files)


def index_size(objects: int) -> int:
    """The most bytes that the index of a pack and its reverse index may have (gitformat-pack(5), SHA-256)."""
    if not objects:
        return 0
    entry = 32 + 4 + 4 + 8 + 4
    return 8 + 4 * 256 + 4 * 32 + 12 + objects * entry


def _packet_length(digits: bytes) -> int:
    """Of a packet with its own four digits (gitprotocol-common(5)); 0 ends a list."""
    length = int(digits, 16) if _LENGTH.fullmatch(digits) else -1
    if length and length < 4:
        raise InvalidArgument("what the client sends is not git's protocol")
    return length
