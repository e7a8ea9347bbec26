"""What folders and users may have together: asked before either is kept. Looks at the directories; it blocks."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping

from conchgo.accounts.model import Folder, User, VirtualFolder
from conchgo.accounts.naming import shown
from conchgo.errors import InvalidArgument
from conchgo.paths import ROOT, VirtualPath


def validate_directory(folder: Folder, others: Iterable[Folder]) -> None:
    """Whether the folder has a directory of its own: a file of two folders would count in both.

    Raises:
        InvalidArgument: it shares its directory with one of the others, lies in it, or contains it.
    """
    own = os.path.realpath(folder.mapped_path)
    for other in others:
        its = os.path.realpath(other.mapped_path)
        if other.name != folder.name and os.path.commonpath((own, its)) in (own, its):
            raise InvalidArgument(
                f'mapped_path: "{shown(folder.mapped_path)}" and that of the folder {shown(other.name)}, '
                f'"{shown(other.mapped_path)}", lie in one another; give each a directory of its own'
            )


def validate_mounts(user: User, folders: Mapping[str, Folder]) -> None:
    """Whether the user can have the folders that the record names; `folders` are all that there are, by name.

    Raises:
        InvalidArgument: one is not there, or what is on the way to its virtual path is no directory.
    """
    for number, mount in enumerate(user.virtual_folders, start=1):
        if mount.name not in folders:
            raise InvalidArgument(
                f"virtual_folders: number {number}: name: there is no folder {shown(mount.name)}; "
                "`conchgo folder add` makes one"
            )
    for number, mount in enumerate(user.virtual_folders, start=1):
        below = _first_that_is_no_directory(mount, user, folders)
        if below is not None:
            raise InvalidArgument(
                f"virtual_folders: number {number}: virtual_path: {below} is no directory, so nothing can be below it; "
                "choose another path, or move what is there"
            )


def _first_that_is_no_directory(mount: VirtualFolder, user: User, folders: Mapping[str, Folder]) -> VirtualPath | None:
    path = _path(mount)
    above = max(
        (other for other in user.virtual_folders if other is not mount and path.is_within(_path(other))),
        key=lambda other: len(_path(other).parts),
        default=None,
    )
    point, real = (ROOT, user.home_dir) if above is None else (_path(above), folders[above.name].mapped_path)
    place = os.fsencode(real)
    for name in path.parent.relative_to(point):
        point /= name
        place = os.path.join(place, name)
        try:
            if not stat.S_ISDIR(os.lstat(place).st_mode):
                return point
        except OSError:
            return None  # what is not there, or can't be looked at, is in nobody's way
    return None


def _path(mount: VirtualFolder) -> VirtualPath:
    return VirtualPath.parse(mount.virtual_path.encode("utf-8", "surrogateescape"))
