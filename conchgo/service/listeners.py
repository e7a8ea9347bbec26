"""Where the server listens: addresses, and Twisted's endpoint strings."""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from conchgo.service.errors import StartError
from conchgo.service.settings import ADDRESS

#: Connections that the kernel keeps for us while the reactor is busy.
_BACKLOG: Final = 1024


@implementer(IStreamServerEndpoint)
class AddressEndpoint:
    """One IPv4 or IPv6 address and port. As in OpenSSH, `[::]` is IPv6 only, so it can stand beside `0.0.0.0`."""

    def __init__(self, reactor: Any, host: str, port: int) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        try:
            return succeed(self._listen(protocolFactory))
        except OSError:
            return fail()

    def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        numeric = socket.AI_NUMERICHOST | socket.AI_PASSIVE
        family, kind, number, _, address = socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=numeric
        )[0]
        with socket.socket(family, kind, number) as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind(address)
            bound.listen(_BACKLOG)
            bound.setblocking(False)
            port: IListeningPort = self._reactor.adoptStreamPort(bound.fileno(), family, factory)
            return port


def endpoint(reactor: Any, text: str) -> IStreamServerEndpoint:
    """What `text`, an item of `ssh.listen`, means.

    Raises:
        StartError: Twisted knows no such endpoint, or it is not there (a socket of systemd, for instance).
    """
    address = ADDRESS.fullmatch(text)
    if address is not None:
        return AddressEndpoint(reactor, address["v6"] or address["v4"], int(address["port"]))
    try:
        found: IStreamServerEndpoint = serverFromString(reactor, text)
        return found
    except (IndexError, KeyError):
        raise StartError(f"ssh.listen: {text!r}: systemd has given no such socket") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise StartError(f"ssh.listen: {text!r}: {error}") from None
