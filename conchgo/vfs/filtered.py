"""File patterns and reserved names: a storage that asks, before it touches anything, what may be done with a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Final

from conchgo.accounts.patterns import FilePatterns, NameRule, Verdict
from conchgo.errors import NotFound, PermissionDenied, Unsupported
from conchgo.paths import VirtualPath
from conchgo.reserved import is_below_reserved, is_reserved
from conchgo.storage.interface import (
    Attributes,
    Create,
    Entry,
    FileStat,
    FreeSpace,
    HardLinks,
    Kind,
    Listing,
    Space,
    Stillness,
    Storage,
    StorageFile,
    SymbolicLinks,
)
from conchgo.storage.links import LinkEncountered

#: To look at all that is in it would not do: more may come while one looks.
_OTHER_PATTERNS: Final = (
    "permission denied: other patterns hold there for what is in the directory; make one there, and move the files"
)


class Names:
    """What holds for each name that a session may speak of: reserved ones are hidden, patterns decide of the rest."""

    __slots__ = ("patterns",)

    def __init__(self, patterns: FilePatterns) -> None:
        self.patterns = patterns

    def verdict(self, path: VirtualPath) -> Verdict:
        return Verdict.HIDE if is_below_reserved(path) else self.patterns.verdict(path)

    def hides(self, path: VirtualPath) -> bool:
        return self.verdict(path) is Verdict.HIDE

    def in_directory(self, directory: VirtualPath) -> NameRule:
        return self.patterns.in_directory(directory)

    def alike_below(self, one: VirtualPath, other: VirtualPath) -> bool:
        """Whether below both directories every name is judged alike, whatever it is."""
        return self.patterns.alike_below(one, other)


UNFILTERED: Final = Names(FilePatterns({}))


class FilteredListing:
    """A `Listing` without what is hidden."""

    def __init__(self, listing: Listing, rule: NameRule) -> None:
        self._listing = listing
        self._rule = rule
        self.close = listing.close

    def __iter__(self) -> Iterator[Entry]:
        verdict, may_hide = self._rule.verdict, self._rule.may_hide
        for entry in self._listing:
            if not (is_reserved(entry.name) or (may_hide and verdict(entry.name) is Verdict.HIDE)):
                yield entry


class _NoDeniedLinks:
    """While a storage works: of a link whose own name is denied, or on the way to a denied one, nobody hears.

    So it is not followed, to no name that would be allowed where it leads either.
    """

    __slots__ = ("_names",)

    def __init__(self, names: Names) -> None:
        self._names = names

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, LinkEncountered):
            asked = VirtualPath((*error.link.parts, *error.rest))
            if not self._names.verdict(error.link) is self._names.verdict(asked) is Verdict.ALLOW:
                raise PermissionDenied from None


class Filtered:
    """A storage behind the names that one user may use.

    Nothing that is hidden is there: it can't be told from what is missing. What is denied is seen, and no more. Neither
    can be made or written to, and both are refused alike there. A directory that is only denied is no obstacle on the
    way to what is allowed in it, but a link of a denied name leads nowhere, and none leads from a denied name on.
    """

    __slots__ = ("_free_space", "_hard_links", "_links", "_names", "_stillness", "_storage", "_without_denied_links")

    def __init__(self, storage: Storage, names: Names) -> None:
        self._storage = storage
        self._names = names
        self._without_denied_links: Final = _NoDeniedLinks(names)
        self._links = storage if isinstance(storage, SymbolicLinks) else None
        self._hard_links = storage if isinstance(storage, HardLinks) else None
        self._free_space = storage if isinstance(storage, FreeSpace) else None
        self._stillness = storage if isinstance(storage, Stillness) else None

    @property
    def at_once(self) -> Filtered | None:
        storage = self._storage.at_once
        return None if storage is None else Filtered(storage, self._names)

    def close(self) -> None:
        self._storage.close()

    def lstat(self, path: VirtualPath) -> FileStat:
        self._see(path)
        with self._without_denied_links:
            return self._storage.lstat(path)

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> StorageFile:
        judge = self._make if write or create is Create.NEW else self._use
        judge(path)
        with self._without_denied_links:
            return self._storage.open(path, read=read, write=write, create=create, truncate=truncate, mode=mode)

    def scan(self, path: VirtualPath) -> FilteredListing:
        self._see(path)
        with self._without_denied_links:
            return FilteredListing(self._storage.scan(path), self._names.in_directory(path))

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        self._make(path)
        with self._without_denied_links:
            self._storage.mkdir(path, mode)

    def rmdir(self, path: VirtualPath) -> None:
        self._use(path)
        with self._without_denied_links:
            self._storage.rmdir(path)

    def remove(self, path: VirtualPath) -> None:
        self._use(path)
        with self._without_denied_links:
            self._storage.remove(path)

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        self._use(old)
        self._make(new)
        with self._without_denied_links:
            if self._names.alike_below(old, new):
                self._storage.rename(old, new, replace=replace)
                return
            # Nobody puts a directory in the place of what is looked at.
            with self.still(old, new):
                if self._storage.lstat(old).kind is Kind.DIRECTORY:
                    raise PermissionDenied(_OTHER_PATTERNS)
                self._storage.rename(old, new, replace=replace)

    def still(self, *paths: VirtualPath) -> AbstractContextManager[object]:
        return nullcontext() if self._stillness is None else self._stillness.still(*paths)

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        self._use(path)
        with self._without_denied_links:
            self._storage.set_attributes(path, changes, link=link)

    def readlink(self, path: VirtualPath) -> bytes:
        self._use(path)
        if self._links is None:
            raise Unsupported
        with self._without_denied_links:
            return self._links.readlink(path)

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        """`target` is judged where it lexically leads; whoever follows the link is judged where it really does."""
        self._make(path)
        self._see(VirtualPath.parse(target, path.parent))
        if self._links is None:
            raise Unsupported
        with self._without_denied_links:
            self._links.symlink(target, path)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        self._use(existing)
        self._make(new)
        if self._hard_links is None:
            raise Unsupported
        with self._without_denied_links:
            self._hard_links.link(existing, new)

    def space(self, path: VirtualPath) -> Space:
        self._see(path)
        if self._free_space is None:
            raise Unsupported
        with self._without_denied_links:
            return self._free_space.space(path)

    def _see(self, path: VirtualPath) -> None:
        if self._names.hides(path):
            raise NotFound

    def _use(self, path: VirtualPath) -> None:
        verdict = self._names.verdict(path)
        if verdict is not Verdict.ALLOW:
            raise NotFound if verdict is Verdict.HIDE else PermissionDenied

    def _make(self, path: VirtualPath) -> None:
        """Also for what is hidden this is a refusal: to say that nothing is there would invite to make it."""
        if self._names.verdict(path) is not Verdict.ALLOW:
            raise PermissionDenied
