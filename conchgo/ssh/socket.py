"""The socket of one connection: buffers go out as they are, in one system call, and logins don't wait for ACKs.

Twisted's own joins everything it is to send, takes bytes only and makes new ones of all that it receives: for bulk data
these are two copies of each byte.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from errno import EAGAIN, EINTR, ENOBUFS, EWOULDBLOCK
from typing import Any, Final, Protocol, cast

from twisted.internet import main, tcp

from conchgo.edge.stream import Buffer
from conchgo.ssh.packet_buffer import BufferPool, PacketBuffer
from conchgo.ssh.receive_buffer import RECEIVE, ReceiveBuffer

#: Bytes that wait to be sent: above this the producer is paused, below half of it resumed.
HIGH_WATER: Final = 1024 * 1024
#: Packets together are no larger where they are joined: a queue of thousands would take ten times their bytes.
_JOINED: Final = 4 * 1024
#: Buffers of one sendmsg(2): far below IOV_MAX, and 2 MiB of bulk data.
_GATHER: Final = 64
_NOT_NOW: Final = frozenset({EAGAIN, EWOULDBLOCK, ENOBUFS, EINTR})


class Receiver(Protocol):
    """What the protocol over such a socket offers instead of dataReceived."""

    receive_buffer: ReceiveBuffer

    def input_received(self, count: int) -> None:
        """So many bytes have come into the buffer; the next ones are written over them."""
        ...


class GatheringSocket(tcp.Server):
    """A `twisted.internet.tcp.Server` whose output is a queue of buffers: its own once they are written."""

    __slots__ = ("_lent", "_queue", "_queued", "_reading", "quick_acks", "read_limit")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Lists, because they are nearly always empty: an empty deque takes 600 bytes.
        self._queue: list[Buffer] = []
        #: For each of the queue the buffer in which it lies, and its pool, if so.
        self._lent: list[tuple[PacketBuffer, BufferPool] | None] = []
        self._queued = 0
        self._reading = False
        #: The most bytes to read at once.
        self.read_limit = RECEIVE
        #: Set until the login is done: OpenSSH's client waits for the ACK of each small packet (Nagle), up to 40 ms.
        self.quick_acks = True

    @property
    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._queued

    def write(self, data: Buffer) -> None:
        if self._takes_output and data:
            last = self._queue[-1] if self._queue else None
            if isinstance(last, bytearray) and len(last) + len(data) <= _JOINED:
                last += data
            else:
                self._queue.append(data)
                self._lent.append(None)
            self._added(len(data))

    def write_buffers(self, packets: Sequence[memoryview], buffers: Iterable[PacketBuffer], pool: BufferPool) -> None:
        """Send packets that lie in buffers; these go back to the pool when all of them is sent."""
        if self._takes_output:
            self._queue.extend(packets)
            self._lent.extend((buffer, pool) for buffer in buffers)
            self._added(sum(map(len, packets)))

    @property
    def _takes_output(self) -> bool:
        return bool(self.connected and not self._writeDisconnected)

    def _added(self, count: int) -> None:
        self._queued += count
        producer: Any = self.producer
        if self._queued > HIGH_WATER and producer is not None:
            self.producerPaused = True
            producer.pauseProducing()
        if not self._reading:
            self.startWriting()

    def writeSequence(self, iovec: Any) -> None:
        for data in iovec:
            self.write(data)

    def doRead(self) -> Any:
        receiver = cast(Receiver, self.protocol)
        try:
            count = self.socket.recv_into(receiver.receive_buffer.room, self.read_limit)
        except OSError as error:
            return None if error.errno in _NOT_NOW else main.CONNECTION_LOST
        if not count:
            return main.CONNECTION_DONE
        self._reading = True
        try:
            receiver.input_received(count)
        finally:
            self._reading = False
        if not self.connected:
            return None
        if not self._queue:
            # Else the answer is the ACK.
            if self.quick_acks:
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            return None
        # Answers leave with the turn that made them: nearly always the kernel takes them, and epoll need not be asked.
        why = self._send()
        if self._queue:
            self.startWriting()
        return why

    def doWrite(self) -> Any:
        why = self._send() if self._queue else None
        if why is not None or self._queue:
            return why
        self.stopWriting()
        if self.disconnecting:
            return self._postLoseConnection()
        return None

    def _send(self) -> Any:
        """Give the kernel what it takes; why the connection is lost, if it is."""
        try:
            sent = self.socket.sendmsg(self._queue[:_GATHER])
        except OSError as error:
            return None if error.errno in _NOT_NOW else main.CONNECTION_LOST
        self._drop(sent)
        producer: Any = self.producer
        if self._queued < HIGH_WATER // 2 and self.producerPaused and producer is not None:
            self.producerPaused = False
            producer.resumeProducing()
        return None

    def _isSendBufferFull(self) -> bool:
        return self._queued > HIGH_WATER

    def _drop(self, count: int) -> None:
        """Forget what was sent."""
        queue = self._queue
        self._queued -= count
        sent = 0
        while count and count >= len(queue[sent]):
            count -= len(queue[sent])
            sent += 1
        if count:
            queue[sent] = memoryview(queue[sent])[count:]
        for lent in self._lent[:sent]:
            if lent is not None:
                buffer, pool = lent
                pool.give_back(buffer)
        del queue[:sent], self._lent[:sent]
