"""The uploads of one session, by the paths that the session has for them."""

from __future__ import annotations

from threading import Lock, RLock
from typing import Final, Generic, Protocol, TypeVar

from conchgo.paths import VirtualPath

#: For all maps: nobody waits who holds it. What is in a map is tuples, so that a look needs no lock.
_changing: Final = Lock()


class Named(Protocol):
    path: VirtualPath


U = TypeVar("U", bound=Named)


class OpenUploads(Generic[U]):
    """Several may have one path; the latest comes last. Calls may come from several threads."""

    __slots__ = ("_moving", "_uploads")

    def __init__(self) -> None:
        # Most sessions have none, most of the time.
        self._moving: RLock | None = None
        self._uploads: dict[VirtualPath, tuple[U, ...]] | None = None

    def __bool__(self) -> bool:
        return bool(self._uploads)

    @property
    def moving(self) -> RLock:
        """To be held while the name of an upload changes, or it goes to its place."""
        with _changing:
            if self._moving is None:
                self._moving = RLock()
            return self._moving

    def at(self, path: VirtualPath) -> tuple[U, ...]:
        return self._uploads.get(path, ()) if self._uploads else ()

    def add(self, upload: U) -> None:
        with _changing:
            if self._uploads is None:
                self._uploads = {}
            self._uploads[upload.path] = (*self.at(upload.path), upload)

    def discard(self, upload: U) -> None:
        with _changing:
            self._set(upload.path, tuple([other for other in self.at(upload.path) if other is not upload]))

    def move(self, upload: U, new: VirtualPath) -> None:
        """This one has another path now."""
        with _changing:
            self._set(upload.path, tuple([other for other in self.at(upload.path) if other is not upload]))
            upload.path = new
            self._set(new, (*self.at(new), upload))

    def follow(self, old: VirtualPath, new: VirtualPath) -> None:
        """What was at `old` or below it has another path now."""
        with _changing:
            for path in [path for path in self._uploads or () if path.is_within(old)]:
                moved = VirtualPath((*new.parts, *path.relative_to(old)))
                uploads = self.at(path)
                self._set(path, ())
                for upload in uploads:
                    upload.path = moved
                self._set(moved, (*self.at(moved), *uploads))

    def _set(self, path: VirtualPath, uploads: tuple[U, ...]) -> None:
        if self._uploads is None:
            return
        if uploads:
            self._uploads[path] = uploads
        else:
            self._uploads.pop(path, None)
