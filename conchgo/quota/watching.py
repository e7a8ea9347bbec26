"""What others do beside a program, which announces nothing: that is not the program's, and must not count twice."""

from __future__ import annotations

from collections.abc import Iterator

from conchgo.paths import VirtualPath
from conchgo.quota.interface import Beside, Usage


class Place:
    """What lies at a path of a storage, or below."""

    __slots__ = ("_files", "_open", "_path", "_size", "_steps", "_storage", "disturbed")

    def __init__(self, storage: str, path: VirtualPath) -> None:
        self._storage = storage
        self._path = path
        self._steps = self._open = self._size = self._files = 0
        #: Something else has happened than changes that were announced each.
        self.disturbed = False

    @property
    def beside(self) -> Beside:
        return Beside(self._steps, self._open, Usage(self._size, self._files))

    def begun(self, storage: str, path: VirtualPath, *, moves: bool) -> None:
        """Somebody changes something. Of what moves within a storage it is not announced where to: it may be here."""
        if storage == self._storage:
            self.disturbed |= moves
            if path.is_within(self._path):
                self._steps += 1
                self._open += 1

    def ended(self, storage: str, path: VirtualPath, size: int, files: int) -> None:
        if storage == self._storage and path.is_within(self._path):
            self._steps += 1
            self._open -= 1
            self._size += size
            self._files += files

    def worked(self, storage: str, path: VirtualPath) -> None:
        """Another program. Those that work at the same path are looked at together."""
        if storage == self._storage and path != self._path:
            self.disturbed |= path.is_within(self._path) or self._path.is_within(path)


class Watches:
    """The places that are watched. A ledger has one of these, and holds its lock meanwhile."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: list[Place] = []

    def __bool__(self) -> bool:
        return bool(self._places)

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places)

    def begin(self, place: Place) -> None:
        self._places.append(place)

    def end(self, place: Place) -> None:
        """Idempotent."""
        if place in self._places:
            self._places.remove(place)
