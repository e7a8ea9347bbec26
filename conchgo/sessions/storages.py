"""The storage of a user, and what must be there before the first request."""

from __future__ import annotations

import os
from contextlib import closing, suppress
from typing import Final

from conchgo.accounts.model import User
from conchgo.errors import AlreadyExists, ConchgoError, Failure, NotFound
from conchgo.paths import ROOT, VirtualPath
from conchgo.storage.interface import Storage
from conchgo.storage.links import LinkEncountered
from conchgo.storage.local import LocalStorage
from conchgo.vfs.interface import Identity

#: For chown(2): leave that one as it is.
_UNCHANGED: Final = -1


def open_local(user: User, umask: int, base: str = "/") -> LocalStorage:
    """The user's home directory, made if it is missing.

    Links are followed on the way to `base`, where the administrator has the homes, and nowhere else: a home may lie in
    that of another user, who could put a link in its place and so give this one any directory of the system.

    Raises:
        Failure: it can't be made or opened; the text names no real path.
    """
    try:
        home, top = VirtualPath.parse(os.fsencode(user.home_dir)), VirtualPath.parse(os.fsencode(base))
        if not home.is_within(top):
            top = ROOT
        below = VirtualPath(home.relative_to(top))
        try:
            return LocalStorage(bytes(top), below, umask=umask, owner=_owner(user))
        except NotFound:
            _make_home(bytes(top), below, umask, _owner(user))
            return LocalStorage(bytes(top), below, umask=umask, owner=_owner(user))
    except LinkEncountered as error:
        reason = "there is a symbolic link on the way to it; look who made it, and write home_dir without links"
        raise Failure(f"the home directory can't be opened: {reason}") from error
    except ConchgoError as error:
        raise Failure(f"the home directory can't be made or opened: {error.text}") from error


def open_start_directory(storage: Storage, start: VirtualPath) -> None:
    """Make the directories down to where the session starts, as far as they are missing."""
    for depth in range(1, len(start.parts) + 1):
        try:
            storage.mkdir(VirtualPath(start.parts[:depth]))
        except AlreadyExists:
            continue
        except LinkEncountered:
            return


def identity_of(user: User) -> Identity:
    """Who the session is on disk: the user's own ids where set and the server can give files away, else its own."""
    uid, gid = _owner(user) or (_UNCHANGED, _UNCHANGED)
    return Identity(
        user.username,
        os.geteuid() if uid == _UNCHANGED else uid,
        os.getegid() if gid == _UNCHANGED else gid,
    )


def _owner(user: User) -> tuple[int, int] | None:
    """Only root can give files away."""
    if os.geteuid() != 0 or not (user.uid or user.gid):
        return None
    return user.uid or _UNCHANGED, user.gid or _UNCHANGED


def _make_home(top: bytes, below: VirtualPath, umask: int, owner: tuple[int, int] | None) -> None:
    """The directories above it are the server's own."""
    for depth in range(1, len(below.parts) + 1):
        made = VirtualPath(below.parts[:depth])
        storage = LocalStorage(top, umask=umask, owner=owner if made == below else None)
        with closing(storage), suppress(AlreadyExists):
            storage.mkdir(made)
