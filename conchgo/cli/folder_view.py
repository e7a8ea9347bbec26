"""How folders are shown: with the users who have them, and no secret."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conchgo.accounts.enforcement import is_set, unenforced_in_folder
from conchgo.accounts.folder_record import shown_folder_record
from conchgo.accounts.model import Folder, User
from conchgo.cli.display import print_fields, print_table
from conchgo.cli.usage_view import with_usage
from conchgo.quota.charges import folder_domain
from conchgo.quota.interface import Usage


def folder_json(folder: Folder, users: Iterable[User], usages: Mapping[str, Usage]) -> dict[str, Any]:
    record = {**shown_folder_record(folder), "users": _usernames(folder, users)}
    return with_usage(record, usages.get(folder_domain(folder.name)))


def print_folders(folders: Iterable[Folder], users: Sequence[User]) -> None:
    print_table(
        ("name", "users", "mapped_path", "description"),
        (
            (folder.name, ", ".join(_usernames(folder, users)), folder.mapped_path, folder.description)
            for folder in folders
        ),
    )


def print_folder(folder: Folder, users: Sequence[User], usages: Mapping[str, Usage]) -> None:
    """Every field that is set."""
    print_fields(_fields(folder_json(folder, users, usages), folder, users))


def _fields(record: dict[str, Any], folder: Folder, users: Iterable[User]) -> Iterable[tuple[str, str]]:
    del record["users"]
    yield "name", record.pop("name")
    yield "mapped_path", record.pop("mapped_path")
    for name, value in record.items():
        if is_set(value):
            yield name, value if isinstance(value, str) else json.dumps(value)
    for user in users:
        for mount in user.virtual_folders:
            if mount.name == folder.name:
                yield f"user {user.username}", f"at {mount.virtual_path}"
    for name in unenforced_in_folder(folder):
        yield "not enforced", f"{name}: who has the folder cannot log in while it is set"


def _usernames(folder: Folder, users: Iterable[User]) -> list[str]:
    return [user.username for user in users if user.has_folder(folder.name)]
