"""Bytes that came in pieces, kept as they came: on the way of bulk data no byte is copied to make pieces whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from conchgo.edge.stream import Buffer

#: Smaller pieces are copied together, so that many of them cost no more memory than their bytes.
_SMALL: Final = 4 * 1024


class Pieces:
    """Bytes in order, in one or more views. Its length is that of all."""

    __slots__ = ("_length", "views")

    def __init__(self, views: Iterable[Buffer] = ()) -> None:
        self.views = [memoryview(view) for view in views]
        self._length = sum(map(len, self.views))

    def __len__(self) -> int:
        return self._length

    def first(self, count: int) -> list[memoryview]:
        """Views of the first bytes."""
        views: list[memoryview] = []
        for view in self.views:
            if not count:
                break
            views.append(view[:count])
            count -= len(views[-1])
        return views

    def __bytes__(self) -> bytes:
        return b"".join(self.views)


#: No bytes.
NOTHING: Final = Pieces()


class ByteQueue:
    """A queue of bytes. What is appended must not change any more."""

    __slots__ = ("_length", "_pieces", "_taken")

    def __init__(self) -> None:
        # A list: its pieces are few, and an empty deque takes 600 bytes of each idle session.
        self._pieces: list[memoryview | bytearray] = []
        self._length = 0
        #: Bytes of the first piece.
        self._taken = 0

    def __len__(self) -> int:
        return self._length

    def append(self, data: Buffer) -> None:
        if not data:
            return
        self._length += len(data)
        last = self._pieces[-1] if self._pieces else None
        if len(data) >= _SMALL:
            self._pieces.append(memoryview(data))
        elif isinstance(last, bytearray) and len(last) < _SMALL:
            last += data
        else:
            self._pieces.append(bytearray(data))

    def peek(self, count: int) -> bytes:
        """A copy of the first bytes, fewer where there are fewer."""
        found = b""
        start = self._taken
        for piece in self._pieces:
            found += piece[start : start + count - len(found)]
            if len(found) >= count:
                break
            start = 0
        return found

    def take_copy(self, count: int) -> bytes:
        """As `take`, copied: for a few bytes, which are mostly in one piece."""
        start = self._taken
        if not self._pieces or len(self._pieces[0]) < start + count:
            return bytes(self.take(count))
        copy = bytes(self._pieces[0][start : start + count])
        self._pass(count)
        return copy

    def take(self, count: int) -> Pieces:
        """Remove the first bytes, fewer where there are fewer."""
        taken: list[Buffer] = []
        left = min(count, self._length)
        while left:
            # No longer a bytearray: it has views and can't grow.
            piece = self._pieces[0] = memoryview(self._pieces[0])
            taken.append(piece[self._taken : self._taken + left])
            left -= len(taken[-1])
            self._pass(len(taken[-1]))
        return Pieces(taken)

    def _pass(self, count: int) -> None:
        """These of the first piece are taken."""
        self._length -= count
        self._taken += count
        if self._taken == len(self._pieces[0]):
            del self._pieces[0]
            self._taken = 0

    def clear(self) -> None:
        self._pieces.clear()
        self._length = self._taken = 0
