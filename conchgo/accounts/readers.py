"""Reads fields of JSON objects: each one checked for its type, and named where it is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from conchgo.accounts.naming import shown
from conchgo.errors import InvalidArgument

T = TypeVar("T")

#: Takes the field's name, for messages, and its value. Raises InvalidArgument: the value has another type.
Reader = Callable[[str, Any], Any]


def read(record: Mapping[str, Any], readers: Mapping[str, Reader], prefix: str = "") -> dict[str, Any]:
    """The fields that have a reader and are set. Raises InvalidArgument: one has a value of the wrong type."""
    return {
        name: reader(prefix + name, record[name])
        for name, reader in readers.items()
        if record.get(name) is not None  # null is SFTPGo's "not set"
    }


def rest(record: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The other fields."""
    return {name: value for name, value in record.items() if name not in frozenset(known)}


def text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a text")
    return value


def integer(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number")
    return value


def limit(name: str, value: Any) -> int | None:
    """0 is SFTPGo's "no limit"."""
    return integer(name, value) or None


def texts(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, "a list of texts")
    return tuple(value)


def objects(reader: Callable[[str, Mapping[str, Any]], T]) -> Callable[[str, Any], tuple[T, ...]]:
    """The reader of a list of objects, each of which `reader` reads."""

    def read_all(name: str, value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise _wrong(name, "a list of objects")
        return tuple(reader(f"{name}: number {number}", mapping(name, item)) for number, item in enumerate(value, 1))

    return read_all


def mapping(name: str, value: Any, what: str = "an object") -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, what)
    return value


def _wrong(name: str, wanted: str) -> InvalidArgument:
    return InvalidArgument(f"{shown(name)}: must be {wanted}")
