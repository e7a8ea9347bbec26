"""What every backend refuses before it looks at its tree, so that all of them refuse the same."""

from __future__ import annotations

import stat
from typing import Final

from conchgo.errors import InvalidArgument, InvalidPath, QuotaExceeded
from conchgo.paths import MAX_PATH, VirtualPath, not_names
from conchgo.storage.interface import Attributes

#: Longest component in bytes, as NAME_MAX on Linux.
MAX_NAME: Final = 255
#: Largest size and offset in bytes, as off_t.
MAX_SIZE: Final = 2**63 - 1
#: The id that chown(2) takes for "leave it as it is" is no owner.
MAX_ID: Final = 2**32 - 2

#: Read, write and execute: what may be asked of a mode.
PLAIN_MODE: Final = 0o777


def checked(path: VirtualPath) -> bytes:
    """The path relative to the root; empty for the root itself.

    `VirtualPath.parse` makes plain names only; a path put together by hand must not leave the root either.

    Raises:
        InvalidPath: it or one of its components is too long, or a component is no plain name.
    """
    names = path.parts
    relative = b"/".join(names)
    if len(relative) > MAX_NAME and max(map(len, names)) > MAX_NAME:
        raise InvalidPath(f"invalid path: a name in it is longer than {MAX_NAME} bytes")
    if relative.count(b"/") != max(len(names) - 1, 0) or b"\0" in relative or not not_names.isdisjoint(names):
        raise InvalidPath("invalid path: a component is not a plain name")
    if len(relative) >= MAX_PATH:
        raise InvalidPath(f"invalid path: longer than {MAX_PATH} bytes")
    return relative


def changed_mode(found: int, asked: int) -> int:
    """The permission bits after a change of mode; `found` is the mode before, type included.

    A set-user-ID or set-group-ID file is nobody's to make: it could belong to the server's own account. A directory
    keeps the special bits that it has (its files inherit the group, for instance).
    """
    kept = found & 0o7000 if stat.S_ISDIR(found) else 0
    return asked & PLAIN_MODE | kept


def check_target(target: bytes) -> None:
    """Raise InvalidPath where `target` cannot be written into a symbolic link."""
    if not target or b"\0" in target or len(target) > MAX_PATH:
        raise InvalidPath(f"invalid link target: it must have 1 to {MAX_PATH} bytes and no NUL")


def check_open(*, read: bool, write: bool, truncate: bool) -> None:
    """Raise InvalidArgument where an open asks for nothing, or would empty a file without the right to write."""
    if not (read or write):
        raise InvalidArgument("invalid open: neither read nor write is asked")
    if truncate and not write:
        raise InvalidArgument("invalid open: truncate needs write")


def check_growth(size: int, length: int, most: int | None) -> None:
    """Raise QuotaExceeded where a file of that size may not have so many bytes more."""
    if most is not None and length and size + length > most:
        raise QuotaExceeded(f"quota exceeded: a file may have at most {most} bytes")


def check_range(offset: int, length: int) -> None:
    """Raise InvalidArgument where a write of `length` bytes at `offset` ends behind MAX_SIZE."""
    if offset < 0 or length < 0 or offset + length > MAX_SIZE:
        raise InvalidArgument("invalid offset or length")


def is_within_reach(offset: int, length: int) -> bool:
    """Whether a read of `length` bytes at `offset` can find any: not if it ends behind MAX_SIZE.

    Raises InvalidArgument where one of them is negative.
    """
    if offset < 0 or length < 0:
        raise InvalidArgument("invalid offset or length")
    return offset + length <= MAX_SIZE


def check_changes(changes: Attributes) -> None:
    """Raise InvalidArgument where a size, an owner or a time is out of range."""
    if changes.size is not None and not 0 <= changes.size <= MAX_SIZE:
        raise InvalidArgument("invalid size")
    if any(owner is not None and not 0 <= owner <= MAX_ID for owner in (changes.uid, changes.gid)):
        raise InvalidArgument("invalid user or group id")
    if any(time is not None and abs(time) > MAX_SIZE for time in (changes.atime, changes.mtime)):
        raise InvalidArgument("invalid time")
