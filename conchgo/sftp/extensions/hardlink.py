"""hardlink@openssh.com: a second name for a file (OpenSSH PROTOCOL, 4.5)."""

from __future__ import annotations

from typing import Final

from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.rows import Row, ok, two_strings
from conchgo.sftp.server import Maybe


def _link(server: FilesystemServer, existing: bytes, new: bytes) -> Maybe[None]:
    return server.link(existing, new)


HARDLINK: Final = Row(
    "hardlink@openssh.com", two_strings, _link, ok, writes=True, needs=("create_symlinks", "upload"), version=b"1"
)
