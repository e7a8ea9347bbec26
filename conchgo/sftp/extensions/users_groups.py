"""users-groups-by-id@openssh.com: names for numbers (OpenSSH PROTOCOL, 4.12), the session's own user only."""

from __future__ import annotations

from typing import Final

from conchgo.sftp import codec
from conchgo.sftp.codec import Malformed, Reader
from conchgo.sftp.filesystem_server import FilesystemServer
from conchgo.sftp.requests import Row, extended, two_strings


def _numbers(packed: bytes) -> list[int]:
    if len(packed) % 4:
        raise Malformed("a list of ids has an odd length")
    reader = Reader(packed)
    return [reader.uint32() for _ in range(len(packed) // 4)]


def _parse(reader: Reader) -> tuple[list[int], list[int]]:
    uids, gids = two_strings(reader)
    return _numbers(uids), _numbers(gids)


def _names(server: FilesystemServer, uids: list[int], gids: list[int]) -> bytes:
    """An unknown id is an empty name, as OpenSSH answers."""
    identity = server.filesystem.identity
    users = b"".join(codec.string(identity.user_name(uid).encode()) for uid in uids)
    groups = b"".join(codec.string(identity.group_name(gid).encode()) for gid in gids)
    return codec.string(users) + codec.string(groups)


USERS_GROUPS_BY_ID: Final = Row("users-groups-by-id@openssh.com", _parse, _names, extended, version=b"1")
