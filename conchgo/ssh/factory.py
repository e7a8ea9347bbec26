"""Makes the connections of one SSH server, and knows those that live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.logger import Logger

from conchgo.events.bus import Bus
from conchgo.ssh.algorithms import HOST_SIGNATURES, AlgorithmSet
from conchgo.ssh.connection import Connection
from conchgo.ssh.packet_buffer import BufferPool
from conchgo.ssh.receive_buffer import ReceiveBuffer
from conchgo.ssh.settings import SSHSettings
from conchgo.ssh.startups import Startups, address_of
from conchgo.ssh.transport import ServerTransport
from conchgo.ssh.userauth import UserAuth

#: Refused connections are logged at most once in so many seconds.
LOG_INTERVAL: Final = 10


class ServerFactory(SSHFactory):
    """One server: `portal` says who may enter and gives an avatar that is `conchgo.ssh.session.Programs`.

    `portal.login` gets `conchgo.auth.credentials`, the ServerTransport as mind, and IConchUser as interface. `counted`
    is told how many connections there are whenever that changes.
    """

    services = {b"ssh-userauth": UserAuth, b"ssh-connection": Connection}  # noqa: RUF012
    _log = Logger()

    def __init__(
        self,
        portal: Portal,
        host_keys: Sequence[Key],
        *,
        bus: Bus,
        algorithms: AlgorithmSet,
        settings: SSHSettings,
        clock: IReactorTime,
        counted: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.portal = portal
        self.bus = bus
        self.algorithms = algorithms
        self.settings = settings
        self.clock = clock
        self._counted = counted
        self.privateKeys = {key.sshType(): key for key in host_keys}
        self.publicKeys = {kind: key.public() for kind, key in self.privateKeys.items()}
        self.host_signatures = tuple(
            name for name in algorithms.host_signatures if HOST_SIGNATURES[name] in self.privateKeys
        )
        #: What clients know the keys by: their public parts on the wire, by kind.
        self.host_key_blobs = {
            kind: self.publicKeys[kind].blob() for kind in map(HOST_SIGNATURES.__getitem__, self.host_signatures)
        }
        self.host_keys = {blob: self.privateKeys[kind] for kind, blob in self.host_key_blobs.items()}
        self.buffers = BufferPool()
        self.receive_buffer = ReceiveBuffer()
        self.startups = Startups(settings.max_startups, settings.max_startups_per_host)
        self.transports: set[ServerTransport] = set()
        self.draining = False
        self._drained: list[Deferred[None]] = []
        self._refused = 0
        self._logged: float | None = None

    def buildProtocol(self, addr: IAddress | None) -> ServerTransport | None:  # type: ignore[override]
        """None (the connection is closed at once) where too many are not logged in yet."""
        address = address_of(getattr(addr, "host", ""))
        if self.draining or not self.startups.enter(address):
            self._log_refusal(address)
            return None
        transport = ServerTransport(self, address)
        self.transports.add(transport)
        self._counted(len(self.transports))
        return transport

    def _log_refusal(self, address: str) -> None:
        self._refused += 1
        now = self.clock.seconds()
        if self._logged is None or now - self._logged >= LOG_INTERVAL:
            self._log.warn(
                "{address}: connection refused, too many are not logged in yet ({count} refused since the last line)",
                address=address,
                count=self._refused,
            )
            self._logged, self._refused = now, 0

    # What connections tell

    def login_ended(self, transport: ServerTransport) -> None:
        """It counts no longer among those that are not logged in.

        A connection that went while its password was checked counts until that is done: hashes would pile up else.
        """
        self.startups.leave(transport.address)

    def connection_idle(self, transport: ServerTransport) -> None:
        """Its last channel was closed."""
        if self.draining:
            transport.loseConnection()

    def connection_ended(self, transport: ServerTransport) -> None:
        if not (transport.authenticated or transport.login_in_work):
            self.startups.leave(transport.address)
        self.transports.discard(transport)
        self._counted(len(self.transports))
        if not self.transports:
            waiting, self._drained = self._drained, []
            for done in waiting:
                done.callback(None)

    # The end of the service

    def drain(self) -> Deferred[None]:
        """No new connections, logins or channels; connections end with their last channel.

        The Deferred fires when no connection is left; `disconnect_all` makes that soon.
        """
        self.draining = True
        for transport in list(self.transports):
            if not transport.has_channels:
                transport.loseConnection()
        if not self.transports:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._drained.append(done)
        return done

    def disconnect_all(self) -> None:
        for transport in list(self.transports):
            transport.terminate("the server is shutting down")
