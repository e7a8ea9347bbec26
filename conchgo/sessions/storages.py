"""The storage of a user, and what must be there before the first request."""

from __future__ import annotations

import os
from typing import Final

from conchgo.accounts.model import User
from conchgo.errors import AlreadyExists, ConchgoError, Failure
from conchgo.paths import VirtualPath
from conchgo.storage.interface import Storage
from conchgo.storage.links import LinkEncountered
from conchgo.storage.local import LocalStorage
from conchgo.vfs.interface import Identity

#: For chown(2): leave that one as it is.
_UNCHANGED: Final = -1


def open_local(user: User, umask: int) -> LocalStorage:
    """The user's home directory, made if it is missing.

    Raises:
        Failure: it can't be made or opened; the text names no real path.
    """
    home = os.path.normpath(os.fsencode(user.home_dir))
    owner = _owner(user)
    try:
        if not os.path.isdir(home):
            _make_home(home, umask, owner)
        return LocalStorage(home, umask=umask, owner=owner)
    except OSError as error:
        raise Failure(f"the home directory can't be made: {error.strerror}") from error
    except ConchgoError as error:
        raise Failure(f"the home directory can't be opened: {error.text}") from error


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


def _make_home(home: bytes, umask: int, owner: tuple[int, int] | None) -> None:
    """The directories above it are the server's own."""
    above, name = os.path.split(home)
    os.makedirs(above, exist_ok=True)
    storage = LocalStorage(above, umask=umask, owner=owner)
    try:
        storage.mkdir(VirtualPath((name,)))
    except AlreadyExists:
        pass
    finally:
        storage.close()
