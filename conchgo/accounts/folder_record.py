"""A folder, and what a user has of it, as JSON objects in the form and with the names of SFTPGo's dumps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conchgo.accounts import readers
from conchgo.accounts.model import Folder, VirtualFolder
from conchgo.accounts.redaction import refuse_redacted, without_secrets
from conchgo.errors import InvalidArgument

#: What SFTPGo writes for both limits of a folder that is counted in the user's quota.
INCLUDED: Final = -1

#: SFTPGo repeats a folder's own record wherever a user has it; only the folder's own record counts.
_REPEATED: Final = frozenset(
    {
        "id",
        "mapped_path",
        "description",
        "used_quota_size",
        "used_quota_files",
        "last_quota_update",
        "users",
        "groups",
        "filesystem",
    }
)


def folder_from_record(record: Mapping[str, Any]) -> Folder:
    """The folder that a record describes. It is not validated.

    Raises:
        InvalidArgument: a field has a value of the wrong type, or a secret that was taken out for showing.
    """
    refuse_redacted(record)
    given = {"name": "", "mapped_path": ""} | readers.read(record, _FOLDER)
    return Folder(**given, extra=readers.rest(record, _FOLDER))


def folder_to_record(folder: Folder) -> dict[str, Any]:
    """The whole record, secrets included."""
    return {
        **folder.extra,
        "name": folder.name,
        "mapped_path": folder.mapped_path,
        "description": folder.description,
    }


def shown_folder_record(folder: Folder) -> dict[str, Any]:
    """The record for people to see: no secret."""
    record: dict[str, Any] = without_secrets(folder_to_record(folder))
    return record


def virtual_folder_from_record(name: str, record: Mapping[str, Any]) -> VirtualFolder:
    """One of a user's virtual folders; `name` is said in messages. Limits left out are none."""
    given = readers.read(record, _VIRTUAL_FOLDER, f"{name}: ")
    size, files = given.get("quota_size", 0), given.get("quota_files", 0)
    included = size == files == INCLUDED
    if INCLUDED in (size, files) and not included:
        raise InvalidArgument(f"{name}: quota_size and quota_files must both be -1 (in the user's quota), or neither")
    return VirtualFolder(
        name=given.get("name", ""),
        virtual_path=given.get("virtual_path", ""),
        included=included,
        quota_size=None if included else size or None,
        quota_files=None if included else files or None,
        extra=readers.rest(record, _VIRTUAL_FOLDER.keys() | _REPEATED),
    )


def virtual_folder_to_record(folder: VirtualFolder) -> dict[str, Any]:
    return {
        **folder.extra,
        "name": folder.name,
        "virtual_path": folder.virtual_path,
        "quota_size": INCLUDED if folder.included else folder.quota_size or 0,
        "quota_files": INCLUDED if folder.included else folder.quota_files or 0,
    }


_FOLDER: Final[Mapping[str, readers.Reader]] = {
    "name": readers.text,
    "mapped_path": readers.text,
    "description": readers.text,
}

_VIRTUAL_FOLDER: Final[Mapping[str, readers.Reader]] = {
    "name": readers.text,
    "virtual_path": readers.text,
    "quota_size": readers.integer,
    "quota_files": readers.integer,
}
