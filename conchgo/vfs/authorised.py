"""Permissions: a storage that asks them before anything is touched, on the path that is really meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NoReturn

from conchgo.accounts.permissions import Permissions
from conchgo.errors import AlreadyExists, ConchgoError, PermissionDenied, QuotaExceeded, Unsupported
from conchgo.paths import VirtualPath
from conchgo.storage.interface import (
    Attributes,
    Create,
    FileStat,
    FreeSpace,
    HardLinks,
    Kind,
    Listing,
    RangeCopies,
    Space,
    Stillness,
    Storage,
    StorageFile,
    SymbolicLinks,
)
from conchgo.vfs.range_copies import able
from conchgo.vfs.setstat import SetstatMode
from conchgo.vfs.uploads.upload import Upload

#: The verbs that decide what may be known of a file and done with it: a hard link must not add one of them.
_GUARDED: Final = frozenset({"list", "download", "overwrite", "chmod", "chown", "chtimes", "copy"})

#: For directories, and for all else: the verb to rename it, and those to replace something by it.
_RENAME: Final = {True: "rename_dirs", False: "rename_files"}
_REPLACE: Final = {True: {"overwrite", "delete_dirs"}, False: {"overwrite"}}


def verbs_to_change(changes: Attributes) -> set[str]:
    """The verbs that the changes need."""
    asked = {
        "overwrite": changes.size is not None,
        "chown": changes.uid is not None or changes.gid is not None,
        "chmod": changes.mode is not None,
        "chtimes": changes.atime is not None or changes.mtime is not None,
    }
    return {verb for verb, wanted in asked.items() if wanted}


class AuthorisedFile:
    """An open file with just the accesses that were granted when it was opened."""

    portion: int | None = None

    def __init__(
        self,
        file: StorageFile,
        granted: frozenset[str],
        setstat: SetstatMode,
        *,
        read: bool,
        write: bool,
        listed: bool,
    ) -> None:
        self._file = file
        self._setstat = setstat
        self._listed = listed
        self._granted = granted
        self.pread: Callable[[int, int], bytes] = _not_open_for_reading
        self.preadv_now: Callable[[Sequence[memoryview], int], int | None] = _not_open_for_reading
        self.preadv: Callable[[Sequence[memoryview], int], int] = _not_open_for_reading
        self.pwritev: Callable[[Sequence[memoryview], int], None] = _not_open_for_writing
        self.pwritev_now: Callable[[Sequence[memoryview], int], bool] = _not_open_for_writing
        self.append: Callable[..., None] = _not_open_for_writing
        if read:
            self.pread = file.pread
            self.preadv_now = file.preadv_now
            self.preadv = file.preadv
        if write:
            self.pwritev = file.pwritev
            self.pwritev_now = file.pwritev_now
            self.append = file.append
        self.sync = file.sync
        self.close = file.close
        self.abandon = file.abandon
        # Whoever may open a file may see how it grows: clients compare sizes after an upload.
        self.stat = file.stat
        self.stat_now = file.stat_now
        self.close_now = file.close_now
        self.immediate = file.immediate
        self._readable = read
        self._writable = write

    @property
    def inside(self) -> AuthorisedFile:
        return self

    def copy_to(self, target: RangeCopies, offset: int, length: int, to: int) -> int:
        if not self._readable:
            raise Unsupported
        return able(self._file).copy_to(target, offset, length, to)

    def copy_from(self, source: RangeCopies, offset: int, length: int, to: int) -> int:
        if not self._writable:
            raise Unsupported
        return able(self._file).copy_from(source, offset, length, to)

    def limit_reached(self, error: QuotaExceeded) -> ConchgoError:
        return self._file.limit_reached(error) if isinstance(self._file, Upload) else error

    def set_attributes(self, changes: Attributes) -> None:
        needed = verbs_to_change(changes)
        if changes.size is not None:
            if not self._writable:
                _not_open_for_writing()
            # The right to write was asked when the file was opened.
            needed.remove("overwrite")
        if not needed <= self._granted:
            raise PermissionDenied
        self._setstat.apply(changes, self._file.set_attributes)

    def space(self) -> Space:
        if not self._listed:
            raise PermissionDenied
        return self._file.space()


def _not_open_for_reading(*_: object) -> NoReturn:
    raise PermissionDenied("permission denied: the handle is not open for reading")


def _not_open_for_writing(*_: object, **__: object) -> NoReturn:
    raise PermissionDenied("permission denied: the handle is not open for writing")


class Authorised:
    """A storage behind the permissions of one user. It follows no links: `Links` asks again for where they lead."""

    __slots__ = ("_free_space", "_hard_links", "_links", "_permissions", "_setstat", "_stillness", "_storage")

    def __init__(self, storage: Storage, permissions: Permissions, setstat: SetstatMode = SetstatMode.APPLY) -> None:
        self._storage = storage
        self._permissions = permissions
        self._setstat = setstat
        self._links = storage if isinstance(storage, SymbolicLinks) else None
        self._hard_links = storage if isinstance(storage, HardLinks) else None
        self._free_space = storage if isinstance(storage, FreeSpace) else None
        self._stillness = storage if isinstance(storage, Stillness) else None

    @property
    def at_once(self) -> Authorised | None:
        storage = self._storage.at_once
        return None if storage is None else Authorised(storage, self._permissions, self._setstat)

    def close(self) -> None:
        self._storage.close()

    def lstat(self, path: VirtualPath) -> FileStat:
        self.require("list", path.parent)
        return self._storage.lstat(path)

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> AuthorisedFile:
        granted = self._permissions.verbs(path.parent)
        may_read = read and "download" in granted
        if create is Create.NEW:
            self.require("upload", path.parent)
        elif write:
            self.require("overwrite", path.parent)
        if not (write or may_read):
            raise PermissionDenied
        if "chmod" not in granted:
            mode = 0o666
        file = self._storage.open(path, read=may_read, write=write, create=create, truncate=truncate, mode=mode)
        return AuthorisedFile(
            file,
            self._permissions.verbs(path),
            self._setstat,
            read=may_read,
            write=write,
            listed="list" in granted,
        )

    def scan(self, path: VirtualPath) -> Listing:
        self.require("list", path)
        return self._storage.scan(path)

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        self.require("create_dirs", path.parent)
        granted = self._permissions.verbs(path.parent)
        self._storage.mkdir(path, mode if "chmod" in granted else 0o777)

    def rmdir(self, path: VirtualPath) -> None:
        self._refuse_root(path)
        self.require("delete_dirs", path.parent)
        self._storage.rmdir(path)

    def remove(self, path: VirtualPath) -> None:
        self._refuse_root(path)
        self.require("delete_files", path.parent)
        self._storage.remove(path)

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        self._refuse_root(old, new)
        if not any(self._both_allow(verb, old.parent, new.parent) for verb in _RENAME.values()):
            raise PermissionDenied
        if self._stillness is None or self._all_may_move_alike(old, new):
            self._rename(old, new, replace=replace)
            return
        # What is judged is what moves, whatever others would put there, or into it, meanwhile.
        with self._stillness.still(old, new):
            self._rename(old, new, replace=replace)

    def _rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        directory = self._storage.lstat(old).kind is Kind.DIRECTORY
        if not self._both_allow(_RENAME[directory], old.parent, new.parent):
            raise PermissionDenied
        if directory:
            self._require_rename_below(old, new)
        may_replace = _REPLACE[directory] <= self._permissions.verbs(new.parent)
        try:
            # Who may not replace is given a rename that can't: a target that appears meanwhile is safe.
            self._storage.rename(old, new, replace=replace and may_replace)
        except AlreadyExists:
            if replace and not may_replace:
                raise PermissionDenied from None
            raise

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        # Who asks for nothing still learns whether something is there.
        needed = verbs_to_change(changes) or {"list"}
        of_file, of_directory = self._permissions.verbs(path), self._permissions.verbs(path.parent)
        if not (needed <= of_file or needed <= of_directory):
            raise PermissionDenied
        # A key may name a file; a directory is part of the one that contains it.
        directory = self._storage.lstat(path).kind is Kind.DIRECTORY
        if not needed <= (of_directory if directory else of_file):
            raise PermissionDenied
        self._setstat.apply(changes, lambda allowed: self._storage.set_attributes(path, allowed, link=link))

    def readlink(self, path: VirtualPath) -> bytes:
        self.require("list", path.parent)
        return self._symbolic().readlink(path)

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        """`target` is checked where it lexically leads: both directories must allow links."""
        meant = VirtualPath.parse(target, path.parent)
        self._refuse_root(path)
        self.require("create_symlinks", path.parent)
        self.require("create_symlinks", meant.parent)
        self._symbolic().symlink(target, path)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        self._refuse_root(existing, new)
        for verb, directory in (
            ("create_symlinks", existing.parent),
            ("create_symlinks", new.parent),
            ("upload", new.parent),
        ):
            self.require(verb, directory)
        # Some operations ask for the file's own path, others for its directory.
        gained = (self._permissions.verbs(new) | self._permissions.verbs(new.parent)) - (
            self._permissions.verbs(existing) & self._permissions.verbs(existing.parent)
        )
        if gained & _GUARDED:
            raise PermissionDenied("permission denied: the link would grant more than the file's own directory does")
        if self._hard_links is None:
            raise Unsupported
        self._hard_links.link(existing, new)

    def space(self, path: VirtualPath) -> Space:
        self.require("list", path.parent)
        if self._free_space is None:
            raise Unsupported
        return self._free_space.space(path)

    def require(self, verb: str, path: VirtualPath) -> None:
        """Raises PermissionDenied."""
        if verb not in self._permissions.verbs(path):
            raise PermissionDenied

    def _both_allow(self, verb: str, one: VirtualPath, other: VirtualPath) -> bool:
        return self._permissions.allows(verb, one) and self._permissions.allows(verb, other)

    def _require_rename_below(self, old: VirtualPath, new: VirtualPath) -> None:
        """A directory takes its content along: where rules differ below it, each entry must be allowed to move."""
        pending = [(old, new)]
        while pending:
            source, target = pending.pop()
            if self._everything_may_move(source, target):
                continue
            for name, kind in self._entries(source):
                directory = kind is Kind.DIRECTORY
                if not self._both_allow(_RENAME[directory], source, target):
                    raise PermissionDenied
                if directory:
                    pending.append((source / name, target / name))

    def _all_may_move_alike(self, old: VirtualPath, new: VirtualPath) -> bool:
        """Whether a directory may be moved just as a file may, with whatever is in it."""
        there = self._permissions.verbs(new.parent)
        return (
            all(self._both_allow(verb, old.parent, new.parent) for verb in _RENAME.values())
            and (_REPLACE[True] <= there) == (_REPLACE[False] <= there)
            and self._everything_may_move(old, new)
        )

    def _everything_may_move(self, source: VirtualPath, target: VirtualPath) -> bool:
        """Whether that is so whatever lies below: no rule makes a difference there, and nobody has to look."""
        differs = self._permissions.has_rules_below(source) or self._permissions.has_rules_below(target)
        return not differs and all(self._both_allow(verb, source, target) for verb in _RENAME.values())

    def _entries(self, directory: VirtualPath) -> Iterator[tuple[bytes, Kind]]:
        listing = self._storage.scan(directory)
        try:
            for entry in listing:
                yield entry.name, (entry.stat or self._storage.lstat(directory / entry.name)).kind
        finally:
            listing.close()

    def _refuse_root(self, *paths: VirtualPath) -> None:
        if any(path.is_root for path in paths):
            raise PermissionDenied

    def _symbolic(self) -> SymbolicLinks:
        if self._links is None:
            raise Unsupported
        return self._links
