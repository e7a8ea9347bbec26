"""Parts of files that are copied within the server: by the storage where it can, else read and written here."""

from __future__ import annotations

from typing import Final

from conchgo.errors import Unsupported
from conchgo.storage.interface import RangeCopies
from conchgo.vfs.interface import Inside

#: Bytes that are read and written at once.
_PIECE: Final = 1024 * 1024


def able(file: object) -> RangeCopies:
    """The file. Raises Unsupported: its storage copies nothing by itself."""
    if isinstance(file, RangeCopies):
        return file
    raise Unsupported


def copy_part(source: Inside, target: Inside, offset: int, length: int, to: int) -> int:
    """Copy up to `length` bytes; the count, which may be less, and is 0 only where the source ends."""
    try:
        count = source.copy_to(target, offset, length, to)
        if count:
            return count
    except Unsupported:
        pass
    data = source.pread(min(length, _PIECE), offset)
    if data:
        target.pwritev([memoryview(data)], to)
    return len(data)
