"""The gathering socket over real loopback connections."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from conchgo.ssh.receive_buffer import ReceiveBuffer
from conchgo.ssh.socket import HIGH_WATER, GatheringSocket


class Talker(Protocol):
    """Writes down what its transport tells it."""

    def __init__(self) -> None:
        self.receive_buffer = ReceiveBuffer()
        self.made: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self.told: list[str] = []

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.made.callback(None)

    def input_received(self, count: int) -> None:
        self.answer(bytes(self.receive_buffer.room[:count]))

    def answer(self, data: bytes) -> None:
        """For tests to override."""

    def connectionLost(self, reason: Any = None) -> None:
        self.lost.callback(None)

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class GatheringSocketTests(TestCase):
    timeout = 30

    @inlineCallbacks
    def setUp(self) -> Any:
        self.talker = Talker()
        port = reactor.listenTCP(0, Factory.forProtocol(lambda: self.talker), interface="127.0.0.1")
        port.transport = GatheringSocket
        self.addCleanup(port.stopListening)
        self.client = socket.create_connection(("127.0.0.1", port.getHost().port))
        self.client.settimeout(20)
        self.addCleanup(self._end)
        yield self.talker.made

    def _end(self) -> Any:
        self.client.close()
        if not self.talker.lost.called:
            self.talker.transport.abortConnection()
        return self.talker.lost

    def _read_all(self) -> bytes:
        found = b""
        while data := self.client.recv(65536):
            found += data
        return found

    @inlineCallbacks
    def test_buffers_of_all_kinds_leave_whole_and_in_order_before_the_end(self) -> Any:
        parts = [bytes([number % 251]) * (number * 97 % 5000) for number in range(500)]
        for number, part in enumerate(parts):
            self.talker.transport.write((bytes, bytearray, memoryview)[number % 3](part))
        self.talker.transport.unregisterProducer()
        self.talker.transport.loseConnection()
        found = yield deferToThread(self._read_all)
        self.assertEqual(found, b"".join(parts))

    @inlineCallbacks
    def test_the_producer_is_paused_while_too_much_waits_and_resumed_once(self) -> Any:
        total = 0
        while "pause" not in self.talker.told:
            self.talker.transport.write(b"x" * 65536)
            total += 65536
            self.assertLessEqual(self.talker.transport.waiting, HIGH_WATER + 65536)
            yield deferLater(reactor, 0)
        self.assertGreater(self.talker.transport.waiting, HIGH_WATER)
        reading = deferToThread(self._read_all)
        while "resume" not in self.talker.told:
            yield deferLater(reactor, 0)
        self.assertEqual(self.talker.told, ["pause", "resume"])
        self.assertLess(self.talker.transport.waiting, HIGH_WATER)
        self.talker.transport.unregisterProducer()
        self.talker.transport.loseConnection()
        self.assertEqual(len((yield reading)), total)

    @inlineCallbacks
    def test_a_peer_that_is_gone_is_noticed_by_who_writes(self) -> Any:
        self.client.close()
        while not self.talker.lost.called:
            self.talker.transport.write(b"x" * 1000)
            yield deferLater(reactor, 0)
        self.talker.transport.write(b"too late")
        self.assertNotIn("resume", self.talker.told)
