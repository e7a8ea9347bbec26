"""What a server says before any login: its version, ciphers and MACs (RFC 4253, sections 4.2 and 7.1)."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

#: Seconds after which something that must happen has not happened.
PATIENCE: Final = 300
#: In a packet's payload: the message's number and the cookie.
_BEFORE_NAME_LISTS: Final = 1 + 16
#: Of the ten name-lists: from server to client.
_CIPHERS: Final = 3
_MACS: Final = 5


@dataclass(frozen=True)
class Offer:
    """Names as on the wire."""

    software: str
    ciphers: frozenset[str]
    macs: frozenset[str]


def offer(port: int, alive: Callable[[], bool]) -> Offer:
    """Wait until somebody listens, as long as the server is `alive`, and ask.

    Raises:
        OSError: nobody does, or it says nothing that makes sense.
    """
    with _connection(port, alive) as connection, connection.makefile("rb") as stream:
        connection.sendall(b"SSH-2.0-bench\r\n")
        banner = stream.readline(256)
        while banner and not banner.startswith(b"SSH-"):
            banner = stream.readline(256)
        length, padding = struct.unpack(">IB", _exactly(stream.read(5), 5))
        names = _name_lists(_exactly(stream.read(length - 1), length - 1)[:-padding])
    return Offer(banner.decode(errors="replace").strip(), frozenset(names[_CIPHERS]), frozenset(names[_MACS]))


def _connection(port: int, alive: Callable[[], bool]) -> socket.socket:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), PATIENCE)
        except ConnectionRefusedError:
            if time.monotonic() > deadline or not alive():
                raise
            time.sleep(0.02)


def _exactly(data: bytes, count: int) -> bytes:
    if len(data) != count:
        raise ConnectionError("the server closed the connection before its first packet ended")
    return data


def _name_lists(kexinit: bytes) -> list[list[str]]:
    at = _BEFORE_NAME_LISTS
    lists = []
    for _ in range(10):
        (size,) = struct.unpack_from(">I", kexinit, at)
        lists.append(kexinit[at + 4 : at + 4 + size].decode("ascii").split(","))
        at += 4 + size
    return lists
