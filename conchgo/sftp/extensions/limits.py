"""limits@openssh.com: how much one packet may carry, so that clients ask for it (OpenSSH PROTOCOL, 4.8)."""

from __future__ import annotations

from typing import Final

from conchgo.sftp import codec
from conchgo.sftp import constants as c
from conchgo.sftp.codec import Reader
from conchgo.sftp.rows import Row, extended
from conchgo.sftp.server import Server


def _nothing(_: Reader) -> tuple[()]:
    return ()


def _limits(_: Server) -> bytes:
    return b"".join(map(codec.uint64, (c.MAX_PACKET, c.MAX_DATA, c.MAX_DATA, c.MAX_HANDLES)))


LIMITS: Final = Row("limits@openssh.com", _nothing, _limits, extended, version=b"1")
