"""Files that are open to be written, and what becomes of them where an upload fails.

The first failure ends an upload: what comes after it would go into a file that lacks something, so it is refused with
the same words, and nobody takes the result for a whole file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from conchgo.errors import AlreadyExists, ConchgoError, Failure, NotBefore, QuotaExceeded
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, FileStat, Storage, StorageFile
from conchgo.vfs.open_uploads import OpenUploads
from conchgo.vfs.upload_rules import UploadMode, UploadRules


class Upload:
    """A `StorageFile` that keeps to the largest size allowed, and whose times, once they are set, hold after its end.

    `path` is what the session calls it now.
    """

    __slots__ = (
        "_ended",
        "_failure",
        "_file",
        "_rules",
        "_times",
        "_touched",
        "_written",
        "immediate",
        "path",
        "pread",
        "preadv",
        "preadv_now",
        "space",
        "stat",
        "stat_now",
    )

    def __init__(self, file: StorageFile, path: VirtualPath, rules: UploadRules) -> None:
        self.path = path
        self._file = file
        self._rules = rules
        self._failure: QuotaExceeded | Failure | None = None
        self._times: Attributes | None = None
        self._written = False
        self._touched = False
        self._ended = False
        self.pread = file.pread
        self.preadv = file.preadv
        self.preadv_now = file.preadv_now
        self.stat = file.stat
        self.stat_now = file.stat_now
        self.space = file.space
        self.immediate = file.immediate

    def pwritev(self, views: Sequence[memoryview], offset: int) -> None:
        self._write(self._file.pwritev, views, offset)

    def pwritev_now(self, views: Sequence[memoryview], offset: int) -> bool:
        return self.immediate and self._write(self._file.pwritev_now, views, offset) is not False

    def _write(
        self, write: Callable[[Sequence[memoryview], int], bool | None], views: Sequence[memoryview], offset: int
    ) -> bool | None:
        end = offset + sum([view.nbytes for view in views])
        try:
            self._begin(offset)
            if self._rules.max_size is not None:
                self._rules.require(end, self._file.stat)
            done = write(views, offset)
        except ConchgoError as error:
            raise self._failed(error) from error
        if done is not False:
            self._wrote(end)
        return done

    def limit_reached(self, error: QuotaExceeded) -> ConchgoError:
        """As `conchgo.vfs.interface.File.limit_reached`."""
        return self._failed(error)

    def append(self, data: memoryview) -> None:
        try:
            self._begin(None)
            if self._rules.max_size is not None:
                self._rules.require(self._file.stat().size + data.nbytes, self._file.stat)
            self._file.append(data)
        except ConchgoError as error:
            raise self._failed(error) from error
        self._appended(data.nbytes)

    def sync(self) -> None:
        self._file.sync()

    def set_attributes(self, changes: Attributes) -> None:
        if changes.size is not None:
            self._rules.require(changes.size, self._file.stat)
        self._file.set_attributes(changes)
        if changes.size is not None:
            self._resized(changes.size)
        self.remember_times(changes)

    def remember_times(self, changes: Attributes) -> None:
        """The client has set them: what it still writes must not change them again."""
        if changes.atime is not None or changes.mtime is not None:
            self._times = Attributes(atime=changes.atime, mtime=changes.mtime)
            self._touched = False

    @property
    def _times_are_lost(self) -> bool:
        return self._times is not None and self._touched

    def _restore_times(self) -> None:
        if self._times is not None and self._touched:
            with suppress(ConchgoError):
                self._file.set_attributes(self._times)

    def _begin(self, offset: int | None) -> None:
        """Before a write at `offset`, or (None) at the end: refuse it where the upload has failed."""
        if self._failure is not None:
            raise _again(self._failure)

    def _failed(self, error: ConchgoError) -> ConchgoError:
        """What the client is told of a write that failed."""
        raise NotImplementedError

    def _wrote(self, end: int) -> None:
        self._written = self._touched = True

    def _appended(self, length: int) -> None:
        self._written = self._touched = True

    def _resized(self, size: int) -> None:
        self._touched = True


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
            raise _again(self._failure)

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
        return _again(self._failure)

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
            raise _again(self._failure)

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
        return _again(self._failure)

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


def _again(error: QuotaExceeded | Failure) -> ConchgoError:
    """A new one with the same words: one that is raised again and again would gather tracebacks."""
    return type(error)(error.text)
