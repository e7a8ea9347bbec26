"""How users are shown to people: every field in words, the password hash to nobody."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from conchgo.accounts.enforcement import is_set, unenforced
from conchgo.accounts.model import BandwidthLimit, FilePattern, User, VirtualFolder
from conchgo.accounts.patterns import HIDE_POLICY
from conchgo.accounts.public_keys import split
from conchgo.accounts.record import shown_record
from conchgo.cli.display import print_fields, print_table
from conchgo.cli.usage_view import with_usage
from conchgo.errors import InvalidArgument
from conchgo.quota.charges import user_domain
from conchgo.quota.interface import Usage


def print_users(users: Sequence[User]) -> None:
    print_table(
        ("username", "status", "expires", "logs in by", "permissions", "home_dir"),
        (
            (
                user.username,
                _status(user),
                _date(user.expiration_date),
                ", ".join(_credentials(user)) or "nothing",
                ",".join(user.permissions.get("/", ())),
                user.home_dir,
            )
            for user in users
        ),
    )


def user_json(user: User, usages: Mapping[str, Usage]) -> dict[str, Any]:
    """In SFTPGo's form, with what is used of the quota. Nothing of the password but whether there is one."""
    return with_usage(shown_record(user), usages.get(user_domain(user.username)))


def print_user(user: User, usages: Mapping[str, Usage]) -> None:
    """Every field that is set."""
    print_fields(_fields(user_json(user, usages), user))


def _fields(record: dict[str, Any], user: User) -> Iterable[tuple[str, str]]:
    filters = record.pop("filters")
    for name in ("has_password", "permissions", "public_keys", "virtual_folders"):
        del record[name]
    del filters["file_patterns"], filters["bandwidth_limits"]
    record |= {"status": _status(user), "expiration_date": _date(user.expiration_date)}
    yield "username", record.pop("username")
    yield "password", "present" if user.password else "absent"
    for line in user.public_keys:
        yield "public_keys", _key(line)
    for path, verbs in sorted(user.permissions.items()):
        yield f"permissions {path}", ",".join(verbs) or "nothing"
    for folder in user.virtual_folders:
        yield f"virtual_folders {folder.virtual_path}", _folder(folder)
    for pattern in user.filters.file_patterns:
        yield f"filters.file_patterns {pattern.path}", _pattern(pattern)
    for limit in user.filters.bandwidth_limits:
        yield f"filters.bandwidth_limits {','.join(limit.sources)}", _bandwidth(limit)
    for name, value in [*record.items(), *((f"filters.{name}", value) for name, value in filters.items())]:
        if is_set(value):
            yield name, value if isinstance(value, str) else json.dumps(value)
    for name in unenforced(user):
        yield "not enforced", f"{name}: the user cannot log in while it is set"


def _status(user: User) -> str:
    return "enabled" if user.status == 1 else "disabled"


def _date(milliseconds: int) -> str:
    if not milliseconds:
        return "never"
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def _folder(folder: VirtualFolder) -> str:
    if folder.included:
        return f"{folder.name}, in the user's quota"
    size = "any number of" if folder.quota_size is None else folder.quota_size
    files = "any number of" if folder.quota_files is None else folder.quota_files
    return f"{folder.name}, at most {size} bytes and {files} files"


def _pattern(pattern: FilePattern) -> str:
    denied = "hidden" if pattern.deny_policy == HIDE_POLICY else "denied"
    parts = (("allowed", pattern.allowed_patterns), (denied, pattern.denied_patterns))
    return "; ".join(f"{what} {','.join(globs)}" for what, globs in parts if globs)


def _bandwidth(limit: BandwidthLimit) -> str:
    return f"{limit.upload_bandwidth or 'any'} KB/s up, {limit.download_bandwidth or 'any'} KB/s down"


def _credentials(user: User) -> Iterable[str]:
    if user.password:
        yield "password"
    if user.public_keys:
        yield "publickey"


def _key(line: str) -> str:
    try:
        key = split(line)
    except InvalidArgument as error:
        return f"unusable: {error.text}"
    return f"{key.kind} {key.fingerprint} {key.comment}".strip()
