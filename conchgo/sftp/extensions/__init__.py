"""Extended requests (OpenSSH PROTOCOL, section 4): a new one is a module here and a row in one of these tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from conchgo.sftp.extensions import (
    check_file,
    copy_data,
    fsync,
    hardlink,
    limits,
    lsetstat,
    posix_rename,
    space,
    users_groups,
    virtual_home,
)
from conchgo.sftp.rows import Row

#: What needs nothing but the engine and its handles, whoever serves the files.
ENGINE: Final[tuple[Row, ...]] = (limits.LIMITS,)

#: What needs a session's Filesystem.
FILESYSTEM: Final[tuple[Row, ...]] = (
    posix_rename.POSIX_RENAME,
    space.STATVFS,
    space.FSTATVFS,
    hardlink.HARDLINK,
    fsync.FSYNC,
    lsetstat.LSETSTAT,
    virtual_home.EXPAND_PATH,
    copy_data.COPY_DATA,
    check_file.CHECK_FILE,
    check_file.CHECK_FILE_HANDLE,
    check_file.CHECK_FILE_NAME,
    virtual_home.HOME_DIRECTORY,
    users_groups.USERS_GROUPS_BY_ID,
)


def by_name(rows: tuple[Row, ...]) -> Mapping[bytes, Row]:
    return {row.name.encode(): row for row in rows}
