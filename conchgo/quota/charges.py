"""Who pays for what lies where: a user's home and folders, and the domains that they count in."""

from __future__ import annotations

from conchgo.accounts.model import User, VirtualFolder
from conchgo.quota.interface import Charge, Limits


def user_domain(username: str) -> str:
    return f"user:{username}"


def folder_domain(name: str) -> str:
    return f"folder:{name}"


def home_charge(user: User) -> Charge:
    domain = user_domain(user.username)
    return Charge(domain, ((domain, _limits_of_user(user)),))


def folder_charge(user: User, folder: VirtualFolder) -> Charge:
    """In its own domain, which all who have the folder share: with its limits, or with the user's where it is included.

    A user's limits for a folder are for what everybody has put there: each user's changes are asked by his own.
    """
    domain = folder_domain(folder.name)
    if folder.included:
        return Charge(domain, ((domain, Limits()), (user_domain(user.username), _limits_of_user(user))))
    return Charge(domain, ((domain, Limits(folder.quota_size, folder.quota_files)),))


def _limits_of_user(user: User) -> Limits:
    return Limits(user.quota_size, user.quota_files)
