"""The storage of a user, and what must be there before the first request."""

from __future__ import annotations

import os

from conchgo.accounts.model import User
from conchgo.errors import AlreadyExists, Failure, LinkEncountered
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Storage
from conchgo.storage.local import LocalStorage
from conchgo.vfs.interface import Identity


def open_local(user: User, umask: int) -> LocalStorage:
    """The user's home directory, made if it is missing.

    Raises:
        Failure: it can't be made or opened; the text names no real path.
    """
    home = os.fsencode(user.home_dir)
    owner = _owner(user)
    try:
        _make_home(home, umask, owner)
    except OSError as error:
        raise Failure(f"the home directory can't be made: {error.strerror}") from error
    return LocalStorage(home, umask=umask, owner=owner)


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
    """Who the session is on disk: the user's own ids where set, else the server's."""
    return Identity(user.username, user.uid or os.geteuid(), user.gid or os.getegid())


def _owner(user: User) -> tuple[int, int] | None:
    """Only root can give files away."""
    if os.geteuid() != 0 or not (user.uid or user.gid):
        return None
    return user.uid or -1, user.gid or -1


def _make_home(home: bytes, umask: int, owner: tuple[int, int] | None) -> None:
    if os.path.isdir(home):
        return
    os.makedirs(os.path.dirname(home), exist_ok=True)
    try:
        os.mkdir(home, 0o777 & ~umask)
    except FileExistsError:
        return
    if owner is not None:
        os.chown(home, *owner, follow_symlinks=False)
