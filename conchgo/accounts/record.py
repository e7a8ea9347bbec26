"""A user as a JSON object, in the form and with the names of SFTPGo's dumps.

What SFTPGo writes for "not set" (0, "", an empty list, null, a missing field) is read as not set. What conchgo does not
know keeps its value in `extra`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conchgo.accounts import readers
from conchgo.accounts.folder_record import virtual_folder_from_record, virtual_folder_to_record
from conchgo.accounts.model import BandwidthLimit, FilePattern, Filters, User
from conchgo.accounts.naming import shown
from conchgo.accounts.redaction import refuse_redacted, without_secrets
from conchgo.errors import InvalidArgument


def from_record(record: Mapping[str, Any]) -> User:
    """The user that a record describes. It is not validated; `permissions` left out are none.

    Raises:
        InvalidArgument: a field has a value of the wrong type, or a secret that was taken out for showing.
    """
    refuse_redacted(record)
    given = {"username": "", "home_dir": "", "permissions": {}} | readers.read(record, _USER)
    return User(**given, extra=readers.rest(record, _USER.keys() | {"has_password"}))


def to_record(user: User) -> dict[str, Any]:
    """The whole record, password hash included."""
    filters = user.filters
    return {
        **user.extra,
        "username": user.username,
        "status": user.status,
        "expiration_date": user.expiration_date,
        "password": user.password,
        "public_keys": list(user.public_keys),
        "home_dir": user.home_dir,
        "uid": user.uid,
        "gid": user.gid,
        "max_sessions": user.max_sessions,
        "quota_size": user.quota_size or 0,
        "quota_files": user.quota_files or 0,
        "upload_bandwidth": user.upload_bandwidth,
        "download_bandwidth": user.download_bandwidth,
        "upload_data_transfer": user.upload_data_transfer,
        "download_data_transfer": user.download_data_transfer,
        "total_data_transfer": user.total_data_transfer,
        "virtual_folders": [virtual_folder_to_record(folder) for folder in user.virtual_folders],
        "permissions": {path: list(verbs) for path, verbs in user.permissions.items()},
        "email": user.email,
        "description": user.description,
        "additional_info": user.additional_info,
        "filters": {
            **filters.extra,
            "start_directory": filters.start_directory,
            "allowed_ip": list(filters.allowed_ip),
            "denied_ip": list(filters.denied_ip),
            "denied_login_methods": list(filters.denied_login_methods),
            "denied_protocols": list(filters.denied_protocols),
            "file_patterns": [_pattern_to_record(pattern) for pattern in filters.file_patterns],
            "max_upload_file_size": filters.max_upload_file_size,
            "bandwidth_limits": [_bandwidth_to_record(limit) for limit in filters.bandwidth_limits],
            "enabled_commands": list(filters.enabled_commands),
        },
    }


def shown_record(user: User) -> dict[str, Any]:
    """The record for people to see: `has_password` in place of the hash, no secret of any other field."""
    record: dict[str, Any] = without_secrets(to_record(user))
    del record["password"]
    return {**record, "has_password": bool(user.password)}


def _pattern_to_record(pattern: FilePattern) -> dict[str, Any]:
    return {
        "path": pattern.path,
        "allowed_patterns": list(pattern.allowed_patterns),
        "denied_patterns": list(pattern.denied_patterns),
        "deny_policy": pattern.deny_policy,
    }


def _bandwidth_to_record(limit: BandwidthLimit) -> dict[str, Any]:
    return {
        "sources": list(limit.sources),
        "upload_bandwidth": limit.upload_bandwidth,
        "download_bandwidth": limit.download_bandwidth,
    }


def _verbs(name: str, value: Any) -> dict[str, tuple[str, ...]]:
    rules = readers.mapping(name, value, "an object of directories with a list of verbs each")
    return {path: readers.texts(f"{name}.{path}", [] if verbs is None else verbs) for path, verbs in rules.items()}


def _filters(name: str, value: Any) -> Filters:
    record = readers.mapping(name, value)
    return Filters(**readers.read(record, _FILTERS, f"{name}."), extra=readers.rest(record, _FILTERS))


def _pattern(name: str, record: Mapping[str, Any]) -> FilePattern:
    return FilePattern(**{"path": ""} | _all_of(name, record, _PATTERN))


def _bandwidth(name: str, record: Mapping[str, Any]) -> BandwidthLimit:
    return BandwidthLimit(**{"sources": ()} | _all_of(name, record, _BANDWIDTH))


def _all_of(name: str, record: Mapping[str, Any], known: Mapping[str, readers.Reader]) -> dict[str, Any]:
    """What the readers know; a rule that says more would do something else than it says."""
    for field in readers.rest(record, known):
        raise InvalidArgument(f'{name}: "{shown(field)}" is unknown; known are {", ".join(known)}')
    return readers.read(record, known, f"{name}: ")


_PATTERN: Final[Mapping[str, readers.Reader]] = {
    "path": readers.text,
    "allowed_patterns": readers.texts,
    "denied_patterns": readers.texts,
    "deny_policy": readers.integer,
}

_BANDWIDTH: Final[Mapping[str, readers.Reader]] = {
    "sources": readers.texts,
    "upload_bandwidth": readers.integer,
    "download_bandwidth": readers.integer,
}

_FILTERS: Final[Mapping[str, readers.Reader]] = {
    "start_directory": readers.text,
    "allowed_ip": readers.texts,
    "denied_ip": readers.texts,
    "denied_login_methods": readers.texts,
    "denied_protocols": readers.texts,
    "file_patterns": readers.objects(_pattern),
    "max_upload_file_size": readers.integer,
    "bandwidth_limits": readers.objects(_bandwidth),
    "enabled_commands": readers.texts,
}

_USER: Final[Mapping[str, readers.Reader]] = {
    "username": readers.text,
    "status": readers.integer,
    "expiration_date": readers.integer,
    "password": readers.text,
    "public_keys": readers.texts,
    "home_dir": readers.text,
    "uid": readers.integer,
    "gid": readers.integer,
    "max_sessions": readers.integer,
    "quota_size": readers.limit,
    "quota_files": readers.limit,
    "upload_bandwidth": readers.integer,
    "download_bandwidth": readers.integer,
    "upload_data_transfer": readers.integer,
    "download_data_transfer": readers.integer,
    "total_data_transfer": readers.integer,
    "virtual_folders": readers.objects(virtual_folder_from_record),
    "permissions": _verbs,
    "email": readers.text,
    "description": readers.text,
    "additional_info": readers.text,
    "filters": _filters,
}
