"""File patterns per directory: which names a user may use there, and which it does not even see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, Protocol

from conchgo.accounts.clean_paths import clean_path
from conchgo.accounts.globs import is_glob, matcher
from conchgo.accounts.model import FilePattern
from conchgo.accounts.naming import shown
from conchgo.errors import InvalidArgument
from conchgo.paths import VirtualPath

#: `deny_policy`: what is denied is refused, or hidden too.
DENY_POLICY: Final = 0
HIDE_POLICY: Final = 1

_CACHE_LIMIT: Final = 1024
#: What lies deeper is found anew each time: a thousand paths of a thousand names would be no small memory.
_CACHED_DEPTH: Final = 32


_Parts = tuple[bytes, ...]


class Verdict(Enum):
    """DENY: the name is seen, but nothing may be done with it. HIDE: nothing of that name seems to be there."""

    ALLOW = "allow"
    DENY = "deny"
    HIDE = "hide"


class NameRule(Protocol):
    """What holds for the names in one directory."""

    @property
    def may_hide(self) -> bool:
        """Whether any name is hidden there."""
        ...

    def verdict(self, name: bytes) -> Verdict: ...


class FilePatterns:
    """The patterns of one user.

    A name is judged by the pattern of the nearest directory above it that has one; those further up say nothing more.
    An allowed match wins over a denied one, and where there are allowed patterns, all other names are denied. What lies
    in a hidden directory is hidden, whatever patterns it has itself; what lies in a directory that is only denied is
    not affected.

    A pattern whose first denied glob is `*` chooses from the names of its own directory: what is allowed there is
    free of it further down.
    """

    def __init__(self, patterns: Mapping[VirtualPath, FilePattern]) -> None:
        self.patterns = patterns
        # By components: to hash a tuple calls no method of ours.
        self._rules = {path.parts: _Rule(pattern) for path, pattern in patterns.items()}
        self._depth = max(map(len, self._rules), default=0)
        self._hides = any(pattern.deny_policy == HIDE_POLICY for pattern in patterns.values())
        self._cache: dict[_Parts, NameRule] = {}

    @classmethod
    def parse(cls, patterns: Iterable[FilePattern]) -> FilePatterns:
        """Patterns as they stand in a user's record.

        Raises:
            InvalidArgument: two are of one directory, one is empty, or something in it is no path, glob or policy.
        """
        parsed: dict[VirtualPath, FilePattern] = {}
        for number, pattern in enumerate(patterns, start=1):
            field = f"filters.file_patterns: number {number}"
            path = clean_path(f"{field}: path", pattern.path)
            if path in parsed:
                raise InvalidArgument(f"{field}: there are other patterns for {path} already; put them together")
            _check(field, pattern)
            parsed[path] = pattern
        return cls(parsed)

    def verdict(self, path: VirtualPath) -> Verdict:
        """What may be done with `path`; the root is nobody's name."""
        if not self._rules or not path.parts:
            return Verdict.ALLOW
        return self._rule(path.parts[:-1]).verdict(path.parts[-1])

    def hides(self, path: VirtualPath) -> bool:
        return self.verdict(path) is Verdict.HIDE

    def alike_below(self, one: VirtualPath, other: VirtualPath) -> bool:
        """Whether every name, whatever it is, is judged below `one` as it is below `other`; both are allowed names."""
        if any(own[: len(path.parts)] == path.parts for own in self._rules for path in (one, other)):
            return False
        return self.in_directory(one) is self.in_directory(other)

    def in_directory(self, directory: VirtualPath) -> NameRule:
        """What holds for the names in `directory`: asked once for a whole listing."""
        return self._rule(directory.parts)

    def _rule(self, directory: _Parts) -> NameRule:
        if not self._hides:
            # No pattern lies deeper, and the names further down decide nothing.
            directory = directory[: self._depth + 1]
        if len(directory) > _CACHED_DEPTH:
            return self._resolve(directory)
        found = self._cache.get(directory)
        if found is None:
            if len(self._cache) >= _CACHE_LIMIT:
                self._cache.clear()
            found = self._cache[directory] = self._resolve(directory)
        return found

    def _resolve(self, directory: _Parts) -> NameRule:
        rule, its_depth = self._rules.get((), _FREE), 0
        for depth, name in enumerate(directory, start=1):
            if rule.verdict(name) is Verdict.HIDE:
                return _HIDDEN
            own = self._rules.get(directory[:depth]) if depth <= self._depth else None
            if own is not None:
                rule, its_depth = own, depth
            elif its_depth == depth - 1 and rule.frees(name):
                rule = _FREE
        return rule


class _Rule:
    __slots__ = ("_allows", "_chooses", "_denies", "_only_allowed", "_refusal", "may_hide")

    def __init__(self, pattern: FilePattern) -> None:
        allowed, denied = pattern.allowed_patterns, pattern.denied_patterns
        self._allows = matcher(allowed)
        self._denies = matcher(denied)
        self._only_allowed = bool(allowed)
        self._chooses = self._only_allowed and denied[:1] == ("*",)
        self._refusal = _REFUSALS[pattern.deny_policy]
        self.may_hide = self._refusal is Verdict.HIDE

    def verdict(self, name: bytes) -> Verdict:
        if self._allows(name):
            return Verdict.ALLOW
        return self._refusal if self._only_allowed or self._denies(name) else Verdict.ALLOW

    def frees(self, name: bytes) -> bool:
        """Whether what lies in the directory `name`, itself in the pattern's own, is free of the pattern."""
        return self._chooses and self._allows(name)


class _Hidden:
    """What holds in a directory that is hidden itself."""

    may_hide = True

    def verdict(self, name: bytes) -> Verdict:
        return Verdict.HIDE


def _check(field: str, pattern: FilePattern) -> None:
    if not pattern.allowed_patterns and not pattern.denied_patterns:
        raise InvalidArgument(f"{field}: there is neither an allowed nor a denied pattern; give one, or remove it")
    if pattern.deny_policy not in _REFUSALS:
        raise InvalidArgument(f"{field}: deny_policy: must be {DENY_POLICY} (refuse) or {HIDE_POLICY} (hide too)")
    for name in ("allowed_patterns", "denied_patterns"):
        for glob in getattr(pattern, name):
            if not is_glob(glob):
                raise InvalidArgument(
                    f'{field}: {name}: "{shown(glob)}" is no pattern of a name; write it as *.jpg, and a backslash '
                    "before *, ?, [, ] or a backslash that stand for themselves"
                )


_REFUSALS: Final[Mapping[int, Verdict]] = {DENY_POLICY: Verdict.DENY, HIDE_POLICY: Verdict.HIDE}
_FREE: Final = _Rule(FilePattern("/"))
_HIDDEN: Final = _Hidden()
