"""statvfs@openssh.com and fstatvfs@openssh.com: how much room there is (OpenSSH PROTOCOL, 4.4)."""

from __future__ import annotations

from typing import Final

from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.rows import Handles, Row, extended, one_string
from conchgo.sftp.server import Maybe, ServedFile, Server


def _of_path(server: FilesystemServer, path: bytes) -> Maybe[bytes]:
    return server.space(server.path(path))


def _of_file(_: Server, file: ServedFile) -> Maybe[bytes]:
    return file.space()


STATVFS: Final = Row("statvfs@openssh.com", one_string, _of_path, extended, needs=("list",), version=b"2")
FSTATVFS: Final = Row(
    "fstatvfs@openssh.com", one_string, _of_file, extended, Handles.FILE, needs=("list",), version=b"2"
)
