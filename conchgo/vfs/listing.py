"""The names of a directory, for the algorithms that go through trees."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing

from conchgo.paths import VirtualPath
from conchgo.vfs.interface import Filesystem, Kind


def names_of(
    files: Filesystem, path: VirtualPath, most: int, *, leave_out: Collection[bytes] = ()
) -> list[tuple[bytes, Kind | None]]:
    """Up to `most` names in a directory, with what they are where that was read."""
    found: list[tuple[bytes, Kind | None]] = []
    with closing(files.scan(path)) as listing:
        for entry in listing:
            if entry.name not in leave_out:
                found.append((entry.name, None if entry.stat is None else entry.stat.kind))
            if len(found) == most:
                break
    return found
