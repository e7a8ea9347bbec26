"""posix-rename@openssh.com: rename that replaces, atomically (OpenSSH PROTOCOL, 4.3)."""

from __future__ import annotations

from typing import Final

from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.rows import Row, ok, two_strings
from conchgo.sftp.server import Maybe


def _rename(server: FilesystemServer, old: bytes, new: bytes) -> Maybe[None]:
    return server.rename(old, new, replace=True)


POSIX_RENAME: Final = Row(
    "posix-rename@openssh.com",
    two_strings,
    _rename,
    ok,
    writes=True,
    needs=("rename_files", "rename_dirs", "overwrite", "delete_dirs"),
    version=b"1",
)
