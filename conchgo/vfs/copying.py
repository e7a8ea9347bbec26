"""Copying a file or a tree, in steps: each can be done in a thread, waited for and repeated."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from conchgo.errors import (
    AlreadyExists,
    ConchgoError,
    Failure,
    InvalidArgument,
    IsADirectory,
    NoSpace,
    NotADirectory,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    Unsupported,
)
from conchgo.paths import VirtualPath
from conchgo.vfs.discarding import discard
from conchgo.vfs.interface import File, FileStat, Filesystem, Kind, Listing, OpenOptions
from conchgo.vfs.range_copies import copy_part

#: Bytes of one step.
_CHUNK: Final = 4 * 1024 * 1024
#: Directories that wait for their turn: a bound for what one copy may make the server remember.
_MOST_PENDING: Final = 100_000
_READ: Final = OpenOptions(read=True)


class TreeCopy:
    """Copies what is at `source` to `target`; directories that are there already are merged into.

    Files get the mode of the source, and nothing else of it. Links and what is no regular file are passed over, in
    `skipped`. What fails is in `failures`, for the caller to take, and the others are copied all the same; but where
    there is no more room it ends with that. At most one listing and two files are open at a time; `close` gives them
    back, whenever the copy ends. Directories that lead to `target` are made, once it is clear that it can begin.
    """

    def __init__(self, files: Filesystem, source: VirtualPath, target: VirtualPath) -> None:
        self._within = files
        #: Where no link is followed: one may lead into the source, and then the copy has no end.
        self.files = files.inside
        self.copied = 0
        self.bytes_copied = 0
        self.skipped = 0
        self.failures: list[tuple[VirtualPath, ConchgoError]] = []
        self._source = source
        self._target = target
        self._begun = False
        #: The directory that is copied to. Over a folder it may lie in the source, and a copy in itself has no end.
        self._into: tuple[int, int] | None = None
        #: The last is at work: a directory, or a file of it.
        self._tasks: list[_Directory | _File] = []
        self._pending: list[tuple[VirtualPath, VirtualPath]] = []

    @property
    def done(self) -> str:
        """For people."""
        skipped = f", {self.skipped} links and special files passed over" if self.skipped else ""
        return f"{self.copied} files with {self.bytes_copied} bytes copied{skipped}"

    def step(self) -> bool:
        """Do a little; whether there is more to do.

        Raises:
            ConchgoError: it can't begin, or can't go on.
        """
        if not self._begun:
            self._begin()
            self._begun = True
        elif not self._tasks:
            self._tasks.append(_Directory(self, *self._pending.pop()))
        else:
            self._work(self._tasks[-1])
        return bool(self._tasks or self._pending)

    def made(self, target: VirtualPath) -> None:
        """A directory to copy to is there; the first one holds all others."""
        if self._into is None:
            there = self.files.peek(target)
            self._into = None if there is None else there.identity

    def add(self, source: VirtualPath, target: VirtualPath, stat: FileStat) -> None:
        """One more thing to copy."""
        if stat.kind is Kind.FILE:
            self._tasks.append(_File(self, source, target, stat.mode))
        elif stat.kind is not Kind.DIRECTORY:
            self.skipped += 1
        elif stat.identity == self._into:
            self.failures.append((source, InvalidArgument("it is where the copy goes")))
        elif len(self._pending) < _MOST_PENDING:
            self._pending.append((source, target))
        else:
            self.failures.append((source, Failure(f"more than {_MOST_PENDING} directories wait: copy it alone")))

    def close(self) -> None:
        """A file that is not whole is removed."""
        for task in reversed(self._tasks):
            task.give_up()
        self._tasks.clear()

    def _begin(self) -> None:
        source = self._source
        if source.parts:
            source = self._within.realpath(source.parent) / source.name
        target = self._within.realpath(self._target)
        if source.is_within(target) or target.is_within(source):
            raise InvalidArgument("one of the two is within the other")
        stat = self.files.lstat(source)
        if stat.kind not in (Kind.FILE, Kind.DIRECTORY):
            raise Unsupported("only files and directories are copied")
        self._make_way()
        self.add(source, target, stat)

    def _make_way(self) -> None:
        missing = [path for path in self._target.parent.ancestors() if self._within.peek(path) is None]
        for path in reversed(missing):
            make_directory(self._within, path)

    def _work(self, task: _Directory | _File) -> None:
        try:
            if task.step():
                return
        except (QuotaExceeded, NoSpace) as full:
            self.close()
            self._pending.clear()
            self.failures.append((task.source, type(full)(f"{full.text}; the copy ends here")))
            return
        except ConchgoError as error:
            task.give_up()
            self.failures.append((task.source, error))
        self._tasks.remove(task)


class _Directory:
    """A directory that is gone through."""

    def __init__(self, tree: TreeCopy, source: VirtualPath, target: VirtualPath) -> None:
        self._tree = tree
        self.source = source
        self._target = target
        self._listing: Listing | None = None

    def step(self) -> bool:
        if self._listing is None:
            make_directory(self._tree.files, self._target)
            self._tree.made(self._target)
            self._listing = self._tree.files.scan(self.source)
            self._entries = iter(self._listing)
            return True
        entry = next(self._entries, None)
        if entry is None:
            self._listing.close()
            return False
        path = self.source / entry.name
        try:
            stat = entry.stat or self._tree.files.lstat(path)
        except NotFound:
            return True
        self._tree.add(path, self._target / entry.name, stat)
        return True

    def give_up(self) -> None:
        if self._listing is not None:
            self._listing.close()


class _File:
    """A file that is copied."""

    def __init__(self, tree: TreeCopy, source: VirtualPath, target: VirtualPath, mode: int) -> None:
        self._tree = tree
        self.source = source
        self._target = target
        self._mode = mode & 0o777
        self._from: File | None = None
        self._to: File | None = None
        self._offset = 0
        self._size = 0

    def step(self) -> bool:
        if self._from is None:
            self._check()
            self._from = self._tree.files.open(self.source, _READ)
            # As it is now: what grows as fast as it is copied would have no end.
            self._size = self._from.stat().size
        elif self._to is None:
            options = OpenOptions(write=True, create=True, truncate=True, mode=self._mode)
            self._to = self._tree.files.open(self._target, options)
        else:
            return self._copy_some(self._from, self._to)
        return True

    def _check(self) -> None:
        files = self._tree.files
        files.require("copy", self.source)
        files.require("copy", self._target)
        there = files.peek(self._target)
        if there is None:
            return
        if there.kind is Kind.DIRECTORY:
            raise IsADirectory("the target is a directory")
        if there.identity == files.lstat(self.source).identity:
            raise InvalidArgument("both are the same file")

    def _copy_some(self, source: File, target: File) -> bool:
        left = min(_CHUNK, self._size - self._offset)
        count = copy_part(source.inside, target.inside, self._offset, left, self._offset) if left else 0
        self._offset += count
        self._tree.bytes_copied += count
        if count and self._offset < self._size:
            return True
        target.close()
        self._to = None
        source.close()
        self._tree.copied += 1
        return False

    def give_up(self) -> None:
        """Nothing of a copy that is not whole stays, as far as the user may remove it."""
        if self._from is not None:
            self._from.close()
        if self._to is not None:
            discard(self._tree.files, self._to, self._target)


def make_directory(files: Filesystem, path: VirtualPath) -> None:
    """Make a directory where there is none.

    Raises:
        NotADirectory: something else is there.
    """
    try:
        files.mkdir(path)
    except AlreadyExists:
        with suppress(PermissionDenied):
            if files.lstat(path).kind is not Kind.DIRECTORY:
                raise NotADirectory from None
