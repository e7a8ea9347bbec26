"""Which fields are set but not enforced: nobody gets in with such a field, because nothing is silently ignored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from conchgo.accounts.model import Folder, User

#: Facts about the account, or settings of doors that conchgo does not have: they restrict nothing here.
HARMLESS: Final = frozenset(
    {
        "id",
        "created_at",
        "updated_at",
        "last_login",
        "first_download",
        "first_upload",
        "last_password_change",
        "last_quota_update",
        "used_quota_size",
        "used_quota_files",
        "used_upload_data_transfer",
        "used_download_data_transfer",
        "role",
        "oidc_custom_fields",
        "filters.additional_emails",
        "filters.allow_api_key_auth",
        "filters.default_shares_expiration",
        "filters.disable_fs_checks",
        "filters.external_auth_cache_time",
        "filters.ftp_security",
        "filters.max_shares_expiration",
        "filters.recovery_codes",
        "filters.tls_certs",
        "filters.tls_username",
        "filters.user_type",
        "filters.web_client",
    }
)

#: The same of a folder: what was counted elsewhere, and who has it.
HARMLESS_IN_FOLDER: Final = frozenset(
    {"id", "used_quota_size", "used_quota_files", "last_quota_update", "users", "groups"}
)


def unenforced(user: User) -> list[str]:
    """Names of the fields that would restrict the user or change what it sees, were they enforced."""
    return [name for name, value in _claims(user) if name not in HARMLESS and _SPECIAL.get(name, is_set)(value)]


def unenforced_in_folder(folder: Folder) -> list[str]:
    """The same of a folder."""
    return [
        name
        for name, value in folder.extra.items()
        if name not in HARMLESS_IN_FOLDER and _SPECIAL.get(name, is_set)(value)
    ]


def is_set(value: Any) -> bool:
    """Whether a value says anything: zero, false, null, empty texts and what holds only such say nothing."""
    if isinstance(value, Mapping):
        return any(is_set(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(is_set(item) for item in value)
    return bool(value)


def _claims(user: User) -> Iterator[tuple[str, Any]]:
    yield from user.extra.items()
    for folder in user.virtual_folders:
        yield from ((f"virtual_folders.{name}", value) for name, value in folder.extra.items())
    for name, value in user.filters.extra.items():
        yield f"filters.{name}", value


def _is_other_storage(value: Any) -> bool:
    """Beside the provider (0: local) SFTPGo writes the unused settings of every other one."""
    return is_set(value.get("provider")) if isinstance(value, Mapping) else is_set(value)


def _is_enabled(value: Any) -> bool:
    """A second factor that was prepared and switched off again keeps its secret."""
    return is_set(value.get("enabled")) if isinstance(value, Mapping) else is_set(value)


_SPECIAL: Final[Mapping[str, Callable[[Any], bool]]] = {
    "filesystem": _is_other_storage,
    "filters.totp_config": _is_enabled,
}
