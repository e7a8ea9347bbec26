"""Uploads: a storage where what is written becomes a whole file or none, as the mode wants it, and none too large.

In the atomic modes a file that is new or emptied is written to a temporary beside it. To the session that uploads it,
the path means that temporary: its attributes, opening it again, renaming and removing it. Everybody else sees what is
at the path until the upload takes its place. A file that is opened as it is, to be resumed or changed, is written to
directly in every mode.
"""

from __future__ import annotations

import stat
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final

from conchgo.errors import (
    AlreadyExists,
    BadHandle,
    ConchgoError,
    DirectoryNotEmpty,
    IsADirectory,
    NotBefore,
    NotFound,
    Unsupported,
    WouldBlock,
)
from conchgo.paths import VirtualPath
from conchgo.storage.interface import (
    Attributes,
    Create,
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
from conchgo.vfs.uploads.atomic import AtomicUpload
from conchgo.vfs.uploads.direct import DirectUpload
from conchgo.vfs.uploads.open_uploads import OpenUploads
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from conchgo.vfs.uploads.temporaries import SweptListing, is_replacing, sweep

_PERMISSIONS: Final = 0o777
#: For a temporary until it has the owner and mode of the file that it will replace.
_PRIVATE: Final = 0o600


class Uploads:
    """A storage whose uploads keep to `rules`. It follows no links.

    `whole` is for the face that answers at once: that which it is the face of.
    """

    __slots__ = (
        "_atomic",
        "_awaited",
        "_direct",
        "_free_space",
        "_hard_links",
        "_links",
        "_rules",
        "_stillness",
        "_storage",
        "_waits",
        "_whole",
    )

    def __init__(self, storage: Storage, rules: UploadRules, whole: Uploads | None = None) -> None:
        self._storage = storage
        self._rules = rules
        self._waits = whole is None
        self._whole = storage if whole is None else whole._storage
        self._direct: OpenUploads[DirectUpload] = OpenUploads() if whole is None else whole._direct
        self._atomic: OpenUploads[AtomicUpload] = OpenUploads() if whole is None else whole._atomic
        # Path to temporary: who waits for room in a quota is known by the name that he asks it for.
        self._awaited: dict[VirtualPath, bytes] | None = None
        self._links = storage if isinstance(storage, SymbolicLinks) else None
        self._hard_links = storage if isinstance(storage, HardLinks) else None
        self._free_space = storage if isinstance(storage, FreeSpace) else None
        self._stillness = storage if isinstance(storage, Stillness) else None

    @property
    def at_once(self) -> Uploads | None:
        storage = self._storage.at_once
        return None if storage is None else Uploads(storage, self._rules, self)

    def close(self) -> None:
        self._storage.close()

    def lstat(self, path: VirtualPath) -> FileStat:
        pending = self._pending(path)
        if pending is not None:
            with suppress(BadHandle):  # it took its place just now
                return self._known(pending)
        return self._storage.lstat(path)

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> StorageFile:
        pending = self._pending(path)
        if write and self._rules.mode is not UploadMode.DIRECT and (truncate or create is Create.NEW):
            self._may_wait()
            return self._open_atomic(path, pending, read=read, new=create is Create.NEW, mode=mode)
        if pending is not None:
            with suppress(NotFound):  # it took its place just now
                return self._open(pending.temporary, path, read, write, create, truncate, mode)
        return self._open(path, path, read, write, create, truncate, mode)

    def _open(
        self,
        there: VirtualPath,
        path: VirtualPath,
        read: bool,
        write: bool,
        create: Create,
        truncate: bool,
        mode: int,
    ) -> StorageFile:
        """Open what is there, as what it is called."""
        file = self._storage.open(there, read=read, write=write, create=create, truncate=truncate, mode=mode)
        if not write:
            return file
        fresh = truncate or create is Create.NEW
        try:
            return DirectUpload(file, path, self._rules, self._whole, self._direct, fresh=fresh, in_place=read)
        except BaseException:
            file.close()
            raise

    def _open_atomic(
        self, path: VirtualPath, pending: AtomicUpload | None, *, read: bool, new: bool, mode: int
    ) -> AtomicUpload:
        replaced = None
        if new:
            self._refuse_existing(path, pending)
        else:
            replaced = self._replaceable(path, pending)
        again = self._awaited.pop(path, None) if self._awaited else None
        if again is not None and is_replacing(again) is new:
            again = None  # what was there has gone, or come, since he asked first
        name = self._rules.temporaries.take(again, replaces=not new)
        try:
            file = self._storage.open(
                path.parent / name, read=read, write=True, create=Create.NEW, mode=mode if new else _PRIVATE
            )
        except BaseException as error:
            self._rules.temporaries.release(name)
            if isinstance(error, NotBefore):
                self._awaited = {**(self._awaited or {}), path: name}
            raise
        upload = AtomicUpload(file, path, self._rules, self._storage, self._atomic, name=name, replaced=replaced)
        try:
            if replaced is not None:
                _take_over(file, replaced)
        except BaseException:
            upload.abandon()
            raise
        return upload

    def _refuse_existing(self, path: VirtualPath, pending: AtomicUpload | None) -> None:
        if pending is not None:
            raise AlreadyExists
        with suppress(NotFound):
            self._storage.lstat(path)
            raise AlreadyExists

    def _replaceable(self, path: VirtualPath, pending: AtomicUpload | None) -> FileStat:
        """Of the file that is at the path, which is one that may be written to: the open says so, as in direct mode."""
        there = path if pending is None else pending.temporary
        file = self._storage.open(there, read=False, write=True, create=Create.NEVER)
        try:
            return file.stat()
        finally:
            file.close()

    def scan(self, path: VirtualPath) -> Listing:
        listing = self._storage.scan(path)
        return SweptListing(listing, self._storage, path, self._rules.temporaries) if self._waits else listing

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        self._storage.mkdir(path, mode)

    def rmdir(self, path: VirtualPath) -> None:
        """What an upload left that ended with its process is no content of a directory."""
        try:
            self._storage.rmdir(path)
        except DirectoryNotEmpty:
            if not sweep(self._storage, path, self._rules.temporaries):
                raise
            self._storage.rmdir(path)

    def remove(self, path: VirtualPath) -> None:
        pending = self._atomic.at(path)
        if not pending:
            self._storage.remove(path)
            return
        self._may_wait()
        with self._atomic.moving:
            with suppress(NotFound):
                self._storage.remove(path)
            for upload in pending:
                upload.removed = True
                self._atomic.discard(upload)

    def still(self, *paths: VirtualPath) -> AbstractContextManager[object]:
        return nullcontext() if self._stillness is None else self._stillness.still(*paths)

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        if not (self._atomic or self._direct):
            self._storage.rename(old, new, replace=replace)
            return
        self._may_wait()
        with self._atomic.moving:
            pending = self._atomic.at(old)
            if pending:
                self._rename_pending(pending, old, new, replace=replace)
            else:
                self._storage.rename(old, new, replace=replace)
            self._direct.follow(old, new)
            self._atomic.follow(old, new)

    def _rename_pending(
        self, pending: tuple[AtomicUpload, ...], old: VirtualPath, new: VirtualPath, *, replace: bool
    ) -> None:
        """Uploads go to another name, with the file that they will replace if there is one.

        What fails or must wait in between is known by where it is then, and whoever asks again goes on.
        """
        if new != old:
            self._refuse_target(new, replace=replace)
        for upload in pending:
            if new.parent != old.parent:
                self._storage.rename(upload.temporary, new.parent / upload.temporary.name, replace=False)
            upload.replace = upload.replace or replace
            self._atomic.move(upload, new)
        with suppress(NotFound):
            self._storage.rename(old, new, replace=replace)

    def _refuse_target(self, path: VirtualPath, *, replace: bool) -> None:
        with suppress(NotFound):
            found = self._storage.lstat(path)
            if not replace:
                raise AlreadyExists
            if found.kind is Kind.DIRECTORY:
                raise IsADirectory

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        pending = self._pending(path)
        if pending is not None:
            self._may_wait()
            with suppress(BadHandle):  # it took its place just now
                pending.set_attributes(changes)
                return
        if changes.size is not None:
            self._rules.require(changes.size, lambda: self._storage.lstat(path))
        self._storage.set_attributes(path, changes, link=link)
        for upload in self._direct.at(path):
            upload.remember_times(changes)

    def readlink(self, path: VirtualPath) -> bytes:
        return self._symbolic().readlink(path)

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        self._symbolic().symlink(target, path)

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        if self._hard_links is None:
            raise Unsupported
        self._hard_links.link(existing, new)

    def space(self, path: VirtualPath) -> Space:
        if self._free_space is None:
            raise Unsupported
        return self._free_space.space(path)

    def _pending(self, path: VirtualPath) -> AtomicUpload | None:
        """The latest upload of this session that is to take its place at the path."""
        uploads = self._atomic.at(path) if self._atomic else ()
        return uploads[-1] if uploads else None

    def _known(self, pending: AtomicUpload) -> FileStat:
        if self._waits:
            return pending.stat()
        found = pending.stat_now()
        if found is None:
            raise WouldBlock
        return found

    def _may_wait(self) -> None:
        if not self._waits:
            raise WouldBlock

    def _symbolic(self) -> SymbolicLinks:
        if self._links is None:
            raise Unsupported
        return self._links


def _take_over(file: StorageFile, replaced: FileStat) -> None:
    """Give a temporary the owner and mode of the file that it will replace, as far as the server can.

    Where the group can't be kept, the new one gets no more than everybody has.
    """
    made = file.stat()
    if made.uid != replaced.uid:
        with suppress(ConchgoError):
            file.set_attributes(Attributes(uid=replaced.uid))
    if made.gid != replaced.gid:
        with suppress(ConchgoError):
            file.set_attributes(Attributes(gid=replaced.gid))
    mode = replaced.mode & _PERMISSIONS
    if file.stat().gid != replaced.gid:
        mode = mode & ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
    file.set_attributes(Attributes(mode=mode))
