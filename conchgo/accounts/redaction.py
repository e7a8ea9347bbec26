"""Secrets in records: SFTPGo writes each one as an object {status, payload, key, ...}."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from conchgo.accounts.naming import shown
from conchgo.errors import InvalidArgument

REDACTED: Final = "Redacted"


def without_secrets(value: Any) -> Any:
    """The same for people to see."""
    if _is_secret(value):
        return {"status": REDACTED}
    if isinstance(value, dict):
        return {name: without_secrets(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_secrets(item) for item in value]
    return value


def refuse_redacted(record: Mapping[str, Any]) -> None:
    """Raises InvalidArgument: a secret of the record was taken out for showing, and would be lost."""
    for name in _redacted("", record):
        raise InvalidArgument(f"{name}: the secret was redacted; give the secret itself, or leave the field out")


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and "status" in value and "payload" in value


def _redacted(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if name and value.get("status") == REDACTED:
            yield shown(name)
        for key, item in value.items():
            yield from _redacted(f"{name}.{key}" if name else key, item)
    elif isinstance(value, list):
        for item in value:
            yield from _redacted(name, item)
