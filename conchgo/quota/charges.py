"""Who pays for what lies where: a user's home and folders, and the domains that they count in.

A user's own domain is his home. What he uses is that and the folders that are included in his quota, which others may
change too: it is added up where it is asked for, and so never wrong, whoever else has these folders.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from conchgo.accounts.model import User, VirtualFolder
from conchgo.quota.interface import Charge, Limits, Usage


def user_domain(username: str) -> str:
    return f"user:{username}"


def folder_domain(name: str) -> str:
    return f"folder:{name}"


def home_charge(user: User) -> Charge:
    domain = user_domain(user.username)
    return Charge(domain, ((domain, _limits_of_user(user)),))


def folder_charge(user: User, folder: VirtualFolder) -> Charge:
    """In its own domain, which all who have the folder share: to its limits, or to the user's where it is included.

    A user's limits for a folder are for what everybody has put there: each user's changes are asked by his own.
    """
    domain = folder_domain(folder.name)
    if folder.included:
        return Charge(domain, ((domain, Limits()), (user_domain(user.username), _limits_of_user(user))))
    return Charge(domain, ((domain, Limits(folder.quota_size, folder.quota_files)),))


def included(user: User) -> tuple[str, ...]:
    """The domains of the folders that are included in the user's quota."""
    return tuple(sorted(folder_domain(mount.name) for mount in user.virtual_folders if mount.included))


def used_by(user: User, usages: Mapping[str, Usage]) -> Usage | None:
    """What the user uses in all, if all of it was counted: `usages` are those of single domains."""
    parts = [usages.get(domain) for domain in (user_domain(user.username), *included(user))]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Usage(sum(part.size for part in known), sum(part.files for part in known))


def used_by_all(users: Iterable[User], usages: Mapping[str, Usage]) -> dict[str, Usage]:
    """The same for all `users`, by their domains, and what is used of folders."""
    used = {domain: usage for domain, usage in usages.items() if domain.startswith(folder_domain(""))}
    for user in users:
        if (all_of_it := used_by(user, usages)) is not None:
            used[user_domain(user.username)] = all_of_it
    return used


def _limits_of_user(user: User) -> Limits:
    limits = Limits(user.quota_size, user.quota_files)
    return limits._replace(beside=included(user)) if limits.hold else limits
