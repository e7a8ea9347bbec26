"""Buffers of one packet each: bulk data is put where it will be encrypted, and leaves from there without a copy.

A buffer is room for what comes before the data of a packet, the data, and room for padding and tag behind them.
"""

from __future__ import annotations

from typing import Final

#: Length, padding length, message number, channel, data type code and count of CHANNEL_EXTENDED_DATA.
HEADROOM: Final = 4 + 1 + 1 + 4 + 4 + 4
#: The most data of one packet.
MAX_DATA: Final = 32 * 1024
#: Less than two blocks of 16 bytes of padding, and a tag of 64.
TAILROOM: Final = 96
#: Buffers that are kept for the next one who needs some: 1 MiB.
_KEPT: Final = 32

#: Where the data ends that fills a buffer.
DATA_END: Final = HEADROOM + MAX_DATA


class PacketBuffer:
    """The data of one packet, `view[start:end]`. `extended` is its data type code, None for plain data."""

    __slots__ = ("end", "extended", "start", "view")

    def __init__(self) -> None:
        self.view = memoryview(bytearray(DATA_END + TAILROOM))
        self.start = self.end = HEADROOM
        self.extended: int | None = None

    def __len__(self) -> int:
        return self.end - self.start


class BufferPool:
    """Lends buffers, and keeps some of those that come back: new memory costs more than the bytes in it."""

    def __init__(self) -> None:
        self._free: list[PacketBuffer] = []

    def take(self, count: int) -> list[PacketBuffer]:
        """Empty buffers; their memory still holds what others left there."""
        taken = self._free[-count:] if count else []
        del self._free[len(self._free) - len(taken) :]
        while len(taken) < count:
            taken.append(PacketBuffer())
        return taken

    def give_back(self, buffer: PacketBuffer) -> None:
        """Nobody needs it any more."""
        if len(self._free) < _KEPT:
            buffer.start = buffer.end = HEADROOM
            buffer.extended = None
            self._free.append(buffer)
