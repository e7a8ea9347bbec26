"""What a channel has still to send: standard output and standard error, in the order they were written."""

from __future__ import annotations

from typing import Final

from conchgo.edge.stream import FIRST_VIEW, Buffer
from conchgo.ssh.packet_buffer import DATA_END, MAX_DATA, BufferPool, PacketBuffer


class OutputQueue:
    """Bytes in order, in buffers of one packet each. `size` counts the bytes."""

    def __init__(self, pool: BufferPool) -> None:
        self._pool: Final = pool
        self._buffers: list[PacketBuffer] = []
        self._reserved: list[PacketBuffer] = []
        self.size = 0

    def append(self, data: Buffer, extended: int | None = None) -> None:
        """Add a copy of `data`. `extended` is the data type code of CHANNEL_EXTENDED_DATA, None for plain data."""
        at, count = 0, len(data)
        self.size += count
        view = memoryview(data)
        while at < count:
            buffer = self._last(extended)
            end = buffer.end
            some = min(count - at, DATA_END - end)
            buffer.view[end : end + some] = view[at : at + some]
            buffer.end = end + some
            at += some

    def reserve(self, count: int) -> list[memoryview]:
        """Room for `count` bytes of plain data, the first FIRST_VIEW of them together; `commit` follows at once."""
        last = self._last(None, min(count, FIRST_VIEW))
        views = [last.view[last.end : min(last.end + count, DATA_END)]]
        full, rest = divmod(max(count - len(views[0]), 0), MAX_DATA)
        self._reserved = self._pool.take(full + (rest > 0))
        views += [buffer.view[buffer.end : DATA_END] for buffer in self._reserved]
        if rest:
            views[-1] = views[-1][:rest]
        return views

    def commit(self, count: int) -> None:
        """The first `count` bytes that were reserved are filled; the others are not wanted."""
        self.size += count
        filled = [self._buffers.pop(), *self._reserved]
        self._reserved = []
        for buffer in filled:
            some = min(count, DATA_END - buffer.end)
            buffer.end += some
            count -= some
            if buffer.end > buffer.start:
                self._buffers.append(buffer)
            else:
                self._pool.give_back(buffer)

    @property
    def held(self) -> int:
        """Bytes of memory: a buffer takes as much however little is in it (output of two kinds, by turns)."""
        return len(self._buffers) * MAX_DATA

    @property
    def first(self) -> PacketBuffer:
        """What leaves next; there is something."""
        return self._buffers[0]

    def pop(self, limit: int) -> list[PacketBuffer]:
        """Remove from the front whole buffers of one kind, of at most `limit` bytes: the caller's from now on."""
        extended = self._buffers[0].extended
        taken = 0
        for buffer in self._buffers:
            limit -= len(buffer)
            if limit < 0 or buffer.extended != extended:
                break
            taken += 1
        popped = self._buffers[:taken]
        del self._buffers[:taken]
        self.size -= sum(map(len, popped))
        return popped

    def take(self, count: int) -> bytes:
        """Remove the first bytes of the first buffer."""
        buffer = self._buffers[0]
        data = bytes(buffer.view[buffer.start : buffer.start + count])
        buffer.start += count
        self.size -= count
        if not len(buffer):
            self._pool.give_back(self._buffers.pop(0))
        return data

    def clear(self) -> None:
        for buffer in self._buffers:
            self._pool.give_back(buffer)
        self._buffers.clear()
        self.size = 0

    def __bool__(self) -> bool:
        return self.size > 0

    def _last(self, extended: int | None, room: int = 1) -> PacketBuffer:
        """The buffer to fill now, with so much room."""
        last = self._buffers[-1] if self._buffers else None
        if last is None or last.extended != extended or DATA_END - last.end < room:
            (last,) = self._pool.take(1)
            last.extended = extended
            self._buffers.append(last)
        return last
