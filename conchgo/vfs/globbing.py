"""Wildcards in paths, as a shell expands them."""

from __future__ import annotations

import fnmatch
from typing import Final

from conchgo.errors import ConchgoError, Failure
from conchgo.paths import ROOT, VirtualPath
from conchgo.vfs.interface import Filesystem
from conchgo.vfs.listing import names_of

_WILDCARDS: Final = frozenset(b"*?[")
_MOST: Final = 100_000
#: Names and directories that are looked at: through links, a few wildcards ask for any number of them.
_MOST_SEEN: Final = 1_000_000


def expanded(files: Filesystem, pattern: VirtualPath) -> list[VirtualPath]:
    """The paths that match, sorted; the path itself where it is there as it stands, or nothing in it is a wildcard.

    A name that begins with a dot is matched only by a pattern that does. Blocks.

    Raises:
        Failure: more than 100,000 match, or a million names had to be looked at.
    """
    if _WILDCARDS.isdisjoint(bytes(pattern)) or files.peek(pattern) is not None:
        return [pattern]
    search = _Search(files)
    found = [ROOT]
    for number, part in enumerate(pattern.parts):
        found = search.below(found, part, last=number == len(pattern.parts) - 1)
    return found


class _Search:
    """One expansion, and how much of it may still be done."""

    def __init__(self, files: Filesystem) -> None:
        self._files = files
        self._seen = 0

    def below(self, directories: list[VirtualPath], part: bytes, *, last: bool) -> list[VirtualPath]:
        """What matches one component, in some directories."""
        found: list[VirtualPath] = []
        for directory in directories:
            found += self._matching(directory, part, last=last)
            if len(found) > _MOST:
                raise Failure(f"more than {_MOST} names match")
        return found

    def _matching(self, directory: VirtualPath, part: bytes, *, last: bool) -> list[VirtualPath]:
        if _WILDCARDS.isdisjoint(part):
            path = directory / part
            return [path] if not last or self._files.peek(path) is not None else []
        pattern = part.decode("latin-1").replace("[^", "[!")
        return [
            directory / name
            for name in self._names(directory)
            if (part.startswith(b".") or not name.startswith(b"."))
            and fnmatch.fnmatchcase(name.decode("latin-1"), pattern)
        ]

    def _names(self, directory: VirtualPath) -> list[bytes]:
        """Sorted; none where it can't be read."""
        try:
            names = sorted(name for name, _ in names_of(self._files, directory, _MOST_SEEN - self._seen))
        except ConchgoError:
            names = []
        self._seen += 1 + len(names)
        if self._seen >= _MOST_SEEN:
            raise Failure(f"more than {_MOST_SEEN} names would have to be looked at: use fewer wildcards")
        return names
