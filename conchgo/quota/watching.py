"""Who changes what beside a program that announces nothing: afterwards nobody can tell whose which change was."""

from __future__ import annotations

from conchgo.paths import VirtualPath


class Watches:
    """On what lies at a path of a storage, or below. A ledger has one of these, and holds its lock meanwhile."""

    __slots__ = ("_disturbed", "_places")

    def __init__(self) -> None:
        self._places: dict[object, tuple[str, VirtualPath]] = {}
        self._disturbed: set[object] = set()

    def __bool__(self) -> bool:
        return bool(self._places)

    def begin(self, watch: object, storage: str, path: VirtualPath) -> None:
        self._places[watch] = storage, path

    def end(self, watch: object) -> None:
        """Idempotent."""
        self._places.pop(watch, None)
        self._disturbed.discard(watch)

    def is_disturbed(self, watch: object) -> bool:
        return watch in self._disturbed

    def met(self, storage: str, path: bytes, *, moves: bool) -> None:
        """Somebody changes what is there; who moves a directory moves all that is in it."""
        there = VirtualPath.parse(path)
        for watch, (watched, top) in self._places.items():
            if storage == watched and (there.is_within(top) or (moves and top.is_within(there))):
                self._disturbed.add(watch)
