"""What a server costs: CPU time and memory of its processes, from /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")
#: In /proc/PID/stat behind the command's name: utime, stime, cutime, cstime; the last two are of children that ended.
_TIMES: Final = slice(11, 15)


def cpu_seconds(pid: int) -> float:
    """User and system time of the process with all threads, of its descendants, and of those that were waited for."""
    total = 0
    for process in _tree(pid):
        with suppress(OSError), open(f"/proc/{process}/stat") as file:
            total += sum(map(int, file.read().rpartition(")")[2].split()[_TIMES]))
    return total / _TICKS


def memory(pid: int) -> int:
    """Bytes of the process and its descendants; what processes share is counted once (PSS)."""
    total = 0
    for process in _tree(pid):
        with suppress(OSError), open(f"/proc/{process}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return total * 1024


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children = file.read().split()
            for child in children:
                yield from _tree(int(child))
