"""Delayed compression: streams and their bound, when they begin, and what an attacker makes of them."""

import contextlib
import os
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.conch.ssh.common import NS
from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from conchgo.edge.stream import Buffer
from conchgo.ssh.algorithms import ALGORITHM_SETS
from conchgo.ssh.compression import DELAYED_ZLIB, NONE, Compressor, Decompressor
from conchgo.ssh.receive_buffer import MAX_PACKET
from conchgo.ssh.socket import GatheringSocket
from conchgo.ssh.wire import ProtocolViolation
from tests.ssh_client import ModernClient, channel_data, connect, log_in, start
from tests.ssh_server import Echo, Gate, make_factory

COMPRESSION_ERROR = 6
IGNORE, SUCCESS, PING, PONG, DATA = 2, 52, 192, 193, 94
ALGORITHMS = replace(ALGORITHM_SETS["compatible"], compressions=(NONE, DELAYED_ZLIB))


@pytest.fixture
def gate():
    gate = Gate()
    gate.avatar.make = Echo
    return gate


@pytest.fixture
def factory(clock, gate):
    return make_factory(clock, gate, algorithms=ALGORITHMS)


def compressing() -> ModernClient:
    return ModernClient(compression=DELAYED_ZLIB)


class Raw:
    """Instead of a Compressor: what it is given is compressed already, or pretends to be."""

    def compress(self, payload: bytes) -> bytes:
        return payload


def bomb(size: int) -> bytes:
    """An IGNORE message of so many bytes."""
    return Compressor().compress(bytes([IGNORE]) + NS(bytes(size - 5)))


# Streams


@settings(deadline=None)
@given(payloads=st.lists(st.binary(min_size=1, max_size=5000), min_size=1, max_size=5))
def test_each_payload_comes_out_by_itself(payloads) -> None:
    compressor, decompressor = Compressor(), Decompressor()

    for payload in payloads:
        assert decompressor.decompress(compressor.compress(payload)) == payload


def test_a_stream_remembers_what_it_had() -> None:
    compressor, text = Compressor(), os.urandom(1000)

    assert len(compressor.compress(text)) > 1000
    assert len(compressor.compress(text)) < 50


@pytest.mark.parametrize("flush", [zlib.Z_PARTIAL_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH])
def test_every_way_to_flush_is_understood(flush) -> None:
    stream, decompressor = zlib.compressobj(), Decompressor()

    for payload in (b"one", b"two" * 1000, b"three"):
        assert decompressor.decompress(stream.compress(payload) + stream.flush(flush)) == payload


@pytest.mark.parametrize("fill", [b"\0", b"ab"])
def test_the_largest_payload_comes_out_and_nothing_larger(fill) -> None:
    largest = (fill * MAX_PACKET)[:MAX_PACKET]
    assert Decompressor().decompress(Compressor().compress(largest)) == largest

    for more in (1, 2, 257, 258, 259, 10_000_000):
        with pytest.raises(ProtocolViolation, match="too large") as caught:
            Decompressor().decompress(Compressor().compress(largest + bytes(more)))
        assert caught.value.code == COMPRESSION_ERROR


def test_no_more_than_the_bound_is_ever_in_memory() -> None:
    packet, decompressor = zlib.compress(bytes(20_000_000), 9), Decompressor()
    tracemalloc.start()
    with pytest.raises(ProtocolViolation):
        decompressor.decompress(packet)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    # Twice while Python puts together what zlib gave in parts.
    assert peak < 3 * MAX_PACKET


@pytest.mark.parametrize("data", [b"no zlib", zlib.compress(b"whole stream"), b"\0", zlib.compress(b"cut")[:2]])
def test_what_is_no_part_of_a_stream_is_refused(data) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        Decompressor().decompress(data)
    assert caught.value.code == COMPRESSION_ERROR


@settings(deadline=None)
@given(payload=st.binary(min_size=1, max_size=300), at=st.integers(0, 300), wrong=st.binary(min_size=1, max_size=5))
def test_whatever_comes_gives_a_payload_or_the_one_error(payload, at, wrong) -> None:
    data = Compressor().compress(payload)
    for changed in (wrong, data[:at] + wrong + data[at:], data[:at] + wrong + data[at + len(wrong) :]):
        with contextlib.suppress(ProtocolViolation):
            assert 0 < len(Decompressor().decompress(changed)) <= MAX_PACKET


# When it begins


@pytest.mark.parametrize("compressions", [(NONE, DELAYED_ZLIB), (DELAYED_ZLIB, NONE), (DELAYED_ZLIB,)])
def test_it_is_agreed_where_the_client_wants_it_first(clock, gate, compressions) -> None:
    factory = make_factory(clock, gate, algorithms=replace(ALGORITHMS, compressions=compressions))
    client, wire = log_in(factory, client=compressing())

    assert wire.server._sealer.compressor is not None
    assert wire.server._opener.decompressor is not None
    assert NS(b",".join(compressions)) * 2 in client.otherKexInitPayload


def test_a_client_that_wants_none_gets_none(factory) -> None:
    _, wire = log_in(factory, client=ModernClient())

    assert (wire.server._sealer.compressor, wire.server._opener.decompressor) == (None, None)


def test_nothing_is_compressed_before_the_login_and_all_after_it(factory) -> None:
    client, wire = connect(factory, compressing())
    client.request_userauth()
    client.password(b"alice", b"wrong")
    wire.pump()
    assert (wire.server._sealer.compressor, wire.server._opener.decompressor) == (None, None)

    client.password(b"alice", b"secret")
    factory.clock.advance(10)
    wire.pump()
    channel = start(client, wire, (b"exec", NS(b"anything")))
    before = wire.server._opener.bytes, wire.server._sealer.bytes
    for _ in range(10):
        client.send_channel(DATA, channel, NS(b"x" * 30_000))
    wire.pump()

    assert channel_data(client) == b"x" * 300_000
    assert wire.server._opener.bytes - before[0] < 10_000
    assert wire.server._sealer.bytes - before[1] < 10_000


def test_data_that_is_compressed_before_the_login_is_not_decompressed(factory, monkeypatch) -> None:
    monkeypatch.setattr(Decompressor, "decompress", lambda self, data: pytest.fail("decompressed"))
    client, wire = connect(factory, compressing())
    client.sealer.compressor = Compressor()
    client.request_userauth()
    wire.pump()

    # The first byte of zlib's header, as a message's number.
    assert client.disconnect == (2, b"message 120 before the login")


def test_a_login_that_ends_during_a_key_exchange(clock, gate, factory) -> None:
    """The client compresses what it sends after it knows of its login: its NEWKEYS it sent before."""
    gate.pending = []
    client, wire = connect(factory, compressing())
    client.request_userauth()
    client.password(b"alice", b"secret")
    wire.pump()
    client.sendKexInit()
    wire._carry(wire.client_socket, wire.server)
    gate.pending.pop().callback(None)
    wire.pump()

    assert (client.key_exchanges, client.disconnect) == (2, None)
    client.sendPacket(PING, NS(b"a" * 10_000))
    wire.pump()
    assert client.received(PONG) == [NS(b"a" * 10_000)]
    assert wire.server._opener.bytes < 1000


def test_a_login_that_ends_between_our_newkeys_and_the_clients(clock, gate, factory) -> None:
    gate.pending = []
    client, wire = connect(factory, compressing())
    client.request_userauth()
    client.password(b"alice", b"secret")
    wire.pump()
    client.sendKexInit()
    wire._carry(wire.client_socket, wire.server)
    wire._carry(wire.server_socket, client)
    wire._carry(wire.client_socket, wire.server)
    assert wire.server._expected == 21
    gate.pending.pop().callback(None)
    wire.pump()

    client.sendPacket(PING, NS(b"hello"))
    wire.pump()
    assert client.received(PONG) == [NS(b"hello")]


# New keys


@pytest.mark.parametrize("by_whom", ["client", "server"])
def test_new_keys_begin_new_streams(clock, factory, by_whom) -> None:
    client, wire = log_in(factory, client=compressing())
    channel = start(client, wire, (b"exec", NS(b"anything")))
    data = os.urandom(20_000)
    for count in range(2, 5):
        client.send_channel(DATA, channel, NS(data))
        streams = wire.server._sealer.compressor, wire.server._opener.decompressor
        if by_whom == "client":
            client.sendKexInit()
        else:
            clock.advance(factory.settings.rekey_seconds)
        wire.pump()
        client.send_channel(DATA, channel, NS(data))
        wire.pump()
        assert client.key_exchanges == count
        assert wire.server._sealer.compressor is not streams[0]
        assert wire.server._opener.decompressor is not streams[1]

    assert channel_data(client) == data * 6
    assert client.disconnect is None


def test_new_keys_may_begin_or_end_compression(factory) -> None:
    client, wire = log_in(factory, client=ModernClient())
    for compression in (DELAYED_ZLIB, NONE, DELAYED_ZLIB):
        client.supportedCompressions = [compression]
        client.sendKexInit()
        wire.pump()
        client.sendPacket(PING, NS(compression))
        wire.pump()

        assert client.received(PONG)[-1] == NS(compression)
        assert (wire.server._opener.decompressor is None) == (compression == NONE)


# The attacker


@pytest.mark.parametrize("size", [MAX_PACKET + 1, 50_000_000])
def test_a_compression_bomb_ends_the_connection(factory, size) -> None:
    client, wire = log_in(factory, client=compressing())
    client.sealer.compressor = Raw()
    client.transport.write(bytes(client.sealer.seal(bomb(size))))
    wire.pump()

    assert client.disconnect == (COMPRESSION_ERROR, b"a packet is too large when decompressed")
    assert wire.closed


@pytest.mark.parametrize("data", [b"no zlib at all", zlib.compress(b"\x02"), b"\0"])
def test_nothing_is_processed_after_broken_data(factory, data) -> None:
    client, wire = log_in(factory, client=compressing())
    client.sealer.compressor = Raw()
    client.transport.write(bytes(client.sealer.seal(data)))
    client.sealer.compressor = Compressor()
    client.sendPacket(PING, NS(b"still there?"))
    wire.pump()

    assert client.disconnect[0] == COMPRESSION_ERROR
    assert client.received(PONG) == []


def test_channel_data_is_held_to_the_same_limits_however_small_it_comes(factory) -> None:
    client, wire = log_in(factory, client=compressing())
    channel = start(client, wire, (b"exec", NS(b"anything")))
    client.send_channel(DATA, channel, NS(bytes(100_000)))
    wire.pump()

    assert client.disconnect == (2, b"more channel data than the window or the packet size allows")


class OverLoopback(TestCase):
    """What one client can do to the others: their turn comes when what was read at once is dealt with."""

    timeout = 30

    def setUp(self) -> None:
        self.factory = make_factory(reactor, Gate(), algorithms=ALGORITHMS)
        port = reactor.listenTCP(0, self.factory, interface="127.0.0.1")
        port.transport = GatheringSocket
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port
        #: Bytes that were decompressed, by the read that they came with.
        self.inflated: list[int] = []
        read, decompress = GatheringSocket.doRead, Decompressor.decompress

        def count_reads(gathering: GatheringSocket) -> Any:
            self.inflated.append(0)
            return read(gathering)

        def count_bytes(decompressor: Decompressor, data: Buffer) -> bytes:
            payload = decompress(decompressor, data)
            self.inflated[-1] += len(payload)
            return payload

        self.patch(GatheringSocket, "doRead", count_reads)
        self.patch(Decompressor, "decompress", count_bytes)

    @inlineCallbacks
    def turns(self, condition: Callable[[], Any]) -> Any:
        while not condition():
            yield deferLater(reactor, 0)

    @inlineCallbacks
    def flood(self, client: ModernClient, *, rekey: bool) -> Any:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)
        yield endpoint.connect(Factory.forProtocol(lambda: client))
        yield self.turns(lambda: client.key_exchanges)
        client.request_userauth()
        client.password(b"alice", b"secret")
        yield self.turns(lambda: client.received(SUCCESS))
        if rekey:
            client.supportedCompressions = [DELAYED_ZLIB]
            client.sendKexInit()
            yield self.turns(lambda: client.key_exchanges == 2)
        stream = zlib.compressobj(9)
        payloads = [bytes([IGNORE]) + NS(bytes(MAX_PACKET - 5))] * 2 + [bytes([PING]) + NS(b"done")]
        first, same, last = (stream.compress(payload) + stream.flush(zlib.Z_FULL_FLUSH) for payload in payloads)
        client.sealer.compressor = Raw()
        client.transport.write(b"".join(client.sealer.seal(data) for data in (first, *[same] * 500, last)))
        yield self.turns(lambda: client.received(PONG))
        client.transport.loseConnection()
        yield self.turns(lambda: not self.factory.transports)

        assert sum(self.inflated) > 500 * MAX_PACKET
        assert max(self.inflated) <= 64 * MAX_PACKET

    def test_a_flood_of_packets_that_hold_much_keeps_nobody_waiting_long(self) -> Any:
        return self.flood(compressing(), rekey=False)

    def test_nor_does_one_after_new_keys_that_began_compression(self) -> Any:
        return self.flood(ModernClient(), rekey=True)
