"""Mounts: several storages as one tree.

A path belongs to the storage that is mounted deepest on the way to it: no storage is asked, and nothing that lies in
one decides where another is. What a storage has at the path of a mount can't be seen, and the directories that lead to
mounts are there even where no storage has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Final, TypeVar

from conchgo.errors import (
    AlreadyExists,
    ConchgoError,
    CrossStorage,
    InvalidArgument,
    IsADirectory,
    NotADirectory,
    NotFound,
    PermissionDenied,
    Unsupported,
    WouldBlock,
)
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import (
    Attributes,
    Create,
    Entry,
    FileStat,
    FreeSpace,
    HardLinks,
    Kind,
    Listing,
    RenameAcross,
    Space,
    Stillness,
    Storage,
    StorageFile,
    SymbolicLinks,
)
from conchgo.storage.links import LinkEncountered
from conchgo.storage.refusing import Refusing
from conchgo.vfs.links import climbs_out
from conchgo.vfs.mount_table import MountTable

T = TypeVar("T")

_VIRTUAL_MODE: Final = 0o040755
#: No file system has it: for the identities of directories that no storage has.
_NO_DEVICE: Final = -1
#: How a storage says that it has no directory at a path.
_NO_DIRECTORY: Final = (NotFound, NotADirectory, LinkEncountered)


class _Mount:
    """A storage, where it is mounted, and its abilities: to ask for these at each call would take too long."""

    __slots__ = ("_depth", "across", "hard_links", "links", "point", "space", "stillness", "storage")

    def __init__(self, point: VirtualPath, storage: Storage) -> None:
        self.point = point
        self.storage = storage
        self.links = storage if isinstance(storage, SymbolicLinks) else None
        self.hard_links = storage if isinstance(storage, HardLinks) else None
        self.across = storage if isinstance(storage, RenameAcross) else None
        self.space = storage if isinstance(storage, FreeSpace) else None
        self.stillness = storage if isinstance(storage, Stillness) else None
        self._depth = len(point.parts)

    def inside(self, path: VirtualPath) -> VirtualPath:
        """The path as the storage knows it."""
        return VirtualPath(path.parts[self._depth :]) if self._depth else path


class Mounted:
    """The tree of `storages`, by the paths where they are mounted, of which `table` knows the rest."""

    __slots__ = ("_mounts", "_table")

    def __init__(self, storages: Mapping[VirtualPath, Storage], table: MountTable) -> None:
        if storages.keys() != table.points:
            raise ValueError("the table is of other mounts")
        self._mounts = {point.parts: _Mount(point, storage) for point, storage in storages.items()}
        self._table = table

    @property
    def at_once(self) -> Mounted | None:
        faces = {mount.point: mount.storage.at_once for mount in self._mounts.values()}
        if not any(face is not None for face in faces.values()):
            return None
        return Mounted(
            {point: Refusing(WouldBlock) if face is None else face for point, face in faces.items()}, self._table
        )

    def close(self) -> None:
        for mount in self._mounts.values():
            mount.storage.close()

    def lstat(self, path: VirtualPath) -> FileStat:
        if self._table.is_way(path):
            return self._stat_of_way(path)
        return self._ask(path, lambda mount, inside: mount.storage.lstat(inside))

    def open(
        self, path: VirtualPath, *, read: bool, write: bool, create: Create, truncate: bool = False, mode: int = 0o666
    ) -> StorageFile:
        if self._table.is_way(path):
            raise AlreadyExists if create is Create.NEW else IsADirectory
        return self._ask(
            path,
            lambda mount, inside: mount.storage.open(
                inside, read=read, write=write, create=create, truncate=truncate, mode=mode
            ),
        )

    def scan(self, path: VirtualPath) -> Listing:
        names = self._table.names(path)
        if not names:
            return self._ask(path, lambda mount, inside: mount.storage.scan(inside))
        # Before the directory is open: this may find that it would have to wait.
        led = [Entry(name, self._stat_for_listing(path / name)) for name in names]
        try:
            return _MountedListing(led, self._ask(path, lambda mount, inside: mount.storage.scan(inside)))
        except _NO_DIRECTORY:
            if not self._table.is_way(path):
                raise
            return _MountedListing(led, None)

    def mkdir(self, path: VirtualPath, mode: int = 0o777) -> None:
        self._table.refuse_to_make(path)
        self._ask(path, lambda mount, inside: mount.storage.mkdir(inside, mode))

    def rmdir(self, path: VirtualPath) -> None:
        self._table.refuse_to_move(path)
        self._ask(path, lambda mount, inside: mount.storage.rmdir(inside))

    def remove(self, path: VirtualPath) -> None:
        self._table.refuse_to_move(path)
        self._ask(path, lambda mount, inside: mount.storage.remove(inside))

    def rename(self, old: VirtualPath, new: VirtualPath, *, replace: bool) -> None:
        """CrossStorage where the storages of the two can't do it in one step."""
        if old.is_root or new.is_root:
            raise InvalidArgument("the root can be neither renamed nor replaced")
        self._table.refuse_to_move(old, new)
        source, target = self._mount(old), self._mount(new)
        there, here = source.inside(old), target.inside(new)
        try:
            if source is target:
                source.storage.rename(there, here, replace=replace)
            elif source.across is None:
                raise CrossStorage
            else:
                source.across.rename_to(there, target.storage, here, replace=replace)
        except LinkEncountered as met:
            raise self._met(source if (*met.link.parts, *met.rest) == there.parts else target, met) from None

    @contextmanager
    def still(self, *paths: VirtualPath) -> Iterator[None]:
        with ExitStack() as until:
            for path in paths:
                mount = self._mount(path)
                if mount.stillness is not None:
                    until.enter_context(mount.stillness.still(mount.inside(path)))
            yield

    def set_attributes(self, path: VirtualPath, changes: Attributes, *, link: bool = False) -> None:
        """Of a mount only the times: who may use it is for its administrator to say."""
        if self._table.is_folder(path) and _changes_access(changes):
            raise PermissionDenied("permission denied: it is a mounted folder")
        if self._table.is_way(path) and not self._is_real(path):
            raise PermissionDenied("permission denied: it is there only because folders are mounted below it")
        self._ask(path, lambda mount, inside: mount.storage.set_attributes(inside, changes, link=link))

    def readlink(self, path: VirtualPath) -> bytes:
        """A target that climbs out of its folder is told as a path from the root: what is above there is not its."""
        if self._table.is_way(path):
            raise InvalidArgument
        target, mount = self._ask(path, lambda mount, inside: (_able(mount.links).readlink(inside), mount))
        relative = mount.point.parts and not target.startswith(b"/")
        if relative and climbs_out(target, mount.inside(path).parent):
            return bytes(VirtualPath.parse(target, path.parent))
        return target

    def symlink(self, target: bytes, path: VirtualPath) -> None:
        """Raises PermissionDenied for a link to a mount, CrossStorage for one to another storage."""
        self._table.refuse_to_make(path)
        meant = VirtualPath.parse(target, path.parent)
        if self._table.is_folder(meant):
            raise PermissionDenied("permission denied: a link can't lead to a mounted folder")
        if self._mount(meant) is not self._mount(path):
            raise CrossStorage
        self._ask(path, lambda mount, inside: _able(mount.links).symlink(target, inside))

    def link(self, existing: VirtualPath, new: VirtualPath) -> None:
        self._table.refuse_to_make(new)
        if self._table.is_way(existing):
            raise PermissionDenied
        target = self._mount(new)
        if self._mount(existing) is not target:
            raise CrossStorage
        self._ask(existing, lambda mount, inside: _able(mount.hard_links).link(inside, target.inside(new)))

    def space(self, path: VirtualPath) -> Space:
        if self._table.is_way(path) and not self._is_real(path):
            path = self._mount(path).point
        return self._ask(path, lambda mount, inside: _able(mount.space).space(inside))

    def _mount(self, path: VirtualPath) -> _Mount:
        return self._mounts[self._table.point(path).parts]

    def _ask(self, path: VirtualPath, work: Callable[[_Mount, VirtualPath], T]) -> T:
        mount = self._mount(path)
        try:
            return work(mount, mount.inside(path))
        except LinkEncountered as met:
            raise self._met(mount, met) from None

    def _met(self, mount: _Mount, met: LinkEncountered) -> ConchgoError:
        """The link that a storage met, by its path in the whole tree; none where a way to a mount hides it."""
        link = VirtualPath((*mount.point.parts, *met.link.parts))
        if self._table.is_way(link):
            return NotFound()
        return LinkEncountered(link, met.target, met.rest)

    def _is_real(self, way: VirtualPath) -> bool:
        try:
            return self._ask(way, lambda mount, inside: mount.storage.lstat(inside)).kind is Kind.DIRECTORY
        except _NO_DIRECTORY:
            return False

    def _stat_of_way(self, path: VirtualPath) -> FileStat:
        try:
            found = self._ask(path, lambda mount, inside: mount.storage.lstat(inside))
            if found.kind is Kind.DIRECTORY:
                return found
        except _NO_DIRECTORY:
            pass
        top = self._mount(path).storage.lstat(ROOT)
        number = self._table.number(path)
        return FileStat(_VIRTUAL_MODE, 0, top.uid, top.gid, 0, 0, nlink=2, identity=(_NO_DEVICE, number))

    def _stat_for_listing(self, path: VirtualPath) -> FileStat | None:
        try:
            return self.lstat(path)
        except ConchgoError:
            return None


class _MountedListing:
    """A directory that leads to mounts: these names first, and never what the storage has by them."""

    __slots__ = ("_led", "_listing")

    def __init__(self, led: Iterable[Entry], listing: Listing | None) -> None:
        self._led = {entry.name: entry for entry in led}
        self._listing = listing

    def __iter__(self) -> Iterator[Entry]:
        yield from self._led.values()
        if self._listing is not None:
            for entry in self._listing:
                if entry.name not in self._led:
                    yield entry

    def close(self) -> None:
        if self._listing is not None:
            self._listing.close()


def _able(ability: T | None) -> T:
    if ability is None:
        raise Unsupported
    return ability


def _changes_access(changes: Attributes) -> bool:
    return (changes.uid, changes.gid, changes.mode) != (None, None, None)
