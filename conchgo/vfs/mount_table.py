"""Where what is mounted: which mount a path belongs to, what leads to mounts, what must stay for them.

All this is decided by the components of paths alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from typing import Final

from conchgo.errors import AlreadyExists, ConchgoError, PermissionDenied, Unsupported
from conchgo.paths import ROOT, VirtualPath

_Parts = tuple[bytes, ...]

_NO_NAMES: Final[dict[bytes, None]] = {}


class MountTable:
    """The mount points of a tree, one of them the root.

    A mount, a way to one (a directory that contains it), and `pinned` (with what contains that) can't be removed,
    renamed or replaced. In the mounts that are `shared` others may have put links.
    """

    __slots__ = ("_depths", "_kept", "_names", "_points", "_shared", "_ways")

    def __init__(
        self, points: Iterable[VirtualPath], pinned: Iterable[VirtualPath] = (), shared: Iterable[VirtualPath] = ()
    ) -> None:
        self._points = {point.parts: point for point in points}
        self._depths = sorted({len(parts) for parts in self._points if parts}, reverse=True)
        self._shared = frozenset(shared)
        #: Directory to the names in it that are mounts or lead to some.
        self._names: dict[_Parts, dict[bytes, None]] = {}
        #: What must stay, and what is said to who would have it otherwise.
        self._kept: dict[_Parts, tuple[type[ConchgoError], str]] = {}
        for path in pinned:
            self._keep(path.parts, "is the directory of a mounted folder")
        for parts in self._points:
            self._keep(parts, "is a mounted folder")
            for depth, name in enumerate(parts):
                self._names.setdefault(parts[:depth], {})[name] = None
        self._ways = {parts: number for number, parts in enumerate(self._names) if parts not in self._points}

    def _keep(self, parts: _Parts, why: str) -> None:
        if not parts:
            return  # the storage itself says of its root what can't be done to it
        for depth in range(1, len(parts)):
            self._kept.setdefault(parts[:depth], (Unsupported, f"operation unsupported: what is below it {why}"))
        self._kept[parts] = (PermissionDenied, f"permission denied: it {why}")

    @property
    def points(self) -> Set[VirtualPath]:
        return frozenset(self._points.values())

    def point(self, path: VirtualPath) -> VirtualPath:
        """Where the storage of the path is mounted: deepest on the way to it."""
        parts = path.parts
        for depth in self._depths:
            point = self._points.get(parts[:depth])
            if point is not None:
                return point
        return ROOT

    def names(self, directory: VirtualPath) -> Collection[bytes]:
        """The names in a directory that are mounts or ways to some."""
        return self._names.get(directory.parts, _NO_NAMES)

    def is_folder(self, path: VirtualPath) -> bool:
        """Whether this is a mount, and not the root."""
        return bool(path.parts) and path.parts in self._points

    def is_way(self, path: VirtualPath) -> bool:
        """Whether this is a directory because it contains a mount, whatever its storage has there."""
        return path.parts in self._ways

    def number(self, way: VirtualPath) -> int:
        """By which this way differs from the others."""
        return self._ways[way.parts]

    def may_lead(self, link: VirtualPath, target: VirtualPath) -> bool:
        """Whether a link at the one path may lead to the other: out of what is shared none does.

        To others the names around it mean something else; or they would have this user's programs read and write in a
        place of his own.
        """
        point = self.point(link)
        return point not in self._shared or point == self.point(target)

    def refuse_to_make(self, path: VirtualPath) -> None:
        """Raise AlreadyExists: a mount or a way to one is there, whatever the storage has."""
        if self.is_way(path) or self.is_folder(path):
            raise AlreadyExists

    def refuse_to_move(self, *paths: VirtualPath) -> None:
        """Raise PermissionDenied where one of the paths must stay, or Unsupported where something in it must."""
        for path in paths:
            refusal = self._kept.get(path.parts)
            if refusal is not None:
                kind, text = refusal
                raise kind(text)


#: Of a user without folders.
ONLY_ROOT: Final = MountTable([ROOT])
