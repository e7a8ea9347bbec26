"""Uploads straight into their files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from conchgo.errors import ConchgoError, NotBefore, QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, Storage, StorageFile
from conchgo.vfs.uploads.open_uploads import OpenUploads
from conchgo.vfs.uploads.rules import UploadRules
from conchgo.vfs.uploads.upload import Upload, again


class DirectUpload(Upload):
    """Written straight into the file.

    Where a limit ends it, what it made is undone when it is closed: a new or emptied file is removed, another one is
    cut back to what it had. What the client had synced stays. So does what was no upload but work in place: in a file
    that is open for reading too, or is written to inside of what it had.
    """

    __slots__ = ("_end", "_fresh", "_in_place", "_kept", "_opened", "_storage")

    def __init__(
        self,
        file: StorageFile,
        path: VirtualPath,
        rules: UploadRules,
        storage: Storage,
        opened: OpenUploads[DirectUpload],
        *,
        fresh: bool,
        in_place: bool,
    ) -> None:
        """`fresh` says that the file is new, or was emptied just now."""
        super().__init__(file, path, rules)
        self._storage = storage
        self._opened = opened
        self._fresh = fresh
        self._in_place = in_place
        self._kept = self._end = 0 if fresh else file.stat().size
        opened.add(self)

    def sync(self) -> None:
        end = self._end
        self._file.sync()
        if self._failure is None:
            self._kept, self._fresh = end, False

    def close(self) -> None:
        if self._ended:
            return
        self._finish(self._file.close)
        if self._failure is not None:
            raise again(self._failure)

    def close_now(self) -> bool:
        if self._failure is not None or self._times_are_lost or not self._file.close_now():
            return False
        self._forget()
        return True

    def abandon(self) -> None:
        try:
            self._finish(self._file.abandon)
        except NotBefore:
            # Nobody would ask again: what was to be undone stays.
            self._file.abandon()
            self._forget()

    def _finish(self, end: Callable[[], None]) -> None:
        if self._ended:
            return
        if self._failure is None:
            self._restore_times()
        else:
            with suppress(ConchgoError):
                self._undo()
        try:
            end()
        except ConchgoError:
            self._forget()
            raise
        self._forget()

    def _forget(self) -> None:
        self._ended = True
        self._opened.discard(self)

    def _begin(self, offset: int | None) -> None:
        super()._begin(offset)
        if offset is not None and offset < self._kept:
            self._in_place = True

    def _wrote(self, end: int) -> None:
        self._touched = True
        if end > self._end:
            self._end = end

    def _appended(self, length: int) -> None:
        self._touched = True
        self._end += length

    def _resized(self, size: int) -> None:
        self._touched = True
        self._end = size
        self._kept = min(self._kept, size)

    def _failed(self, error: ConchgoError) -> ConchgoError:
        if self._failure is not None or self._ended or self._in_place or not isinstance(error, QuotaExceeded):
            return error
        fate = "what was uploaded is removed" if self._fresh else f"the file is cut back to {self._kept} bytes"
        self._failure = QuotaExceeded(f"{error.text}; {fate}")
        return again(self._failure)

    def _undo(self) -> None:
        """First by the descriptor, which is sure to be the file's; its name may be another one's by now."""
        found = self._file.stat()
        if self._fresh:
            self._file.set_attributes(Attributes(size=0))
            if self._storage.lstat(self.path).identity == found.identity:
                self._storage.remove(self.path)
        elif found.size == self._end:
            # Else somebody else wrote behind it: that is not ours to cut off.
            self._file.set_attributes(Attributes(size=self._kept))
