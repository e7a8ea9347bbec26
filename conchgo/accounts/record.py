"""A user as a JSON object, in the form and with the names of SFTPGo's dumps.

What SFTPGo writes for "not set" (0, "", an empty list, null, a missing field) is read as not set. What conchgo does not
know keeps its value in `extra`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from conchgo.accounts.model import Filters, User
from conchgo.accounts.naming import shown
from conchgo.errors import InvalidArgument

_Reader = Callable[[str, Any], Any]

REDACTED: Final = "Redacted"


def from_record(record: Mapping[str, Any]) -> User:
    """The user that a record describes. It is not validated; `permissions` left out are none.

    Raises:
        InvalidArgument: a field has a value of the wrong type, or a secret that was taken out for showing.
    """
    for name in _redacted("", record):
        raise InvalidArgument(f"{name}: the secret was redacted; give the secret itself, or leave the field out")
    given = {"username": "", "home_dir": "", "permissions": {}} | _read(record, _USER, "")
    return User(**given, extra=_rest(record, _USER.keys() | {"has_password"}))


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
        },
    }


def shown_record(user: User) -> dict[str, Any]:
    """The record for people to see: `has_password` in place of the hash, no secret of any other field."""
    record: dict[str, Any] = _without_secrets(to_record(user))
    del record["password"]
    return {**record, "has_password": bool(user.password)}


def _read(record: Mapping[str, Any], readers: Mapping[str, _Reader], prefix: str) -> dict[str, Any]:
    return {
        name: reader(prefix + name, record[name])
        for name, reader in readers.items()
        if record.get(name) is not None  # null is SFTPGo's "not set"
    }


def _rest(record: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in known}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a text")
    return value


def _integer(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number")
    return value


def _limit(name: str, value: Any) -> int | None:
    return _integer(name, value) or None


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, "a list of texts")
    return tuple(value)


def _verbs(name: str, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise _wrong(name, "an object of directories with a list of verbs each")
    return {path: _texts(f"{name}.{path}", [] if verbs is None else verbs) for path, verbs in value.items()}


def _filters(name: str, value: Any) -> Filters:
    if not isinstance(value, dict):
        raise _wrong(name, "an object")
    return Filters(**_read(value, _FILTERS, f"{name}."), extra=_rest(value, set(_FILTERS)))


def _wrong(name: str, wanted: str) -> InvalidArgument:
    return InvalidArgument(f"{shown(name)}: must be {wanted}")


def _is_secret(value: Any) -> bool:
    """SFTPGo writes every secret as an object {status, payload, key, ...}."""
    return isinstance(value, dict) and "status" in value and "payload" in value


def _without_secrets(value: Any) -> Any:
    if _is_secret(value):
        return {"status": REDACTED}
    if isinstance(value, dict):
        return {name: _without_secrets(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return value


def _redacted(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if name and value.get("status") == REDACTED:
            yield shown(name)
        for key, item in value.items():
            yield from _redacted(f"{name}.{key}" if name else key, item)
    elif isinstance(value, list):
        for item in value:
            yield from _redacted(name, item)


_USER: Final[Mapping[str, _Reader]] = {
    "username": _text,
    "status": _integer,
    "expiration_date": _integer,
    "password": _text,
    "public_keys": _texts,
    "home_dir": _text,
    "uid": _integer,
    "gid": _integer,
    "max_sessions": _integer,
    "quota_size": _limit,
    "quota_files": _limit,
    "permissions": _verbs,
    "email": _text,
    "description": _text,
    "additional_info": _text,
    "filters": _filters,
}

_FILTERS: Final[Mapping[str, _Reader]] = {
    "start_directory": _text,
    "allowed_ip": _texts,
    "denied_ip": _texts,
    "denied_login_methods": _texts,
    "denied_protocols": _texts,
}
