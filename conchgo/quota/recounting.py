"""Which domains must be counted anew because a record changed: what counts in them is another directory now."""

from __future__ import annotations

from collections.abc import Set

from conchgo.accounts.model import Folder, User
from conchgo.quota.charges import folder_domain, user_domain


def changed_by_user(old: User, new: User | None) -> Set[str]:
    """Where the record of a user is replaced, or deleted (None): another user of that name may come."""
    if new is not None and _counted(old) == _counted(new):
        return frozenset()
    return {user_domain(old.username)}


def changed_by_folder(old: Folder, new: Folder | None) -> Set[str]:
    """The same of a folder."""
    if new is not None and old.mapped_path == new.mapped_path:
        return frozenset()
    return {folder_domain(old.name)}


def _counted(user: User) -> str | None:
    """What counts in the user's domain: his home, unless a folder is in its place."""
    return None if any(mount.virtual_path == "/" for mount in user.virtual_folders) else user.home_dir
