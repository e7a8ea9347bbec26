"""Wildcards in paths, as a shell expands them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from typing import Final

from conchgo.errors import ConchgoError, Failure
from conchgo.paths import ROOT, VirtualPath
from conchgo.vfs.interface import Filesystem
from conchgo.vfs.listing import names_of

_WILDCARDS: Final = frozenset(b"*?[")
_MOST: Final = 100_000


def expanded(files: Filesystem, pattern: VirtualPath) -> list[VirtualPath]:
    """The paths that match, sorted; the path itself where it is there as it stands, or nothing in it is a wildcard.

    A name that begins with a dot is matched only by a pattern that does. Blocks.

    Raises:
        Failure: more than 100,000 match.
    """
    if _WILDCARDS.isdisjoint(bytes(pattern)) or files.peek(pattern) is not None:
        return [pattern]
    found = [ROOT]
    for number, part in enumerate(pattern.parts):
        last = number == len(pattern.parts) - 1
        found = [path for directory in found for path in _matching(files, directory, part, last=last)]
        if len(found) > _MOST:
            raise Failure(f"more than {_MOST} names match")
    return found


def _matching(files: Filesystem, directory: VirtualPath, part: bytes, *, last: bool) -> Iterator[VirtualPath]:
    if _WILDCARDS.isdisjoint(part):
        path = directory / part
        if not last or files.peek(path) is not None:
            yield path
        return
    try:
        names = sorted(name for name, _ in names_of(files, directory, _MOST))
    except ConchgoError:
        return
    pattern = part.decode("latin-1").replace("[^", "[!")
    for name in names:
        hidden = name.startswith(b".") and not part.startswith(b".")
        if not hidden and fnmatch.fnmatchcase(name.decode("latin-1"), pattern):
            yield directory / name
