"""What lies in a directory before and after a program worked there: what the difference is to a quota."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from conchgo.paths import VirtualPath
from conchgo.quota.interface import Identity, Usage
from conchgo.storage.interface import Kind, Storage
from conchgo.vfs.walk import walk

#: Files with several names that are remembered.
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Sight:
    """`outside` are files that have other names elsewhere; None: too many to know."""

    usage: Usage
    outside: frozenset[Identity] | None


def look(storage: Storage, top: VirtualPath) -> Sight:
    """Count what lies below `top`, each file once.

    Raises:
        PermissionDenied, Failure: a directory can't be read.
    """
    size = files = 0
    names_left: dict[Identity, int] = {}
    known = True
    for _, entry in walk(storage, top):
        stat = entry.stat
        if stat is None or stat.kind is not Kind.FILE:
            continue
        if stat.nlink > 1:
            if stat.identity in names_left:
                names_left[stat.identity] -= 1
                continue
            if len(names_left) < _MOST:
                names_left[stat.identity] = stat.nlink - 1
            else:
                known = False
        size += stat.size
        files += 1
    outside = frozenset(identity for identity, left in names_left.items() if left)
    return Sight(Usage(size, files), outside if known else None)


def difference(before: Sight, after: Sight) -> tuple[Usage, bool]:
    """What is there more, and whether that is certain: of a file that has gone from here other names may be left."""
    more = Usage(after.usage.size - before.usage.size, after.usage.files - before.usage.files)
    if before.outside is None or after.outside is None:
        return more, False
    return more, before.outside <= after.outside
