"""What the operating system raises, in the words of `conchgo.errors`."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from conchgo.errors import (
    AlreadyExists,
    BadHandle,
    ConchgoError,
    CrossStorage,
    DirectoryNotEmpty,
    Failure,
    InvalidArgument,
    InvalidPath,
    IsADirectory,
    NoSpace,
    NotADirectory,
    NotFound,
    PermissionDenied,
    ReadOnlyStorage,
    TooManyOpenFiles,
    Unsupported,
)

by_errno: Final[dict[int, type[ConchgoError]]] = {
    errno.ENOENT: NotFound,
    errno.ENOTDIR: NotADirectory,
    errno.EISDIR: IsADirectory,
    errno.EEXIST: AlreadyExists,
    errno.ENOTEMPTY: DirectoryNotEmpty,
    errno.EACCES: PermissionDenied,
    errno.EPERM: PermissionDenied,
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.EROFS: ReadOnlyStorage,
    errno.EMFILE: TooManyOpenFiles,
    errno.ENFILE: TooManyOpenFiles,
    errno.ENAMETOOLONG: InvalidPath,
    errno.EILSEQ: InvalidPath,  # a file system that takes UTF-8 names only
    errno.EXDEV: CrossStorage,
    errno.EINVAL: InvalidArgument,
    errno.EBADF: BadHandle,
    errno.ENOSYS: Unsupported,
    errno.EOPNOTSUPP: Unsupported,
}


def domain_error(error: OSError) -> ConchgoError:
    """The domain error for `error`. Of the rest the text is strerror(3)'s: the file name in it would be a real one."""
    code = error.errno or errno.EIO
    known = by_errno.get(code)
    return known() if known else Failure(os.strerror(code))


@contextmanager
def translated() -> Iterator[None]:
    """Raise what OSErrors of the block mean."""
    try:
        yield
    except OSError as error:
        raise domain_error(error) from error
