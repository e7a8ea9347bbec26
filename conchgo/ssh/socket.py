"""The socket of one connection: buffers go out as they are, in one system call, and logins don't wait for ACKs.

Twisted's own joins everything it is to send, and takes bytes only: for bulk data that is two copies of each byte.
"""

from __future__ import annotations

import socket
from collections import deque
from errno import EAGAIN, EINTR, ENOBUFS, EWOULDBLOCK
from itertools import islice
from typing import Any, Final

from twisted.internet import main, tcp

from conchgo.edge.stream import Buffer

#: Bytes that wait to be sent: above this the producer is paused, below half of it resumed.
HIGH_WATER: Final = 1024 * 1024
RECEIVE: Final = 256 * 1024
#: Where a thousand times as much may come out of it by decompression: nobody else's turn comes before that is done.
RECEIVE_COMPRESSED: Final = RECEIVE // 16
#: Buffers of one sendmsg(2): far below IOV_MAX, and 2 MiB of bulk data.
_GATHER: Final = 64
_NOT_NOW: Final = frozenset({EAGAIN, EWOULDBLOCK, ENOBUFS, EINTR})


class GatheringSocket(tcp.Server):
    """A `twisted.internet.tcp.Server` whose output is a queue of buffers, which nobody may change once written."""

    bufferSize = RECEIVE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._queue: deque[memoryview] = deque()
        self._queued = 0
        #: Set until the login is done: OpenSSH's client waits for the ACK of each small packet (Nagle), up to 40 ms.
        self.quick_acks = True

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._queued

    def write(self, data: Buffer) -> None:
        if not data or not self.connected or self._writeDisconnected:
            return
        self._queue.append(memoryview(data))
        self._queued += len(data)
        producer: Any = self.producer
        if self._queued > HIGH_WATER and producer is not None:
            self.producerPaused = True
            producer.pauseProducing()
        self.startWriting()

    def writeSequence(self, iovec: Any) -> None:
        for data in iovec:
            self.write(data)

    def doRead(self) -> Any:
        result = super().doRead()
        if self.quick_acks and result is None and self.connected:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return result

    def doWrite(self) -> Any:
        try:
            sent = self.socket.sendmsg(list(islice(self._queue, _GATHER)))
        except OSError as error:
            return None if error.errno in _NOT_NOW else main.CONNECTION_LOST
        self._drop(sent)
        producer: Any = self.producer
        if self._queued < HIGH_WATER // 2 and self.producerPaused and producer is not None:
            self.producerPaused = False
            producer.resumeProducing()
        if self._queued:
            return None
        self.stopWriting()
        if self.disconnecting:
            return self._postLoseConnection()
        return None

    def _isSendBufferFull(self) -> bool:
        return self._queued > HIGH_WATER

    def _drop(self, count: int) -> None:
        """Forget what was sent."""
        self._queued -= count
        while count:
            first = self._queue[0]
            if count < len(first):
                self._queue[0] = first[count:]
                return
            count -= len(first)
            self._queue.popleft()
