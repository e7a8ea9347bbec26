"""Which domains must be counted anew because a record changed: what counts in them is another directory now."""

from __future__ import annotations

from collections.abc import Iterable, Set

from conchgo.accounts.model import Folder, User
from conchgo.quota.charges import folder_domain, user_domain


def changed_by_user(old: User, new: User | None) -> Set[str]:
    """Where the record of a user is replaced, or deleted (None): another user of that name may come."""
    if new is not None and _counted(old) == _counted(new):
        return frozenset()
    return {user_domain(old.username)}


def changed_by_folder(old: Folder, new: Folder | None, users: Iterable[User]) -> Set[str]:
    """The same of a folder, which counts in the domains of those `users` too who have it so."""
    if new is not None and old.mapped_path == new.mapped_path:
        return frozenset()
    including = (
        user for user in users if any(mount.name == old.name and mount.included for mount in user.virtual_folders)
    )
    return {folder_domain(old.name), *(user_domain(user.username) for user in including)}


def _counted(user: User) -> tuple[str | None, Set[str]]:
    """What counts in the user's domain: his home, unless a folder is in its place, and folders by name."""
    hidden = any(mount.virtual_path == "/" for mount in user.virtual_folders)
    included = frozenset(mount.name for mount in user.virtual_folders if mount.included)
    return None if hidden else user.home_dir, included
