"""Where the server listens: addresses, and Twisted's endpoint strings."""

from __future__ import annotations

import re
import socket
from typing import Any, Final

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from conchgo.service.errors import StartError
from conchgo.service.settings import ADDRESS, Settings

#: Connections that the kernel keeps for us while the reactor is busy.
_BACKLOG: Final = 1024

#: What gives plain TCP sockets, which several processes can accept on.
_SHARABLE: Final = re.compile(rf"{ADDRESS.pattern}$|tcp:|tcp6:|systemd:domain=INET6?:")
_NOT_SHARABLE: Final = "cannot be shared by several workers; use an address, or service.workers = 1"


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


def endpoints(reactor: Any, settings: Settings, systemd: bool = True) -> dict[str, IStreamServerEndpoint]:
    """All of `ssh.listen`, by what the administrator calls them; those of systemd only when it starts the service.

    Raises:
        StartError: one can't be used.
    """
    found = {}
    for text in settings.ssh.listen:
        if settings.service.workers > 1 and not _SHARABLE.match(text):
            raise StartError(f"ssh.listen: {text!r}: {_NOT_SHARABLE}")
        if systemd or not text.startswith("systemd:"):
            found[f"ssh.listen: {text}"] = endpoint(reactor, text)
    return found


def listening(name: str, started: Deferred[IListeningPort]) -> IListeningPort:
    """The port, which every endpoint of a server has at once.

    Raises:
        StartError: it can't be had; `name` is what the administrator called it.
    """
    ports: list[IListeningPort] = []
    failures: list[Failure] = []
    started.addCallbacks(ports.append, failures.append)
    if ports:
        return ports[0]
    reason = _reason(failures[0].value) if failures else "it takes too long"
    raise StartError(f"{name}: {reason}")


def _reason(error: BaseException | None) -> str:
    if isinstance(error, CannotListenError):
        error = error.socketError
    return (isinstance(error, OSError) and error.strerror) or str(error)


def shown(port: IListeningPort) -> str:
    """Its address, for people."""
    address = port.getHost()
    if isinstance(address, IPv4Address | IPv6Address):
        return f"[{address.host}]:{address.port}" if ":" in address.host else f"{address.host}:{address.port}"
    return str(address)
