"""A storage that has nothing to say but no."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from conchgo.paths import VirtualPath
from conchgo.storage.interface import Attributes, Create, FileStat, Listing, Space, Storage, StorageFile


class Refusing:
    """Every call raises what `refusal` makes: WouldBlock, for a storage of which nothing is known without waiting."""

    def __init__(self, refusal: Callable[[], Exception]) -> None:
        self._refusal = refusal

    @property
    def at_once(self) -> Storage | None:
        return self

    def lstat(self, path: VirtualPath) -> FileStat:
        self._refuse()

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> StorageFile:
        self._refuse()

    def scan(self, path: VirtualPath) -> Listing:
        self._refuse()

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        self._refuse()

    def rmdir(self, path: VirtualPath) -> None:
        self._refuse()

    def remove(self, path: VirtualPath) -> None:
        self._refuse()

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        self._refuse()

    def rename_to(self, old: VirtualPath, other: Storage, new: VirtualPath, *, replace: bool) -> None:
        self._refuse()

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        self._refuse()

    def readlink(self, path: VirtualPath) -> bytes:
        self._refuse()

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        self._refuse()

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        self._refuse()

    def space(self, path: VirtualPath) -> Space:
        self._refuse()

    def close(self) -> None:
        """It holds nothing."""

    def _refuse(self) -> NoReturn:
        raise self._refusal()
