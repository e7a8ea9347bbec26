"""Whether a public key that a client shows is one of a user's."""

from __future__ import annotations

from collections.abc import Iterable

from conchgo.accounts.public_keys import fingerprint, parse, split
from conchgo.errors import InvalidArgument

__all__ = ["fingerprint", "matches"]


def matches(lines: Iterable[str], blob: bytes) -> bool:
    """Whether `blob` (RFC 4253, 6.6) stands on one of the lines of an authorized_keys file.

    A line that would not be accepted today (options, a weak or damaged key) is nobody's.
    """
    return any(_matches(line, blob) for line in lines)


def _matches(line: str, blob: bytes) -> bool:
    try:
        return split(line).blob == blob and parse(line).blob == blob
    except InvalidArgument:
        return False
