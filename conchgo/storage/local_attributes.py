"""Attributes between the words of `interface.py` and those of the `os` module."""

from __future__ import annotations

import os

from conchgo.storage.interface import Attributes, FileStat, Space

_NANOSECONDS = 10**9


def file_stat(found: os.stat_result) -> FileStat:
    # The times in a stat_result as a tuple are whole seconds.
    mode, inode, device, nlink, uid, gid, size, atime, mtime, _ = found
    return FileStat(mode, size, uid, gid, int(atime), int(mtime), nlink, (device, inode))


def space_found(found: os.statvfs_result) -> Space:
    return Space(
        block_size=found.f_bsize,
        fragment_size=found.f_frsize,
        blocks=found.f_blocks,
        blocks_free=found.f_bfree,
        blocks_available=found.f_bavail,
        files=found.f_files,
        files_free=found.f_ffree,
        files_available=found.f_favail,
        filesystem_id=found.f_fsid,
        read_only=bool(found.f_flag & os.ST_RDONLY),
        name_max=found.f_namemax,
    )


def asked_owner(changes: Attributes) -> tuple[int, int] | None:
    """uid and gid for chown(2), -1 where one is not asked; None where none is."""
    if changes.uid is None and changes.gid is None:
        return None
    return (-1 if changes.uid is None else changes.uid, -1 if changes.gid is None else changes.gid)


def asked_times(changes: Attributes, found: os.stat_result) -> tuple[int, int] | None:
    """Access and modification time in nanoseconds, what is not asked as it was found; None where none is asked."""
    if changes.atime is None and changes.mtime is None:
        return None
    return (
        found.st_atime_ns if changes.atime is None else changes.atime * _NANOSECONDS,
        found.st_mtime_ns if changes.mtime is None else changes.mtime * _NANOSECONDS,
    )
