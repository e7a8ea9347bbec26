"""Wildcards in paths, as a shell expands them; in steps, nothing of which takes long."""

from __future__ import annotations

import fnmatch
import re
from itertools import islice
from typing import Final

from conchgo.errors import ConchgoError, Failure
from conchgo.paths import ROOT, VirtualPath
from conchgo.vfs.interface import Filesystem, Listing

_MOST: Final = 100_000
#: Names and directories that are looked at: through links, a few wildcards ask for any number of them.
_MOST_SEEN: Final = 1_000_000
#: Names that are read in one step.
_BATCH: Final = 1000

_TOKEN: Final = re.compile(rb"\\(.)|(\[\^|[*?\[])", re.DOTALL)


def parsed_pattern(raw: bytes, start: VirtualPath) -> VirtualPath:
    """A pattern whose relative form begins at `start`, where nothing is a wildcard. Raises InvalidPath."""
    return VirtualPath.parse(raw, VirtualPath(tuple(re.sub(rb"([*?\[\\])", rb"\\\1", part) for part in start.parts)))


class Expansion:
    """The paths that match a pattern, in `found`: sorted in each directory; where none does, what it says literally.

    `*`, `?` and `[a-z]` are wildcards; what follows a backslash stands for itself. A name that begins with a dot is
    matched only by a pattern that does. Links to directories are followed. A directory that can't be read has no names.
    """

    def __init__(self, files: Filesystem, pattern: VirtualPath) -> None:
        self._files = files
        self._parts = pattern.parts
        self._literally = VirtualPath(tuple(map(_literal, pattern.parts)))
        self._depth = 0
        #: What is to be looked through at this depth, the last first, and what was found there.
        self._directories = [ROOT]
        self._found: list[VirtualPath] = []
        self._listing: Listing | None = None
        self._names: list[bytes] = []
        self._seen = 0
        self.found: list[VirtualPath] = []

    def step(self) -> bool:
        """Do a little; whether there is more to do.

        Raises:
            Failure: more than 100,000 match, or a million names had to be looked at.
        """
        if self._listing is not None:
            self._read(self._listing)
        elif not any(map(_is_wild, self._parts)):
            self.found = [self._literally]
            return False
        elif self._directories:
            self._look_into(self._directories[-1], self._parts[self._depth])
        elif self._depth < len(self._parts) - 1:
            self._depth += 1
            self._directories, self._found = self._found[::-1], []
        else:
            self.found = self._found or [self._literally]
            return False
        return True

    def close(self) -> None:
        """Also half-way."""
        if self._listing is not None:
            self._listing.close()
            self._listing = None

    def _look_into(self, directory: VirtualPath, part: bytes) -> None:
        self._count(1)
        if not _is_wild(part):
            self._directories.pop()
            path = directory / _literal(part)
            is_last = self._depth == len(self._parts) - 1
            self._add([path] if not is_last or self._files.peek(path) is not None else [])
            return
        self._matches = re.compile(fnmatch.translate(_TOKEN.sub(_for_fnmatch, part).decode("latin-1"))).match
        self._takes_dots = part.startswith(b".")
        try:
            self._listing = self._files.scan(directory)
        except ConchgoError:
            self._directories.pop()
            return
        self._entries = iter(self._listing)

    def _read(self, listing: Listing) -> None:
        try:
            names = [entry.name for entry in islice(self._entries, _BATCH)]
        except ConchgoError:
            names = []
        self._count(len(names))
        self._names += [
            name
            for name in names
            if (self._takes_dots or not name.startswith(b".")) and self._matches(name.decode("latin-1"))
        ]
        if len(names) < _BATCH:
            self.close()
            directory = self._directories.pop()
            self._add([directory / name for name in sorted(self._names)])
            self._names = []
        elif len(self._names) > _MOST:
            self._add([])

    def _add(self, paths: list[VirtualPath]) -> None:
        self._found += paths
        if len(self._found) + len(self._names) > _MOST:
            raise Failure(f"more than {_MOST} names match")

    def _count(self, seen: int) -> None:
        self._seen += seen
        if self._seen >= _MOST_SEEN:
            raise Failure(f"more than {_MOST_SEEN} names would have to be looked at: use fewer wildcards")


def _is_wild(part: bytes) -> bool:
    return any(token[2] for token in _TOKEN.finditer(part))


def _literal(part: bytes) -> bytes:
    return _TOKEN.sub(lambda token: token[1] or token[2], part)


def _for_fnmatch(token: re.Match[bytes]) -> bytes:
    """It knows no backslash, and `!` only."""
    escaped = token[1]
    if escaped is None:
        return b"[!" if token[2] == b"[^" else token[2]
    return b"[" + escaped + b"]" if escaped in b"*?[" else escaped
