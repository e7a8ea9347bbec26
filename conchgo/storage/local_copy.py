"""Copies from file to file by the system: blocks are shared where the file system can, holes stay holes."""

from __future__ import annotations

import errno
import os
from typing import Final

from conchgo.errors import Unsupported
from conchgo.storage.oserrors import domain_error

#: Not between these two, not on these file systems, or not by this kernel (copy_file_range(2)).
_UNABLE: Final = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY, errno.EOVERFLOW}
)


#: Bytes of a block in `st_blocks`, on every file system (stat(3)).
_BLOCK: Final = 512


def copy_range(source: int, target: int, offset: int, length: int, to: int) -> int:
    """Copy up to `length` bytes from one descriptor to another; the count, 0 where the source has no more.

    Raises:
        Unsupported: the system can't, and nothing was written.
    """
    try:
        hole = min(length, _hole(source, offset))
        if hole and os.fstat(target).st_size <= to:
            # Its last byte makes it as long; to set the size might cut off what somebody else writes just now.
            return hole if os.pwrite(target, b"\0", to + hole - 1) else 0
        return os.copy_file_range(source, target, length, offset, to)
    except OSError as error:
        if error.errno in _UNABLE:
            raise Unsupported from error
        raise domain_error(error) from error


def _hole(descriptor: int, offset: int) -> int:
    """Bytes of the hole at the offset, if one begins there. Where it ends is quickly found, where data end is not."""
    found = os.fstat(descriptor)
    if found.st_blocks * _BLOCK >= found.st_size:
        return 0
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA) - offset
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return max(found.st_size - offset, 0)
