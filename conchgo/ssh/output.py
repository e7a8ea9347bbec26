"""What a channel has still to send: standard output and standard error, in the order they were written."""

from __future__ import annotations

from collections import deque

from conchgo.edge.pieces import ByteQueue, Pieces
from conchgo.edge.stream import Buffer


class OutputQueue:
    """Bytes in order. `extended` is the data type code of CHANNEL_EXTENDED_DATA, None for plain data."""

    def __init__(self) -> None:
        self._runs: deque[tuple[int | None, ByteQueue]] = deque()
        self.size = 0

    def append(self, data: Buffer, extended: int | None = None) -> None:
        """Add `data`, which must not change any more."""
        if not data:
            return
        if not self._runs or self._runs[-1][0] != extended:
            self._runs.append((extended, ByteQueue()))
        self._runs[-1][1].append(data)
        self.size += len(data)

    def take(self, limit: int) -> tuple[Pieces, int | None]:
        """Remove at most `limit` bytes of one kind from the front; gives them with their `extended`."""
        extended, run = self._runs[0]
        taken = run.take(limit)
        if not run:
            self._runs.popleft()
        self.size -= len(taken)
        return taken, extended

    def clear(self) -> None:
        self._runs.clear()
        self.size = 0

    def __bool__(self) -> bool:
        return self.size > 0
