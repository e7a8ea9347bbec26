"""lsetstat@openssh.com: SETSTAT that changes a symbolic link itself (OpenSSH PROTOCOL, 4.7)."""

from __future__ import annotations

from typing import Final

from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.rows import Row, ok, string_and_attributes
from conchgo.sftp.server import Maybe
from conchgo.vfs.interface import Attributes


def _set(server: FilesystemServer, path: bytes, changes: Attributes) -> Maybe[None]:
    return server.setstat(path, changes, link=True)


LSETSTAT: Final = Row(
    "lsetstat@openssh.com",
    string_and_attributes,
    _set,
    ok,
    writes=True,
    needs=("chmod", "chown", "chtimes", "overwrite"),
    version=b"1",
)
