"""Listening on a socket that other workers listen on too."""

from __future__ import annotations

import os
from typing import Any, Final

from twisted.internet import tcp
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from conchgo.service.handover import SharedSocket
from conchgo.service.load import Load

#: Seconds for which a worker leaves a connection to those that have fewer. They take it at once, unless the machine is
#: too busy.
_COURTESY: Final = 0.03


class SharedPort(tcp.Port):
    """Leaves a connection to workers that have fewer, for a moment: else the quickest would get nearly all."""

    reactor: Any
    load: Load
    number: int

    _courtesy: IDelayedCall | None = None

    def doRead(self) -> None:
        if self.load.others_have_fewer(self.number):
            self.stopReading()
            self._courtesy = self.reactor.callLater(_COURTESY, self._accept_what_is_left)
        else:
            self._accept()

    def _accept_what_is_left(self) -> None:
        self._courtesy = None
        if not self.disconnecting:
            self.startReading()
            self._accept()

    def connectionLost(self, reason: Failure) -> None:
        if self._courtesy is not None:
            self._courtesy.cancel()
        super().connectionLost(reason)

    def _accept(self) -> None:
        self.numberAccepts = 1
        super().doRead()


@implementer(IStreamServerEndpoint)
class SharedEndpoint:
    """A socket of the main process, as worker `number` has it."""

    def __init__(self, reactor: Any, socket: SharedSocket, load: Load, number: int) -> None:
        self._reactor = reactor
        self._socket = socket
        self._load = load
        self._number = number

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """To be called once: the port takes the socket over."""
        port = SharedPort._fromListeningDescriptor(
            self._reactor, self._socket.descriptor, self._socket.family, protocolFactory
        )
        os.close(self._socket.descriptor)
        port.load, port.number = self._load, self._number
        port.startListening()
        return succeed(port)
