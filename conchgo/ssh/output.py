"""What a channel has still to send: standard output and standard error, in the order they were written."""

from __future__ import annotations

from collections import deque
from typing import Final

from conchgo.edge.stream import Buffer

#: Small writes are gathered up to this size, so that many of them cost no more than their bytes.
_GATHER: Final = 32 * 1024


class _Piece:
    __slots__ = ("data", "extended", "sent")

    def __init__(self, data: bytes | bytearray, extended: int | None) -> None:
        self.data = data
        self.extended = extended
        self.sent = 0


class OutputQueue:
    """Bytes in order. `extended` is the data type code of CHANNEL_EXTENDED_DATA, None for plain data."""

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self.size = 0

    def append(self, data: Buffer, extended: int | None = None) -> None:
        """Add a copy of `data` (bytes are kept as they are: they cannot change)."""
        self.size += len(data)
        last = self._pieces[-1] if self._pieces else None
        gather = len(data) < _GATHER
        if last and gather and last.extended == extended and isinstance(last.data, bytearray):
            last.data += data
            if len(last.data) >= _GATHER:
                last.data = bytes(last.data)
            return
        self._pieces.append(_Piece(bytearray(data) if gather else bytes(data), extended))

    def take(self, limit: int) -> tuple[bytes, int | None]:
        """Remove at most `limit` bytes of one kind from the front; gives them with their `extended`."""
        piece = self._pieces[0]
        end = piece.sent + limit
        if end >= len(piece.data):
            self._pieces.popleft()
        with memoryview(piece.data) as view:
            data = bytes(view[piece.sent : end])
        piece.sent = end
        self.size -= len(data)
        return data, piece.extended

    def clear(self) -> None:
        self._pieces.clear()
        self.size = 0

    def __bool__(self) -> bool:
        return self.size > 0
