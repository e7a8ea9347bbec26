"""Cuts the bytes of a channel into packets."""

from __future__ import annotations

from typing import Final

from conchgo.sftp import constants as c

_LENGTH: Final = 4
#: Length, type and request id.
_HEAD: Final = 9


class Unframeable(Exception):
    """The bytes are no SFTP: there is no request that could be answered."""


class Oversized(Exception):
    """A packet was too large; its bytes are passed over as they come. `request_id` can still be answered."""

    def __init__(self, request_id: int, size: int) -> None:
        super().__init__()
        self.request_id = request_id
        self.size = size


class Framer:
    """Takes bytes in, gives packets (type byte first) out. Holds at most what is fed: its caller bounds that."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._to_skip = 0

    def feed(self, data: bytes) -> int:
        """Add bytes from the channel; returns how many of them were passed over at once."""
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        self._buffer += memoryview(data)[skipped:]
        return skipped

    def next_packet(self) -> bytes | None:
        """The next whole packet, or None until more bytes come.

        Raises:
            Oversized: what is held of that packet is dropped, and the rest of it will be.
            Unframeable: the packet is too short to have a type and a request id.
        """
        if len(self._buffer) < _LENGTH:
            return None
        length = int.from_bytes(self._buffer[:_LENGTH], "big")
        if length < _HEAD - _LENGTH:
            raise Unframeable
        if length > c.MAX_PACKET:
            self._pass_over(length)
            return None
        if len(self._buffer) < _LENGTH + length:
            return None
        packet = bytes(memoryview(self._buffer)[_LENGTH : _LENGTH + length])
        del self._buffer[: _LENGTH + length]
        return packet

    @property
    def has_partial(self) -> bool:
        """Whether the last packet has not come whole."""
        return bool(self._buffer or self._to_skip)

    def _pass_over(self, length: int) -> None:
        if len(self._buffer) < _HEAD:
            return
        request_id = int.from_bytes(self._buffer[_HEAD - 4 : _HEAD], "big")
        held = min(len(self._buffer), _LENGTH + length)
        del self._buffer[:held]
        self._to_skip = _LENGTH + length - held
        raise Oversized(request_id, held)
