"""Which file systems keep their files in memory: what is done there never waits for a disk."""

from __future__ import annotations

import functools
import os
from typing import Final

_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


@functools.cache
def in_memory(device: int) -> bool:
    """Whether the file system of that st_dev is one; False where /proc does not tell."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                fields = line.split()
                if fields[2] == wanted:
                    return fields[fields.index("-") + 1] in _IN_MEMORY
    except (OSError, ValueError, IndexError):
        return False
    return False
