"""users-groups-by-id@openssh.com: names for numbers (OpenSSH PROTOCOL, 4.12), the session's own user only."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from conchgo.errors import InvalidArgument
from conchgo.sftp import codec
from conchgo.sftp.codec import Malformed, Reader
from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.rows import Row, extended, two_strings

#: Ids that one request may ask for: with the longest names the reply is as large as any other.
_MOST: Final = 1000


def _parse(reader: Reader) -> tuple[bytes, bytes]:
    uids, gids = two_strings(reader)
    if len(uids) % 4 or len(gids) % 4:
        raise Malformed("a list of ids has an odd length")
    return uids, gids


def _lookup(server: FilesystemServer, uids: bytes, gids: bytes) -> bytes:
    """An unknown id is an empty name, as OpenSSH answers.

    Raises:
        InvalidArgument: more ids than one request may ask for (OpenSSH's client then shows numbers).
    """
    if len(uids) + len(gids) > 4 * _MOST:
        raise InvalidArgument(f"too many ids: ask for at most {_MOST} at once")
    identity = server.filesystem.identity
    return _names(uids, identity.user_name) + _names(gids, identity.group_name)


def _names(packed: bytes, name_of: Callable[[int], str]) -> bytes:
    return codec.string(
        b"".join(codec.string(name_of(number).encode()) for (number,) in struct.iter_unpack(">I", packed))
    )


USERS_GROUPS_BY_ID: Final = Row("users-groups-by-id@openssh.com", _parse, _lookup, extended, version=b"1")
