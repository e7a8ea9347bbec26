"""What each worker is at, in memory that they share: its connections, so that the next goes where there are few, and
its beats, by which the main process knows that it works."""

from __future__ import annotations

import mmap
import os
from typing import Final

#: Bytes of a counter: one store, so nobody needs a lock.
_SIZE: Final = 8

#: The count of a worker that does not serve.
_NOBODY: Final = 2**63


class Load:
    """Two counters for each worker; each writes its own only."""

    def __init__(self, descriptor: int, count: int) -> None:
        """Over the memory that `shared_memory` made for so many workers."""
        self._memory = mmap.mmap(descriptor, 2 * count * _SIZE)
        counters = memoryview(self._memory).cast("Q")
        self._counts, self._beats = counters[:count], counters[count:]

    def set(self, number: int, connections: int) -> None:
        self._counts[number] = connections

    def gone(self, number: int) -> None:
        """The worker serves no longer, or not yet."""
        self._counts[number] = _NOBODY

    def others_have_fewer(self, number: int) -> bool:
        return min(self._counts) < self._counts[number]

    def beat(self, number: int) -> None:
        """The worker's reactor turns."""
        self._beats[number] += 1

    def beats(self, number: int) -> int:
        """How often the worker's reactor was seen to turn, since whenever."""
        return self._beats[number]


def shared_memory(count: int) -> int:
    """A descriptor of memory for the counters of so many workers, none of which serves yet.

    Raises:
        OSError: the system gives none.
    """
    descriptor = os.memfd_create("conchgo-load", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, 2 * count * _SIZE)
    load = Load(descriptor, count)
    for number in range(count):
        load.gone(number)
    return descriptor
