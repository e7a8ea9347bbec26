"""fsync@openssh.com: the file's bytes are on the disk when the answer comes (OpenSSH PROTOCOL, 4.6)."""

from __future__ import annotations

from typing import Final

from conchgo.sftp.rows import Handles, Row, ok, one_string
from conchgo.sftp.server import Maybe, ServedFile, Server


def _sync(_: Server, file: ServedFile) -> Maybe[None]:
    return file.sync()


FSYNC: Final = Row("fsync@openssh.com", one_string, _sync, ok, Handles.FILE, writes=True, version=b"1")
