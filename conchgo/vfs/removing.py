"""Removing a tree, in steps: each can be done in a thread, waited for and repeated; nothing is open between them."""

from __future__ import annotations

from typing import Final

from conchgo.errors import ConchgoError, DirectoryNotEmpty, NotFound
from conchgo.paths import VirtualPath
from conchgo.vfs.interface import Filesystem, Kind
from conchgo.vfs.listing import names_of

#: Names that are read of a directory before they are removed.
_BATCH: Final = 1000
#: So many that can't be removed in one directory, and the others there are left.
_MOST_FAILED: Final = 1000


class _Directory:
    """One that is being emptied."""

    __slots__ = ("failed", "names", "path")

    def __init__(self, path: VirtualPath) -> None:
        self.path = path
        self.names: list[tuple[bytes, Kind | None]] = []
        self.failed: set[bytes] = set()


class Removal:
    """Removes what is at `path`: a file, a link itself, or a directory with all that is in it.

    A directory is asked first whether it may go: what may not is left as it is, with all that it holds (a mount, or
    what leads to one). What fails is in `failures`, for the caller to take; the others are removed all the same.
    """

    def __init__(self, files: Filesystem, path: VirtualPath) -> None:
        self._within = files
        self._files = files.inside
        self._path = path
        self._stack: list[_Directory] = []
        self._begun = False
        self.removed = 0
        self.failures: list[tuple[VirtualPath, ConchgoError]] = []

    @property
    def done(self) -> str:
        """For people."""
        return f"{self.removed} removed"

    def step(self) -> bool:
        """Do a little; whether there is more to do."""
        if not self._begun:
            if self._path.parts:
                # From here on links are not followed: somebody may put one in the place of a directory.
                self._path = self._within.realpath(self._path.parent) / self._path.name
            self._remove(self._path, self._files.lstat(self._path).kind)
            self._begun = True
        elif self._stack:
            self._go_on(self._stack[-1])
        return bool(self._stack)

    def _go_on(self, directory: _Directory) -> None:
        if not directory.names:
            directory.names = self._batch(directory)
        if not directory.names:
            self._leave(directory)
            return
        name, kind = directory.names[-1]
        path = directory.path / name
        try:
            self._remove(path, kind or self._files.lstat(path).kind)
        except NotFound:
            pass  # somebody else was faster
        except ConchgoError as error:
            directory.failed.add(name)
            self.failures.append((path, error))
        directory.names.pop()

    def _batch(self, directory: _Directory) -> list[tuple[bytes, Kind | None]]:
        if len(directory.failed) >= _MOST_FAILED:
            return []
        try:
            return names_of(self._files, directory.path, _BATCH, leave_out=directory.failed)
        except ConchgoError as error:
            self.failures.append((directory.path, error))
            return []

    def _remove(self, path: VirtualPath, kind: Kind) -> None:
        """Remove it, or have it emptied first."""
        if kind is not Kind.DIRECTORY:
            self._files.remove(path)
            self.removed += 1
            return
        try:
            self._files.rmdir(path)
            self.removed += 1
        except DirectoryNotEmpty:
            self._stack.append(_Directory(path))

    def _leave(self, directory: _Directory) -> None:
        self._stack.pop()
        try:
            self._files.rmdir(directory.path)
            self.removed += 1
        except NotFound:
            pass
        except ConchgoError as error:
            if not directory.failed:
                self.failures.append((directory.path, error))
            if self._stack:
                self._stack[-1].failed.add(directory.path.name)
