"""Permissions per directory: which verbs a user has where, resolved the same way every time."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Final

from conchgo.accounts.clean_paths import clean_path
from conchgo.accounts.naming import shown
from conchgo.errors import InvalidArgument
from conchgo.paths import ROOT, VirtualPath

ANY: Final = "*"

#: A verb on the left grants those on the right too.
INCLUDES: Final[Mapping[str, frozenset[str]]] = {
    "delete": frozenset({"delete_files", "delete_dirs"}),
    "rename": frozenset({"rename_files", "rename_dirs"}),
}

VERBS: Final = frozenset(
    {
        "list",
        "download",
        "upload",
        "overwrite",
        "create_dirs",
        "create_symlinks",
        "chmod",
        "chown",
        "chtimes",
        "copy",
        *INCLUDES,
        *INCLUDES["delete"],
        *INCLUDES["rename"],
    }
)

_WILDCARDS: Final = frozenset(b"*?[")
_CACHE_LIMIT: Final = 1024


class Permissions:
    """A map of directories to verbs.

    The verbs of a path are those of the deepest key that matches it or one of its ancestors; a deeper key replaces
    what lies above it, nothing is inherited. A key is a path or a glob, whose wildcards match within one component.
    Where several keys match the same ancestor, the exact one wins, then the longest, then the first in byte order.

    A file is looked up by its directory, so callers pass the directory (or, for what asks about the file itself, the
    file's own path, which a key may name).
    """

    def __init__(self, rules: Mapping[VirtualPath, Iterable[str]]) -> None:
        self.rules: Mapping[VirtualPath, frozenset[str]] = {key: _expanded(verbs) for key, verbs in rules.items()}
        globs = [key for key in self.rules if is_pattern(bytes(key))]
        self._globs = sorted(globs, key=lambda key: (-len(bytes(key)), bytes(key)))
        self._depth = max((len(key.parts) for key in self.rules), default=0)
        self._cache: dict[VirtualPath, frozenset[str]] = {}
        self._everywhere = self.rules.get(ROOT) if len(self.rules) == 1 else None

    @classmethod
    def parse(cls, rules: Mapping[str, Iterable[str]]) -> Permissions:
        """Rules as they stand in a user's record.

        Raises:
            InvalidArgument: a key is not absolute and clean, `/` is missing or empty, or a verb is unknown.
        """
        parsed: dict[VirtualPath, list[str]] = {}
        for key, verbs in rules.items():
            parsed[clean_path("permissions", key)] = _parsed_verbs(key, verbs)
        if not parsed.get(ROOT):
            raise InvalidArgument('permissions: "/" must have at least one verb, or nobody could do anything')
        return cls(parsed)

    def verbs(self, path: VirtualPath) -> frozenset[str]:
        """Everything granted at `path`."""
        if self._everywhere is not None:
            return self._everywhere
        # No rule lies deeper: a path of thousands of names is looked up as quickly as any.
        path = VirtualPath(path.parts[: self._depth])
        found = self._cache.get(path)
        if found is None:
            if len(self._cache) >= _CACHE_LIMIT:
                self._cache.clear()
            found = self._cache[path] = self._resolve(path)
        return found

    def allows(self, verb: str, path: VirtualPath) -> bool:
        return verb in self.verbs(path)

    def has_rules_below(self, path: VirtualPath) -> bool:
        """Whether something strictly below `path` may have other verbs than `path` itself has."""
        return any(len(key.parts) > len(path.parts) and all(map(matches, path.parts, key.parts)) for key in self.rules)

    def _resolve(self, path: VirtualPath) -> frozenset[str]:
        for ancestor in path.ancestors():
            exact = self.rules.get(ancestor)
            if exact is not None:
                return exact
            for glob in self._globs:
                if len(glob.parts) == len(ancestor.parts) and all(map(matches, ancestor.parts, glob.parts)):
                    return self.rules[glob]
        return frozenset()


def is_pattern(part: bytes) -> bool:
    """Whether a component of a key may mean several names."""
    return not _WILDCARDS.isdisjoint(part)


def matches(name: bytes, pattern: bytes) -> bool:
    """Whether a component of a path is what that of a key means."""
    if name == pattern:
        return True
    return fnmatch.fnmatchcase(name.decode("latin-1"), pattern.decode("latin-1").replace("[^", "[!"))


def _expanded(verbs: Iterable[str]) -> frozenset[str]:
    given = frozenset(verbs)
    if ANY in given:
        return VERBS
    return given.union(*(included for verb, included in INCLUDES.items() if verb in given))


def _parsed_verbs(key: str, verbs: Iterable[str]) -> list[str]:
    given = list(verbs)
    unknown = sorted(set(given) - VERBS - {ANY})
    if unknown:
        raise InvalidArgument(
            f'permissions: {shown(key)}: unknown verb "{shown(unknown[0])}"; known are *, {", ".join(sorted(VERBS))}'
        )
    return given
