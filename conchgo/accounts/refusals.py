"""Why a store does not do what it is asked: the same words from every store."""

from __future__ import annotations

from collections.abc import Sequence

from conchgo.accounts.naming import shown
from conchgo.errors import AlreadyExists, InvalidArgument, NotFound

#: Names that a message lists.
_LISTED = 10


def user_exists(username: str) -> AlreadyExists:
    return AlreadyExists(f"user {shown(username)} exists already")


def no_user(username: str) -> NotFound:
    return NotFound(f"there is no user {shown(username)}")


def folder_exists(name: str) -> AlreadyExists:
    return AlreadyExists(f"folder {shown(name)} exists already")


def no_folder(name: str) -> NotFound:
    return NotFound(f"there is no folder {shown(name)}")


def folder_in_use(name: str, usernames: Sequence[str]) -> InvalidArgument:
    """`usernames` are those who have it."""
    more = f" and {len(usernames) - _LISTED} more" if len(usernames) > _LISTED else ""
    users = ", ".join(map(shown, usernames[:_LISTED]))
    return InvalidArgument(f"folder {shown(name)} is in use by {users}{more}; take it from them first")
