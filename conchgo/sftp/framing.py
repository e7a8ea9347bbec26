"""Cuts the bytes of a channel into packets."""

from __future__ import annotations

from typing import Final

from conchgo.edge.pieces import NOTHING, ByteQueue, Pieces
from conchgo.edge.stream import Buffer
from conchgo.sftp import constants as c

_LENGTH: Final = 4
#: Length, type and request id.
_HEAD: Final = 9
#: What a WRITE has before its data: type, id, a handle of 256 bytes at most, offset, and two lengths.
_WRITE_HEAD: Final = 1 + 4 + 4 + 256 + 8 + 4


class Unframeable(Exception):
    """The bytes are no SFTP: there is no request that could be answered."""


class Oversized(Exception):
    """A packet was too large; its bytes are passed over as they come. `request_id` can still be answered."""

    def __init__(self, request_id: int, size: int) -> None:
        super().__init__()
        self.request_id = request_id
        self.size = size


class Packet:
    """One packet, type byte first: whole in `head`, or (a WRITE with much data) its beginning, and the `rest`."""

    __slots__ = ("head", "rest")

    def __init__(self, head: bytes, rest: Pieces) -> None:
        self.head = head
        self.rest = rest

    @property
    def size(self) -> int:
        """Its bytes on the wire, the length included."""
        return _LENGTH + len(self.head) + len(self.rest)


class Framer:
    """Takes bytes in, gives packets out. Holds at most what is fed: its caller bounds that."""

    __slots__ = ("_input", "_lacks_until", "_to_skip")

    def __init__(self) -> None:
        self._input = ByteQueue()
        #: Bytes of the packet that begins the input, while it has not come whole.
        self._lacks_until = 0
        self._to_skip = 0

    def feed(self, data: Buffer) -> int:
        """Add bytes from the channel; returns how many of them were passed over at once."""
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        self._input.append(memoryview(data)[skipped:] if skipped else data)
        return skipped

    @property
    def ready(self) -> bool:
        """Whether `next_packet` may know more than when it was asked last: a large packet comes in many parts."""
        return len(self._input) >= self._lacks_until

    def next_packet(self) -> Packet | None:
        """The next whole packet, or None until more bytes come.

        Raises:
            Oversized: what is held of that packet is dropped, and the rest of it will be.
            Unframeable: the packet is too short to have a type and a request id.
        """
        start = self._input.peek(_HEAD)
        if len(start) < _LENGTH:
            return None
        length = int.from_bytes(start[:_LENGTH], "big")
        if length < _HEAD - _LENGTH:
            raise Unframeable
        if length > c.MAX_PACKET:
            self._pass_over(length, start)
            return None
        if len(self._input) < _LENGTH + length:
            self._lacks_until = _LENGTH + length
            return None
        self._lacks_until = 0
        head = min(length, _WRITE_HEAD) if start[_LENGTH] == c.FXP_WRITE else length
        beginning = self._input.take_copy(_LENGTH + head)[_LENGTH:]
        return Packet(beginning, self._input.take(length - head) if head < length else NOTHING)

    @property
    def has_partial(self) -> bool:
        """Whether the last packet has not come whole."""
        return bool(self._input or self._to_skip)

    def _pass_over(self, length: int, start: bytes) -> None:
        if len(start) < _HEAD:
            return
        held = len(self._input.take(_LENGTH + length))
        self._to_skip = _LENGTH + length - held
        raise Oversized(int.from_bytes(start[_HEAD - 4 :], "big"), held)
