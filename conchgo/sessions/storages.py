"""What a session has open: the storages of its user, by the paths where they are mounted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Final

from conchgo.accounts.enforcement import unenforced_in_folder
from conchgo.accounts.model import Folder, User
from conchgo.errors import AlreadyExists, ConchgoError, Failure
from conchgo.paths import ROOT, VirtualPath
from conchgo.quota.charges import folder_charge, home_charge
from conchgo.sessions.directories import Directories
from conchgo.storage.interface import Storage
from conchgo.storage.links import LinkEncountered
from conchgo.storage.refusing import Refusing
from conchgo.vfs.compose import Mount
from conchgo.vfs.mount_table import ONLY_ROOT, MountTable

#: One for all sessions: most have nothing broken.
_NONE: Final[Mapping[VirtualPath, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Storages:
    """Open storages, and what a `View` needs to know of them.

    `broken` tells, by path, why a folder could not be opened: every request in there fails, the others don't;
    `directories` are those of the others.
    """

    mounts: Mapping[VirtualPath, Mount]
    table: MountTable = ONLY_ROOT
    broken: Mapping[VirtualPath, str] = field(default_factory=lambda: _NONE)
    directories: Mapping[VirtualPath, str] = field(default_factory=lambda: _NONE)

    def close(self) -> None:
        for mount in self.mounts.values():
            mount.storage.close()


def open_storages(directories: Directories, user: User, folders: Mapping[str, Folder]) -> Storages:
    """The user's home and folders, of which `folders` are the records. A folder at the root is in the home's place.

    Raises:
        Failure: what is at the root can't be opened.
    """
    virtual = {_parsed(folder.virtual_path): folder for folder in user.virtual_folders}
    mounts: dict[VirtualPath, Mount] = {}
    real: dict[VirtualPath, str] = {}
    broken: dict[VirtualPath, str] = {}
    with ExitStack() as opened:
        opened.callback(Storages(mounts).close)
        if ROOT not in virtual:
            mounts[ROOT] = Mount(directories.home(user), home_charge(user))
            real[ROOT] = user.home_dir
        for point, folder in virtual.items():
            try:
                record = _usable(folder.name, folders)
                storage: Storage = directories.folder(record, user)
                real[point] = record.mapped_path
            except Failure as error:
                if point.is_root:
                    raise
                broken[point] = error.text
                storage = Refusing(partial(Failure, f"the folder {folder.name} is not available"))
            mounts[point] = Mount(storage, folder_charge(user, folder))
        make_ways(mounts)
        table = MountTable(mounts, _pinned(real), shared=virtual) if virtual else ONLY_ROOT
        opened.pop_all()
    return Storages(mounts, table, broken or _NONE, real)


def make_ways(mounts: Mapping[VirtualPath, Mount]) -> None:
    """Make the directories that lead to mounts, where they are missing: so more can be made in them.

    What can't be made is there all the same for whoever looks (`Mounted`), and empty but for what leads on.
    """
    for point in mounts:
        above = next((path for path in point.parent.ancestors() if path in mounts), ROOT)
        for depth in range(len(above.parts) + 1, len(point.parts)):
            with suppress(ConchgoError):
                mounts[above].storage.mkdir(VirtualPath(point.parts[len(above.parts) : depth]))


def open_start_directory(storage: Storage, start: VirtualPath) -> None:
    """Make the directories down to where the session starts, as far as they are missing."""
    for depth in range(1, len(start.parts) + 1):
        try:
            storage.mkdir(VirtualPath(start.parts[:depth]))
        except AlreadyExists:
            continue
        except LinkEncountered:
            return


def _usable(name: str, folders: Mapping[str, Folder]) -> Folder:
    folder = folders.get(name)
    if folder is None:
        raise Failure(f"the folder {name} is not there any more")
    fields = unenforced_in_folder(folder)
    if fields:
        raise Failure(f"the folder {name} has fields that are not enforced yet: {', '.join(fields)}")
    return folder


def _pinned(real: Mapping[VirtualPath, str]) -> list[VirtualPath]:
    """Where in the tree a directory can be seen that is mounted elsewhere in it: it would be gone there too."""
    places = {point: VirtualPath.parse(os.path.realpath(os.fsencode(path))) for point, path in real.items()}
    return [
        VirtualPath(point.parts + inner.relative_to(outer))
        for point, outer in places.items()
        for inner in places.values()
        if inner != outer and inner.is_within(outer)
    ]


def _parsed(path: str) -> VirtualPath:
    return VirtualPath.parse(path.encode("utf-8", "surrogateescape"))
