"""A server that can be asked what it holds: by a pipe, in tests only."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

from conchgo.commands.program import CommandProgram
from conchgo.edge.console import Console
from conchgo.edge.pools import Pool
from conchgo.quota.memory import MemoryLedger
from conchgo.service.server import Parts, Server
from conchgo.sftp.engine import Engine
from conchgo.sftp.handles import OpenHandle
from conchgo.ssh.session import SessionChannel
from conchgo.ssh.socket import GatheringSocket
from conchgo.ssh.transport import ServerTransport
from conchgo.storage.local import LocalStorage
from conchgo.storage.local_file import LocalFile

#: Seconds in which `turns_at_rest` counts.
_REST: Final = 0.25

#: What lives as long as a connection, a channel or a handle does.
_COUNTED: Final = (
    ServerTransport,
    GatheringSocket,
    SessionChannel,
    Engine,
    CommandProgram,
    Console,
    OpenHandle,
    LocalFile,
    LocalStorage,
)


@dataclass(frozen=True)
class Held:
    """What the server holds of one channel, counted in bytes and requests."""

    output: int
    unread_input: int
    outstanding: int
    queued: int


@dataclass(frozen=True)
class Connected:
    """What the server holds of one connection: bytes for the socket, bytes of half a packet, its channels."""

    address: str
    key_exchanges: int
    socket: int
    packet: int
    channels: tuple[Held, ...]


class Answerer:
    """Answers questions about `server`, each a method's name, in the reactor's thread."""

    def __init__(self, reactor: Any, server: Server, pipe: Connection) -> None:
        self._reactor = reactor
        self._parts: Parts = server._parts
        self._pipe = pipe
        self._turns = 0
        poll = reactor.doIteration

        def counted(timeout: float) -> None:
            self._turns += 1
            poll(timeout)

        reactor.doIteration = counted
        reactor.addReader(_Reader(pipe, self._asked))

    def _asked(self, question: str) -> None:
        getattr(self, question)()

    def left(self) -> None:
        """All that must be as it was when the last client is gone."""
        gc.collect()
        factory, registry = self._parts.factory, self._parts.registry
        found: Counter[str] = Counter()
        for thing in gc.get_objects():
            if type(thing) in _COUNTED:
                found[type(thing).__name__] += 1
        found["transports"] = len(factory.transports)
        found["startups"] = factory.startups.count
        found["programs"] = len(registry)
        found["handles"] = registry.handles._count
        found["delayed calls"] = len(self._reactor.getDelayedCalls())
        found["descriptors of the reactor"] = len(self._reactor.getReaders()) + len(self._reactor.getWriters())
        for pool in self._parts.pools:
            found["work"] += pool.running + pool.waiting
            found["owners of work"] += len(pool._shares)
        self._answer(+found)

    def pools(self) -> None:
        self._answer([_described(pool) for pool in self._parts.pools])

    def usages(self) -> None:
        """What is used of each quota, as (bytes, files)."""
        (ledger,) = (thing for thing in gc.get_objects() if type(thing) is MemoryLedger)
        self._answer({domain: tuple(ledger.usage(domain) or ()) for domain in ledger._accounts})

    def connections(self) -> None:
        self._answer([_connected(transport) for transport in self._parts.factory.transports])

    def turns_at_rest(self) -> None:
        """How often the reactor turns in a quarter of a second: a busy loop would make it thousands of times."""
        before = self._turns
        self._reactor.callLater(_REST, lambda: self._answer(self._turns - before))

    def _answer(self, answer: Any) -> None:
        self._pipe.send(answer)


@implementer(IReadDescriptor)
class _Reader:
    def __init__(self, pipe: Connection, ask: Callable[[str], None]) -> None:
        self._pipe = pipe
        self._ask = ask
        self.fileno = pipe.fileno

    def doRead(self) -> None:
        self._ask(self._pipe.recv())

    def connectionLost(self, reason: Any) -> None:
        self._pipe.close()

    def logPrefix(self) -> str:
        return "questions"


def _described(pool: Pool) -> Mapping[str, int]:
    return {"running": pool.running, "waiting": pool.waiting}


def _connected(transport: ServerTransport) -> Connected:
    channels = getattr(transport.service, "channels", {})
    return Connected(
        transport.address,
        transport._key_exchanges,
        transport.transport._queued,
        transport._opener.held,
        tuple(map(_held, channels.values())),
    )


def _held(channel: SessionChannel) -> Held:
    program = getattr(channel._program, "_program", None)
    engine = program if isinstance(program, Engine) else None
    return Held(
        channel.pending_output,
        channel.localWindowSize - channel.localWindowLeft - channel._consumed,
        engine.outstanding if engine else 0,
        engine.queued if engine else 0,
    )
