"""A client on a real socket that reads only when it is told: what nobody reads stays with the server."""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from twisted.conch.ssh.common import NS

from conchgo.sftp import constants as c
from conchgo.sftp.codec import packet, string, uint32, uint64
from tests.ssh_client import ModernClient, RawClient
from tests.unit.sftp.harness import INIT, NO_ATTRIBUTES, Reply, split

#: Seconds after which what must come has not come.
PATIENCE = 60
WINDOW_ADJUST, CHANNEL_DATA, CHANNEL_CLOSE = 93, 94, 97
MAX_WINDOW = 2**32 - 1
#: Of one CHANNEL_DATA: what servers take.
_PIECE = 32 * 1024


class SocketClient:
    """Logged in by password. `client` holds what was read; nothing is read but by `until`."""

    def __init__(self, port: int, username: str, password: str, client: RawClient | None = None) -> None:
        self.socket = socket.socket()
        # A small buffer, so that the server's begins to fill soon.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        self.client = client or ModernClient(mac=b"hmac-sha2-256-etm@openssh.com")
        self._seen = 0
        #: What was read of each channel, by its number at the server (it is the same at our end).
        self.outputs: defaultdict[int, bytearray] = defaultdict(bytearray)
        self.client.makeConnection(_Transport(self.socket))
        self.until(lambda: self.client.key_exchanges == 1)
        self.client.request_userauth()
        self.client.password(username.encode(), password.encode())
        self.until(lambda: bool(self.client.received(52)))

    def until(self, condition: Callable[[], bool]) -> None:
        """Read until something holds."""
        while not condition():
            data = self.socket.recv(2**18)
            assert data, f"the server ended the connection: {self.client.disconnect}"
            self._take(data)

    def read_to_the_end(self) -> None:
        """What comes until the server closes the connection."""
        while data := self.socket.recv(2**18):
            self._take(data)

    def _take(self, data: bytes) -> None:
        self.client.dataReceived(data)
        for number, payload in self.client.messages[self._seen :]:
            if number == CHANNEL_DATA:
                self.outputs[int.from_bytes(payload[:4], "big")] += payload[8:]
        self._seen = len(self.client.messages)

    def sftp(self, *, window: int = MAX_WINDOW, max_packet: int = 2**15) -> int:
        """An SFTP channel that has greeted if its window allows it; its number at the server."""
        channel = self._start(b"subsystem", b"sftp", window, max_packet)
        self.send(channel, INIT)
        return channel

    def command(self, line: bytes, *, window: int = MAX_WINDOW) -> int:
        """A channel that was told to run a command line; its number at the server."""
        return self._start(b"exec", line, window, 2**15)

    def _start(self, request: bytes, what: bytes, window: int, max_packet: int) -> int:
        before = len(self.client.received(91))
        self.client.open_session(number=before, window=window, max_packet=max_packet)
        self.until(lambda: len(self.client.received(91)) > before)
        (channel,) = struct.unpack(">4xL", self.client.received(91)[-1][:8])
        self.client.channel_request(channel, request, NS(what))
        return int(channel)

    def send(self, channel: int, data: bytes) -> None:
        """All of it; it must fit the window, and the server must read it."""
        for at in range(0, len(data), _PIECE):
            self.client.send_channel(CHANNEL_DATA, channel, NS(data[at : at + _PIECE]))

    def replies(self, channel: int) -> list[Reply]:
        """The whole replies that were read, without VERSION."""
        output, end = self.outputs[channel], 0
        while len(output) >= end + 4 and len(output) >= (after := end + 4 + struct.unpack_from(">I", output, end)[0]):
            end = after
        return split(output[:end])[1:]

    def open(self, channel: int, path: bytes) -> bytes:
        """A handle for reading, as the first request of the channel."""
        self.send(channel, packet(c.FXP_OPEN, 0, string(path) + uint32(c.FXF_READ) + NO_ATTRIBUTES))
        self.until(lambda: bool(self.replies(channel)))
        return self.replies(channel)[0].handle

    def adjust(self, channel: int, count: int) -> None:
        """Open the window of our end."""
        self.client.send_channel(WINDOW_ADJUST, channel, uint32(count))

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> SocketClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(handle: bytes, number: int, offset: int, length: int) -> bytes:
    """A READ as a packet."""
    return packet(c.FXP_READ, number, string(handle) + uint64(offset) + uint32(length))


class _Transport:
    """What a client of Twisted writes to."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.write = connected.sendall

    def writeSequence(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def loseConnection(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def setTcpNoDelay(self, on: bool) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, on)

    def getPeer(self) -> None:
        return None

    getHost = getPeer
