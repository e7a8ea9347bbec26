"""Uploads that are there when they are whole."""

from __future__ import annotations

from contextlib import suppress

from conchgo.errors import AlreadyExists, ConchgoError, Failure, NotBefore, QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, FileStat, Storage, StorageFile
from conchgo.vfs.uploads.open_uploads import OpenUploads
from conchgo.vfs.uploads.rules import UploadMode, UploadRules
from conchgo.vfs.uploads.upload import Upload, again


class AtomicUpload(Upload):
    """Written to a temporary in the same directory, which is renamed to `path` when it is closed.

    Where the upload fails, or is abandoned, the temporary is removed and what was at `path` stays as it is. With
    UploadMode.RESUME that is so only where a limit ended the upload, nothing was written, or somebody else changed the
    file meanwhile: perhaps the client, which came back long before its first connection was known to be lost.

    `replaced` is the file that was at `path`, `replace` says whether what is there by then may be replaced.
    """

    __slots__ = ("_name", "_opened", "_replaced", "_storage", "removed", "replace")

    def __init__(
        self,
        file: StorageFile,
        path: VirtualPath,
        rules: UploadRules,
        storage: Storage,
        opened: OpenUploads[AtomicUpload],
        *,
        name: bytes,
        replaced: FileStat | None,
    ) -> None:
        super().__init__(file, path, rules)
        self.replace = replaced is not None
        self._replaced = replaced
        self.removed = False
        self._name = name
        self._storage = storage
        self._opened = opened
        opened.add(self)

    @property
    def temporary(self) -> VirtualPath:
        """It goes where `path` goes: both are in one directory."""
        return self.path.parent / self._name

    def close(self) -> None:
        if self._ended:
            return
        if self._failure is None or self._keeps_part():
            self._take_place()
        else:
            self._discard()
        if self._failure is not None:
            raise again(self._failure)

    def close_now(self) -> bool:
        return self._ended

    def abandon(self) -> None:
        if self._ended:
            return
        if self._keeps_part():
            with suppress(ConchgoError, NotBefore):
                self._take_place()
        # Unless it has ended by now.
        self._discard()

    def _failed(self, error: ConchgoError) -> ConchgoError:
        if self._failure is not None or self._ended:
            return error
        kind = QuotaExceeded if isinstance(error, QuotaExceeded) else Failure
        kept = kind is Failure and self._rules.mode is UploadMode.RESUME
        fate = "what came before is kept, to be resumed" if kept else "nothing of the upload is kept"
        self._failure = kind(f"{error.text}; {fate}")
        return again(self._failure)

    def _keeps_part(self) -> bool:
        """Whether what there is of a failed upload takes its place."""
        resumable = self._rules.mode is UploadMode.RESUME and not isinstance(self._failure, QuotaExceeded)
        return resumable and self._written and self._is_replaced_unchanged()

    def _is_replaced_unchanged(self) -> bool:
        if self._replaced is None:
            return True
        try:
            found = self._storage.lstat(self.path)
        except ConchgoError:
            return False
        known = self._replaced
        return (found.identity, found.size, found.mtime) == (known.identity, known.size, known.mtime)

    def _take_place(self) -> None:
        self._restore_times()
        try:
            # First, for a network file system may tell only now that it has lost something.
            self._file.close()
            with self._opened.moving:
                if not self.removed:
                    self._storage.rename(self.temporary, self.path, replace=self.replace)
                    self._forget()
        except AlreadyExists:
            self._discard()
            raise AlreadyExists(
                "file exists: somebody made it while this upload ran; nothing of the upload is kept"
            ) from None
        except ConchgoError as error:
            self._discard()
            raise Failure(f"the upload can't take its place: {error.text}; nothing of it is kept") from error
        self._discard()

    def _discard(self) -> None:
        """What can't be removed now is emptied, and swept away later."""
        if self._ended:
            return
        with self._opened.moving, suppress(ConchgoError, NotBefore):
            try:
                self._storage.remove(self.temporary)
            except (ConchgoError, NotBefore):
                self._file.set_attributes(Attributes(size=0))
        with suppress(ConchgoError):
            self._file.close()
        self._forget()

    def _forget(self) -> None:
        self._ended = True
        self._rules.temporaries.release(self._name)
        self._opened.discard(self)
