"""A process of ours and all that came of it, by what /proc tells; none where it tells nothing."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress


def family(pid: int) -> Iterator[int]:
    """The process, its children and theirs, each before its own children."""
    pending = [pid]
    while pending:
        member = pending.pop()
        yield member
        with suppress(OSError):
            for thread in os.listdir(f"/proc/{member}/task"):
                with open(f"/proc/{member}/task/{thread}/children", "rb") as file:
                    pending.extend(map(int, file.read().split()))


def ticks(pid: int) -> int:
    """How much all of them have computed so far, in the kernel's clock ticks: proc_pid_stat(5), fields 14 to 17."""
    total = 0
    for member in family(pid):
        with suppress(OSError, ValueError, IndexError), open(f"/proc/{member}/stat", "rb") as file:
            total += sum(map(int, file.read().rpartition(b")")[2].split()[11:15]))
    return total


def limit_file_size(pid: int, size: int) -> None:
    """No file may get larger by any of them, nor by what they start later. They could undo it, up to their own limit.

    That is left as it is: it can't be raised again.
    """
    for member in family(pid):
        with suppress(OSError, ValueError):
            _, most = resource.prlimit(member, resource.RLIMIT_FSIZE)
            allowed = size if most == resource.RLIM_INFINITY else min(size, most)
            resource.prlimit(member, resource.RLIMIT_FSIZE, (allowed, most))
