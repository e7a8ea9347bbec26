"""What connections share: the buffers that data leaves from, and the one that it comes into.

Two connections on sockets that take and give as little as they like, windows that open as they like, new keys and ends
in between: each client gets just the bytes that were written for it, in order, and all of them in the end.
"""

from __future__ import annotations

import os
import struct
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from errno import EAGAIN
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from conchgo.edge.stream import Stream
from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.compression import DELAYED_ZLIB, NONE
from conchgo.ssh.packet_buffer import BufferPool, PacketBuffer
from conchgo.ssh.receive_buffer import RECEIVE, RECEIVE_LITTLE
from conchgo.ssh.socket import GatheringSocket
from tests.ssh_client import ModernClient
from tests.ssh_server import Gate, make_factory

IGNORE, GLOBAL_REQUEST, REQUEST_FAILURE, ADJUST, DATA, EXTENDED, CLOSE = 2, 80, 82, 93, 94, 95, 97
CHANNELS = 2
_FOREVER = 2**31


class StrictPool(BufferPool):
    """Spoils what comes back, and notices who gives back what was not lent."""

    def __init__(self) -> None:
        super().__init__()
        self.lent: set[int] = set()

    def take(self, count: int) -> list[PacketBuffer]:
        taken = super().take(count)
        assert self.lent.isdisjoint(map(id, taken))
        self.lent.update(map(id, taken))
        return taken

    def give_back(self, buffer: PacketBuffer) -> None:
        self.lent.remove(id(buffer))
        buffer.view[:] = b"\xee" * len(buffer.view)
        super().give_back(buffer)


class Kernel:
    """A socket's other side: `inbox` is still to be read, `sent` was taken, `room` bytes may be taken now."""

    def __init__(self) -> None:
        self.inbox, self.sent = b"", bytearray()
        self.room = _FOREVER
        self.piece = _FOREVER
        #: Bytes that were read last.
        self.read = 0

    def sendmsg(self, buffers: Sequence[Any]) -> int:
        data = b"".join(buffers)[: self.room]
        if not data and any(buffers):
            raise BlockingIOError(EAGAIN, "full")
        self.room -= len(data)
        self.sent += data
        return len(data)

    def recv_into(self, room: memoryview, limit: int) -> int:
        count = min(limit, self.piece, len(self.inbox))
        if not count:
            raise BlockingIOError(EAGAIN, "empty")
        self.read = count
        room[:count], self.inbox = self.inbox[:count], self.inbox[count:]
        return count

    def ignored(self, *_: object) -> None:
        """Options of sockets."""

    setblocking = setsockopt = shutdown = close = ignored

    def fileno(self) -> int:
        return 3


class Source:
    """A program that sends what is in `backlog` as fast as it is taken, half of it in reserved room."""

    busy = False

    def __init__(self) -> None:
        self.stream: Stream
        self.backlog: list[tuple[bytes, int]] = []

    def started(self, stream: Stream) -> None:
        self.stream = stream

    def make(self, size: int, way: int) -> bytes:
        start = len(self.backlog) + way
        data = bytes((start + number) % 251 for number in range(min(size, 251))) * (size // 251 + 1)
        self.backlog.append((data[:size], way))
        self.drained()
        return data[:size]

    def drained(self) -> None:
        while self.backlog and not self.stream.congested:
            data, way = self.backlog.pop(0)
            if way == 0:
                self.stream.write(data[:5], data[5:])
            elif way == 1:
                self.stream.write_error(data)
            else:
                left = data
                for view in self.stream.reserve(len(data) + 1000 * (way - 2)):
                    view[: len(left)] = left[: len(view)]
                    left = left[len(view) :]
                self.stream.commit(len(data))

    def data_received(self, data: Any) -> None:
        self.stream.consumed(len(data))

    def input_ended(self) -> None: ...

    def connection_lost(self) -> None: ...


class Peer:
    """A logged-in client with channels, and the server's socket to it."""

    def __init__(self, factory: Any, gate: Gate, reactor: Any, cipher: bytes, compression: bytes) -> None:
        self.reactor = reactor
        self.kernel = Kernel()
        self.client = ModernClient(cipher, b"hmac-sha2-256-etm@openssh.com", compression=compression)
        self.client_transport = StringTransport(lenient=True)
        protocol = factory.buildProtocol(StringTransport().getPeer())
        address = ("127.0.0.1", 1)
        self.socket = GatheringSocket(self.kernel, protocol, address, None, 1, reactor)
        protocol.makeConnection(self.socket)
        self.server = protocol
        self.client.makeConnection(self.client_transport)
        self.settle()
        self.client.request_userauth()
        self.client.password(b"alice", b"secret")
        self.settle()
        first = len(gate.avatar.programs)
        for number in range(CHANNELS):
            self.client.open_session(number, window=1000, max_packet=(2**15, 300)[number])
            self.settle()
            self.client.channel_request(number, b"exec", NS(b"source"))
            self.settle()
        self.programs: list[Source] = gate.avatar.programs[first:]
        self.expected: defaultdict[tuple[int, int], bytes] = defaultdict(bytes)
        self.shut: set[int] = set()

    def turn(self) -> bool:
        """A turn of the reactor for this connection; whether something happened."""
        before = (len(self.kernel.inbox), len(self.kernel.sent), len(self.client.messages), self.kernel.room)
        self.kernel.inbox += self.client_transport.value()
        self.client_transport.clear()
        if self.socket in self.reactor.readers and self.kernel.inbox:
            self.socket.doRead()
        if self.socket in self.reactor.writers:
            self.socket.doWrite()
        self.client.dataReceived(bytes(self.kernel.sent))
        self.kernel.sent.clear()
        after = (len(self.kernel.inbox), len(self.kernel.sent), len(self.client.messages), self.kernel.room)
        return before != after or bool(self.client_transport.value())

    def settle(self) -> None:
        while self.turn():
            self.reactor.advance(0)

    def make(self, channel: int, size: int, way: int) -> None:
        if channel not in self.shut:
            self.expected[channel, way == 1] += self.programs[channel].make(size, way)

    def adjust(self, channel: int, count: int) -> None:
        if channel not in self.shut:
            self.client.send_channel(ADJUST, channel, struct.pack(">L", count))

    def close(self, channel: int) -> None:
        if channel not in self.shut:
            self.shut.add(channel)
            self.client.send_channel(CLOSE, channel)

    def rekey(self, by_server: bool) -> None:
        if by_server:
            self.server._rekey()
        elif self.client._keyExchangeState == self.client._KEY_EXCHANGE_NONE:
            self.client.sendKexInit()

    def found(self) -> dict[tuple[int, int], bytes]:
        """What came, by channel and kind."""
        found: defaultdict[tuple[int, int], bytes] = defaultdict(bytes)
        for number, payload in self.client.messages:
            if number in (DATA, EXTENDED):
                skip = 8 if number == DATA else 12
                found[int.from_bytes(payload[:4], "big"), number == EXTENDED] += payload[skip:]
        return found

    def check(self) -> None:
        assert self.client.disconnect is None
        for key, data in self.found().items():
            assert self.expected[key].startswith(data), key


sizes = st.one_of(
    st.integers(1, 100),
    st.integers(8000, 9000),
    st.integers(2**15 - 5, 2**15 + 5),
    st.integers(1, 400_000),
    # More than what makes the socket full.
    st.just(1_500_000),
)
steps = st.one_of(
    st.tuples(st.just("make"), st.integers(0, CHANNELS - 1), sizes, st.integers(0, 4)),
    st.tuples(st.just("adjust"), st.integers(0, CHANNELS - 1), sizes),
    st.tuples(st.just("room"), sizes),
    st.tuples(st.just("piece"), st.integers(1, 5000)),
    st.tuples(st.just("turn")),
    st.tuples(st.just("settle")),
    st.tuples(st.just("rekey"), st.booleans()),
    st.tuples(st.just("close"), st.integers(0, CHANNELS - 1)),
)


def connected(count: int, cipher: bytes, compression: bytes) -> tuple[list[Peer], StrictPool]:
    """So many clients of one server."""
    reactor, gate, pool = MemoryReactorClock(), Gate(), StrictPool()
    gate.avatar.make = Source
    algorithms = replace(ALGORITHM_SETS["compatible"], compressions=(NONE, DELAYED_ZLIB))
    factory = make_factory(reactor, gate, algorithms=algorithms)
    factory.buffers = pool
    return [Peer(factory, gate, reactor, cipher, compression) for _ in range(count)], pool


@given(
    work=st.lists(st.tuples(st.integers(0, 1), steps), max_size=60),
    cipher=st.sampled_from([b"aes128-gcm@openssh.com", b"chacha20-poly1305@openssh.com", b"aes256-ctr"]),
    compression=st.sampled_from([NONE, NONE, DELAYED_ZLIB]),
    lost=st.booleans(),
)
def test_each_client_gets_its_own_bytes_and_all_of_them(work, cipher, compression, lost) -> None:
    peers, pool = connected(2, cipher, compression)
    for who, (step, *arguments) in work:
        peer = peers[who]
        if step in ("room", "piece"):
            setattr(peer.kernel, step, *arguments)
        else:
            getattr(peer, step)(*arguments)
        for each in peers:
            each.check()
    if lost:
        peers[0].socket.connectionLost(Failure(ConnectionLost()))
        peers.pop(0)
    for peer in peers:
        peer.kernel.room = peer.kernel.piece = _FOREVER
        peer.settle()
        for channel in range(CHANNELS):
            peer.adjust(channel, 2**30)
        peer.settle()
        peer.check()
        for (channel, kind), data in peer.expected.items():
            if channel not in peer.shut:
                assert peer.found()[channel, kind] == data
        assert not peer.socket._queue
        for program in peer.programs:
            assert program.stream._output.held == 0
    if not lost:
        assert not pool.lent


def test_small_answers_that_nobody_reads_take_little_more_than_their_bytes() -> None:
    (peer,), _ = connected(1, b"aes128-gcm@openssh.com", NONE)
    peer.kernel.room = 0
    for _ in range(1000):
        peer.client.sendPacket(GLOBAL_REQUEST, NS(b"something") + b"\1")
    while peer.turn():
        pass

    assert peer.socket.waiting > 30_000
    assert sum(map(sys.getsizeof, peer.socket._queue)) < 2 * peer.socket.waiting
    peer.kernel.room = _FOREVER
    peer.settle()
    assert len(peer.client.received(REQUEST_FAILURE)) == 1000


@pytest.mark.parametrize("compression", [NONE, DELAYED_ZLIB])
def test_others_need_not_wait_for_thousands_of_small_messages(compression: bytes) -> None:
    (peer,), _ = connected(1, b"aes128-gcm@openssh.com", compression)
    for _ in range(2000):
        peer.client.sendPacket(GLOBAL_REQUEST, NS(b"something") + b"\1")
    peer.turn()
    assert peer.kernel.read <= RECEIVE_LITTLE
    peer.settle()
    assert len(peer.client.received(REQUEST_FAILURE)) == 2000
    for _ in range(100):
        peer.client.sendPacket(IGNORE, os.urandom(2**15))
    reads = []
    while peer.turn():
        reads.append(peer.kernel.read)
    assert max(reads) == (RECEIVE if compression == NONE else RECEIVE_LITTLE)
