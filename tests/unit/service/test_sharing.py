"""Two workers on one socket, in one process: who has more connections leaves the next to the other."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from conchgo.service.handover import SharedSocket
from conchgo.service.load import Load, shared_memory
from conchgo.service.sharing import SharedEndpoint


class Worker(Factory):
    """Counts its connections, as ServerFactory does."""

    def __init__(self, load: Load, number: int) -> None:
        self.load, self.number, self.count = load, number, 0
        self.accepted: Deferred[None] = Deferred()

    def buildProtocol(self, addr: object) -> Protocol:
        self.count += 1
        self.load.set(self.number, self.count)
        accepted, self.accepted = self.accepted, Deferred()
        accepted.callback(None)
        return Protocol()


class Sharing(TestCase):
    def setUp(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.listening.setblocking(False)
        self.addCleanup(self.listening.close)
        memory = shared_memory(2)
        self.addCleanup(os.close, memory)
        self.loads = [Load(memory, 2) for _ in range(2)]
        self.workers = [Worker(load, number) for number, load in enumerate(self.loads)]

    async def worker(self, number: int, count: int) -> IListeningPort:
        """Starts with so many connections."""
        worker = self.workers[number]
        worker.count = count
        self.loads[number].set(number, count)
        shared = SharedSocket("here", os.dup(self.listening.fileno()), socket.AF_INET)
        port = await SharedEndpoint(reactor, shared, self.loads[number], number).listen(worker)
        self.addCleanup(port.stopListening)
        return port

    @contextmanager
    def client(self) -> Iterator[None]:
        with socket.create_connection(self.listening.getsockname()):
            yield

    async def test_connections_go_where_there_are_fewest(self) -> None:
        for number, count in enumerate((3, 0)):
            await self.worker(number, count)
        for _ in range(3):
            accepted = self.workers[1].accepted
            with self.client():
                await accepted
        self.assertEqual([worker.count for worker in self.workers], [3, 3])
        for _ in range(4):
            accepted = [worker.accepted for worker in self.workers]
            with self.client():
                while not any(done.called for done in accepted):
                    await deferLater(reactor, 0)
        self.assertEqual([worker.count for worker in self.workers], [5, 5])

    async def test_nobody_waits_for_one_that_does_not_come(self) -> None:
        await self.worker(0, 3)
        self.loads[1].set(1, 0)
        for _ in range(3):
            accepted = self.workers[0].accepted
            with self.client():
                await accepted
        self.assertEqual(self.workers[0].count, 6)

    async def test_the_end_while_it_is_courteous(self) -> None:
        port = await self.worker(0, 3)
        self.loads[1].set(1, 0)
        with self.client():
            while port in reactor.getReaders():  # type: ignore[attr-defined]
                await deferLater(reactor, 0)
            await port.stopListening()
            await deferLater(reactor, 0.01)
        self.assertEqual(self.workers[0].count, 3)
        self.assertNotEqual(self.listening.fileno(), -1)
