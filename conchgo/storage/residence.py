"""Where a file system keeps its files, and so what has to be waited for there."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class Residence(enum.Enum):
    #: Nothing there waits for a device.
    MEMORY = "memory"
    #: A disk of this machine: what the kernel's caches hold is known at once, an open file's attributes always.
    DISK = "disk"
    #: A network, another process, or nobody knows: anything may wait.
    ELSEWHERE = "elsewhere"


_RESIDENCES: Final[Mapping[str, Residence]] = {
    **dict.fromkeys(("tmpfs", "ramfs"), Residence.MEMORY),
    **dict.fromkeys(("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"), Residence.DISK),
}


def residence(descriptor: int) -> Residence:
    """Of the file system that holds what is open; ELSEWHERE where /proc does not tell."""
    try:
        return _RESIDENCES.get(_type_of(_mount_of(descriptor)), Residence.ELSEWHERE)
    except (OSError, ValueError, IndexError):
        return Residence.ELSEWHERE


def _mount_of(descriptor: int) -> str:
    """The number of the mount: a device's number would not do, btrfs gives every subvolume its own."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as info:
        return next((line.split()[1] for line in info if line.startswith("mnt_id:")), "")


def _type_of(mount: str) -> str:
    """Its file system's type: proc_pid_mountinfo(5)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[0] == mount:
                return fields[fields.index("-") + 1]
    return ""
