"""The running server: starts its parts in order, and ends them in order."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, NoReturn, Protocol

from twisted.application.service import Service
from twisted.internet import tcp
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger

from conchgo.edge.pools import Pool
from conchgo.events.audit import AuditLog
from conchgo.service.listeners import listening, shown
from conchgo.service.notify import keep_watchdog, notify
from conchgo.sessions.registry import Registry
from conchgo.ssh.factory import ServerFactory
from conchgo.ssh.socket import GatheringSocket

#: After the last connection: seconds for its files to be closed, and how often to look.
_CLOSING_TIME: Final = 5.0
_CLOSING_STEP: Final = 0.05

#: Seconds that the audit log has when everything must end at once.
_HASTY: Final = 1.0


class Task(Protocol):
    """What goes on besides, for as long as the server runs."""

    def start(self) -> None: ...

    def stop(self) -> Deferred[None]:
        """The last connection is gone, its files are closed, and the pools work still."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a server is made of. `listen` is by what the administrator called an endpoint, `tasks` are ended in order,
    `close` is called last; `grace_time` is seconds."""

    factory: ServerFactory
    registry: Registry
    listen: Mapping[str, IStreamServerEndpoint]
    pools: Sequence[Pool]
    tasks: Sequence[Task]
    audit: AuditLog | None
    grace_time: float
    close: Callable[[], None]


class Server(Service):
    """Listens, and at the end stops listening, lets transfers finish for the grace time, and closes everything."""

    _log = Logger()

    def __init__(self, reactor: Any, parts: Parts) -> None:
        self._reactor = reactor
        self._parts = parts
        self.ports: list[IListeningPort] = []

    def privilegedStartService(self) -> None:
        """Raises StartError: an address cannot be listened on."""
        for name, endpoint in self._parts.listen.items():
            port = listening(name, endpoint.listen(self._parts.factory))
            if isinstance(port, tcp.Port):
                port.transport = GatheringSocket
            self.ports.append(port)
        if self._parts.audit is not None:
            self._parts.audit.start()
        for task in self._parts.tasks:
            task.start()
        self._log.info("listening on {addresses}", addresses=", ".join(shown(port) for port in self.ports))
        self._reactor.callWhenRunning(notify, "READY=1")
        self._reactor.callWhenRunning(keep_watchdog, self._reactor)

    def stopService(self) -> Deferred[None]:
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        parts = self._parts
        notify("STOPPING=1")
        self._log.info("ending: transfers have {seconds} s to finish", seconds=parts.grace_time)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._second_signal)
        for port in self.ports:
            await maybeDeferred(port.stopListening)
        patience = self._reactor.callLater(parts.grace_time, parts.factory.disconnect_all)
        parts.registry.drain()
        await parts.factory.drain()
        if patience.active():
            patience.cancel()
        await self._files_closed()
        for task in parts.tasks:
            await task.stop()
        for pool in parts.pools:
            pool.stop()
        self._log.info("ended")
        if parts.audit is not None:
            parts.audit.stop()
        parts.close()

    async def _files_closed(self) -> None:
        """What the last connections left open is closed in the pools."""
        left = _CLOSING_TIME
        while left > 0 and any(pool.running or pool.waiting for pool in self._parts.pools):
            await deferLater(self._reactor, _CLOSING_STEP)
            left -= _CLOSING_STEP

    def _second_signal(self, number: int, frame: FrameType | None) -> None:
        self.end_at_once(128 + number)

    def end_at_once(self, status: int) -> NoReturn:
        """End the process, with no more than what was done already in the audit log."""
        if self._parts.audit is not None:
            self._parts.audit.stop(_HASTY)
        os._exit(status)
