"""Makes places: what of a session's tree a program may see, and how, by the session's mounts, names and permissions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from typing import Final

from conchgo.accounts.patterns import Verdict
from conchgo.accounts.permissions import is_pattern, matches
from conchgo.errors import AlreadyExists, Busy, NotADirectory, NotFound, PermissionDenied, Unsupported
from conchgo.paths import VirtualPath
from conchgo.processes.interface import Access, Bind, Place
from conchgo.storage.interface import Kind, LocalDirectories
from conchgo.storage.links import LinkEncountered
from conchgo.vfs.compose import View, joined
from conchgo.vfs.filtered import Filtered
from conchgo.vfs.interface import Filesystem

#: Binds of one place: each is work for the kernel.
_MOST_BINDS: Final = 256
#: Entries that are looked at to find the directories that wildcards in permissions mean.
_MOST_ENTRIES: Final = 100_000

#: Without these nothing in a directory may be shown.
_TO_SEE: Final = Access.READ.value

_TRIES: Final = 8


class Places:
    """Of one session. `filesystem` is the session's own: it follows links, and tells of what it refuses.

    Calls block.
    """

    def __init__(self, view: View, filesystem: Filesystem) -> None:
        self._view = view
        self._filesystem = filesystem
        # Programs see what is there: also what file patterns hide from the session.
        self._tree = joined(view.mounts, view.table)
        self._seen = Filtered(self._tree, view.names)

    def find(self, path: VirtualPath, access: Access) -> Place:
        """The place of a program that works on `path`.

        Raises:
            PermissionDenied: a verb is missing there.
            NotFound, NotADirectory, TooManyLinks: neither it nor its directory is there.
            Unsupported: it can't be shown to a program.
            Busy: it is replaced again and again.
        """
        for _ in range(_TRIES):
            try:
                return self._found(path, access)
            except LinkEncountered:
                continue  # it was put there after the look
        raise Busy("what is there is replaced again and again, try again")

    def _found(self, path: VirtualPath, access: Access) -> Place:
        target = self._filesystem.require("list", path)
        kind = self._kind(target, access)
        top = target if kind is Kind.DIRECTORY else target.parent
        for verb in sorted(access.value):
            for asked in {top, target}:
                self._filesystem.require(verb, asked)
        if kind is not Kind.DIRECTORY:
            self._require_name(target, kind)
        with ExitStack() as undo:
            binds = self._binds(top, access, undo)
            undo.pop_all()
        view = self._view
        unexpressed = tuple(sorted(self._unexpressed(top, access)))
        return Place(path, target, kind, access, binds, view.permissions, view.names.patterns, unexpressed)

    def _kind(self, target: VirtualPath, access: Access) -> Kind | None:
        try:
            return self._seen.lstat(target).kind
        except NotFound:
            if access is Access.READ:
                raise
            if self._seen.lstat(target.parent).kind is not Kind.DIRECTORY:
                raise NotADirectory from None
            return None

    def _require_name(self, target: VirtualPath, kind: Kind | None) -> None:
        if kind not in (None, Kind.FILE):
            raise Unsupported("operation unsupported: it is neither a file nor a directory")
        verdict = self._view.names.verdict(target)
        if verdict is Verdict.DENY or (verdict is Verdict.HIDE and kind is None):
            raise PermissionDenied("permission denied: a file pattern forbids that name")

    # What is shown

    def _binds(self, top: VirtualPath, access: Access, undo: ExitStack) -> tuple[Bind, ...]:
        binds: dict[VirtualPath, Bind] = {}

        def add(at: VirtualPath, *, shown: bool, writable: bool) -> None:
            if len(binds) == _MOST_BINDS:
                raise Unsupported(f"operation unsupported: more than {_MOST_BINDS} folders and rules are below it")
            descriptor = self._opened(at, undo) if shown else None
            binds[at] = Bind(at, descriptor, shown and writable)

        add(top, shown=True, writable=access is Access.WRITE)
        below = {*self._folders_below(top), *self._ruled_below(top)}
        for at in sorted(below, key=lambda path: len(path.parts)):
            above = next(binds[path] for path in at.parent.ancestors() if path in binds)
            if above.descriptor is None:
                continue  # what is in it is not shown either
            verbs = self._view.permissions.verbs(at)
            shown = verbs >= _TO_SEE
            writable = access is Access.WRITE and verbs >= Access.WRITE.value
            if at in self._view.mounts:
                self._make_point(at)
            elif shown and writable == above.writable:
                continue
            add(at, shown=shown, writable=writable)
        return tuple(binds.values())

    def _opened(self, at: VirtualPath, undo: ExitStack) -> int:
        point = self._view.table.point(at)
        storage = self._view.mounts[point].storage
        if not isinstance(storage, LocalDirectories):
            raise Unsupported(f"operation unsupported: what is in {point} are no plain files of the server")
        inside = VirtualPath(at.relative_to(point))
        try:
            descriptor = storage.open_directory(inside)
        except NotFound:
            if self._view.table.is_way(at):
                raise Unsupported(f"operation unsupported: {at} is there only because a folder is below it") from None
            raise
        undo.callback(os.close, descriptor)
        return descriptor

    def _folders_below(self, top: VirtualPath) -> Iterator[VirtualPath]:
        return (point for point in self._view.mounts if point != top and point.is_within(top))

    def _make_point(self, at: VirtualPath) -> None:
        """A folder is shown in the place of an empty directory, which must be there."""
        above = self._view.table.point(at.parent)
        storage = self._view.mounts[above].storage
        inside = VirtualPath(at.relative_to(above))
        for depth in range(1, len(inside.parts) + 1):
            way = VirtualPath(inside.parts[:depth])
            with suppress(AlreadyExists):
                storage.mkdir(way)
            if storage.lstat(way).kind is not Kind.DIRECTORY:
                raise Unsupported(f"operation unsupported: the folder {at} hides something that is no directory")

    # Permissions

    def _ruled_below(self, top: VirtualPath) -> Iterator[VirtualPath]:
        """The directories below that permissions name."""
        keys = [key for key in self._view.permissions.rules if _may_be_below(key, top)]
        left = _MOST_ENTRIES
        pending = [(top, keys)]
        while pending:
            directory, keys = pending.pop()
            depth = len(directory.parts)
            exact = {key.parts[depth] for key in keys if not is_pattern(key.parts[depth])}
            names = exact if all(not is_pattern(key.parts[depth]) for key in keys) else None
            for name in self._directories(directory) if names is None else names:
                left -= 1
                if left < 0:
                    raise Unsupported(
                        "operation unsupported: wildcards in permissions may mean too much of what is below"
                    )
                path = directory / name
                met = [key for key in keys if matches(name, key.parts[depth])]
                if not met or (names is not None and not self._is_directory(path)):
                    continue
                if any(len(key.parts) == depth + 1 for key in met):
                    yield path
                deeper = [key for key in met if len(key.parts) > depth + 1]
                if deeper:
                    pending.append((path, deeper))

    def _directories(self, directory: VirtualPath) -> Iterator[bytes]:
        with closing(self._tree.scan(directory)) as listing:
            for entry in listing:
                kind = entry.stat.kind if entry.stat is not None else self._tree.lstat(directory / entry.name).kind
                if kind is Kind.DIRECTORY:
                    yield entry.name

    def _is_directory(self, path: VirtualPath) -> bool:
        try:
            return self._tree.lstat(path).kind is Kind.DIRECTORY
        except (NotFound, NotADirectory, LinkEncountered):
            return False

    def _unexpressed(self, top: VirtualPath, access: Access) -> Iterator[VirtualPath]:
        """Keys that give too little, and may mean what a program that writes could make."""
        if access is Access.READ:
            return
        for key, verbs in self._view.permissions.rules.items():
            if verbs >= access.value or not _may_be_below(key, top):
                continue
            if any(map(is_pattern, key.parts)) or not self._is_directory(key):
                yield key


def _may_be_below(key: VirtualPath, top: VirtualPath) -> bool:
    """Whether the key may mean something strictly below `top`."""
    return len(key.parts) > len(top.parts) and all(map(matches, top.parts, key.parts))
