"""Directories of this machine as storages: made where they are missing, and reached by no link of a user."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Final

from conchgo.accounts.model import Folder, User
from conchgo.errors import AlreadyExists, ConchgoError, Failure, NotFound
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.links import LinkEncountered
from conchgo.storage.local import LocalStorage
from conchgo.vfs.interface import Identity

#: For chown(2): leave that one as it is.
_UNCHANGED: Final = -1

_Owner = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Directories:
    """Opens homes and folders.

    Links are followed on the way to `base`, where the administrator has the homes, and nowhere else: a directory may
    lie in the home of another user, who could put a link in its place and so give away any directory of the system.
    """

    umask: int
    base: str = "/"

    def home(self, user: User) -> LocalStorage:
        """Raises Failure: it can't be made or opened; the text names no real path."""
        return self._opened("the home directory", "home_dir", user.home_dir, user, _owner(user))

    def folder(self, folder: Folder, user: User) -> LocalStorage:
        """What `user` makes in it is his; a directory that is missing is made as the server's own, for it is shared.

        Raises:
            Failure: as for a home.
        """
        return self._opened(f"the folder {folder.name}", "mapped_path", folder.mapped_path, user, None)

    def as_it_is(self, directory: str) -> LocalStorage:
        """To look at it: nothing is made. Raises ConchgoError: it is not there, or there is a link on the way."""
        top, below = self._place(directory)
        return LocalStorage(top, below, umask=self.umask)

    def _place(self, directory: str) -> tuple[bytes, VirtualPath]:
        path, top = VirtualPath.parse(os.fsencode(directory)), VirtualPath.parse(os.fsencode(self.base))
        if not path.is_within(top):
            top = ROOT
        return bytes(top), VirtualPath(path.relative_to(top))

    def _opened(self, name: str, setting: str, directory: str, user: User, owner: _Owner) -> LocalStorage:
        try:
            top, below = self._place(directory)
            try:
                return LocalStorage(top, below, umask=self.umask, owner=_owner(user))
            except NotFound:
                _make(top, below, self.umask, owner)
                return LocalStorage(top, below, umask=self.umask, owner=_owner(user))
        except LinkEncountered as error:
            reason = f"there is a symbolic link on the way to it; look who made it, and write {setting} without links"
            raise Failure(f"{name} can't be opened: {reason}") from error
        except ConchgoError as error:
            raise Failure(f"{name} can't be made or opened: {error.text}") from error


def identity_of(user: User) -> Identity:
    """Who the session is on disk: the user's own ids where set and the server can give files away, else its own."""
    uid, gid = _owner(user) or (_UNCHANGED, _UNCHANGED)
    return Identity(
        user.username,
        os.geteuid() if uid == _UNCHANGED else uid,
        os.getegid() if gid == _UNCHANGED else gid,
    )


def _owner(user: User) -> _Owner:
    """Only root can give files away."""
    if os.geteuid() != 0 or not (user.uid or user.gid):
        return None
    return user.uid or _UNCHANGED, user.gid or _UNCHANGED


def _make(top: bytes, below: VirtualPath, umask: int, owner: _Owner) -> None:
    """The directories above it are the server's own."""
    for depth in range(1, len(below.parts) + 1):
        made = VirtualPath(below.parts[:depth])
        storage = LocalStorage(top, umask=umask, owner=owner if made == below else None)
        with closing(storage), suppress(AlreadyExists):
            storage.mkdir(made)
