"""One connection: the SSH transport protocol (RFC 4253), on Conch's key exchanges and on packets of our own."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
    MSG_DEBUG,
    MSG_DISCONNECT,
    MSG_EXT_INFO,
    MSG_IGNORE,
    MSG_KEXDH_INIT,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    MSG_SERVICE_ACCEPT,
    MSG_SERVICE_REQUEST,
    MSG_UNIMPLEMENTED,
    SSHServerTransport,
    SSHTransportBase,
)
from twisted.internet.interfaces import IDelayedCall, IPushProducer, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from conchgo import __version__
from conchgo.paths import escaped
from conchgo.ssh.packets import Opener, Sealer
from conchgo.ssh.wire import ProtocolViolation, Reader

if TYPE_CHECKING:
    from conchgo.ssh.factory import ServerFactory

#: RFC 4253, section 4.2: CR and LF included.
MAX_VERSION_LINE: Final = 255
#: How long a peer may take to accept what was sent before the end, in seconds.
CLOSE_TIMEOUT: Final = 5
#: A client whose machine or network vanished is gone after two minutes, and with it its sessions (tcp(7); by default
#: it takes more than two hours).
KEEPALIVE: Final = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}
#: The first exchange, and one more: a stranger must not keep the server computing.
MAX_KEY_EXCHANGES_BEFORE_LOGIN: Final = 2
#: Bytes of a client's KEXINIT, several times what any has: each of its names is looked for in our lists.
MAX_KEXINIT: Final = 16 * 1024
#: Messages of any kind, several times what the longest login needs.
MAX_MESSAGES_BEFORE_LOGIN: Final = 256
#: Most bytes of replies for a peer that asks and does not read (channel data stops earlier).
MAX_UNREAD: Final = 1024 * 1024

_FIRST_USERAUTH_MESSAGE: Final = 50
_LAST_USERAUTH_MESSAGE: Final = 79
_KEY_EXCHANGE_MESSAGES: Final = range(20, 50)
_QUIETLY_IGNORED: Final = frozenset({MSG_IGNORE, MSG_UNIMPLEMENTED, MSG_DEBUG})


@implementer(IPushProducer)
class ServerTransport(SSHServerTransport):
    """What every service and channel of one connection shares.

    `connection_id` is unique, `address` the peer's IP address; `avatar` is there once `authenticated` is true.
    As the socket's only producer it tells the running service when to stop making output, and when to go on.
    """

    version = b"conchgo_" + __version__.replace("-", "_").encode("ascii")
    ourVersionString = b"SSH-2.0-" + version
    _log = Logger()
    factory: ServerFactory
    #: The socket: an ITransport that is an IConsumer and can abortConnection.
    transport: Any
    _blockedByKeyExchange: list[tuple[int, bytes]]

    def __init__(self, factory: ServerFactory, address: str) -> None:
        self.factory = factory
        self.connection_id = secrets.token_hex(8)
        self.address = address
        self.authenticated = False
        self.ended = False
        #: Whether the portal works on a login; it goes on when the connection is gone.
        self.login_in_work = False
        self.auth_failures = 0
        self.key_queries = 0
        self.supportedKeyExchanges = list(factory.algorithms.key_exchanges)
        self.supportedCiphers = list(factory.algorithms.ciphers)
        self.supportedMACs = list(factory.algorithms.macs)
        self.supportedCompressions = [b"none"]
        self.supportedPublicKeys = list(factory.host_signatures)
        self._sealer = Sealer()
        self._opener = Opener()
        self._version_line = b""
        self._expected = MSG_KEXINIT
        self._key_exchanges = 0
        self._messages_before_login = 0
        self._socket_full = False
        self._unread = 0
        self._deadline: IDelayedCall | None = None

    # The connection's beginning and end

    def connectionMade(self) -> None:
        self._deadline = self.factory.clock.callLater(self.factory.settings.login_grace_time, self._login_too_slow)
        self.transport.registerProducer(self, True)
        tcp = ITCPTransport(self.transport, None)
        if tcp is not None:
            tcp.setTcpNoDelay(True)
            tcp.setTcpKeepAlive(True)
            for option, value in KEEPALIVE.items():
                self.transport.getHandle().setsockopt(socket.IPPROTO_TCP, option, value)
        super().connectionMade()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.ended = True
        self._set_deadline(None)
        service, self.service = self.service, None
        try:
            if service is not None:
                service.serviceStopped()
        finally:
            if self.authenticated:
                self._log_out(self.logoutFunction)
            self.factory.connection_ended(self)

    def login_succeeded(self, avatar: Any, logout: Callable[[], None]) -> None:
        """Start the connection service for `avatar`; `logout` is called when the connection is gone."""
        self.authenticated = True
        self.avatar = avatar
        self.logoutFunction = logout
        self._set_deadline(None)
        self.factory.login_ended(self)
        self.setService(self.factory.services[b"ssh-connection"]())

    def _log_out(self, logout: Callable[[], None]) -> None:
        try:
            logout()
        except Exception:
            self._log.failure("{address}: logout failed", address=self.address)

    def _login_too_slow(self) -> None:
        self._deadline = None
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, "the login took too long")

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Say why, and end: nothing more is processed or sent."""
        if self.ended:
            return
        text = desc.encode("utf-8") if isinstance(desc, str) else desc
        self.sendPacket(MSG_DISCONNECT, struct.pack(">L", reason) + NS(text) + NS(b""))
        self._log.info("{address}: disconnected: {text}", address=self.address, text=escaped(text))
        self._end()

    def loseConnection(self) -> None:
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, "the server closes the connection")

    def _end(self) -> None:
        self.ended = True
        self._set_deadline(self.factory.clock.callLater(CLOSE_TIMEOUT, self.transport.abortConnection))
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _set_deadline(self, deadline: IDelayedCall | None) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = deadline

    # Back-pressure

    @property
    def has_channels(self) -> bool:
        return self.authenticated and bool(getattr(self.service, "channels", None))

    @property
    def writable(self) -> bool:
        """Whether bulk data may be sent now: neither the socket is full nor a key exchange on its way."""
        return not (self.ended or self._socket_full or self._keyExchangeState != self._KEY_EXCHANGE_NONE)

    def pauseProducing(self) -> None:
        """Twisted calls this with every write to a full socket."""
        if not self._socket_full:
            self._socket_full = True
            self._unread = 0
            self._pause_channels()

    def resumeProducing(self) -> None:
        self._socket_full = False
        self._resume_channels()

    def stopProducing(self) -> None:
        """The socket is gone; connectionLost follows."""

    def _pause_channels(self) -> None:
        if self.authenticated and self.service is not None:
            self.service.pause()  # type: ignore[attr-defined]

    def _resume_channels(self) -> None:
        if self.authenticated and self.service is not None and self.writable:
            self.service.resume()  # type: ignore[attr-defined]

    # Bytes out and in

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        if self.ended:
            return
        if self._keyExchangeState != self._KEY_EXCHANGE_NONE and not self._allowedKeyExchangeMessageType(messageType):
            self._blockedByKeyExchange.append((messageType, payload))
            return
        packet = self._sealer.seal(bytes((messageType,)) + payload)
        self.transport.write(packet)
        if self._socket_full:
            self._unread += len(packet)
            if self._unread > MAX_UNREAD:
                self._log.info("{address}: aborted: the peer asks and does not read", address=self.address)
                self._end()
                self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        if self.ended:
            return
        try:
            if not self.gotVersion:
                data = self._read_version(data)
            self._opener.feed(data)
            while self.gotVersion and not self.ended and (payload := self._opener.next()) is not None:
                self.dispatchMessage(payload[0], payload[1:])
        except ProtocolViolation as violation:
            self.sendDisconnect(violation.code, violation.text)
        except Exception:
            self._log.failure("{address}: a message could not be handled", address=self.address)
            self.sendDisconnect(DISCONNECT_BY_APPLICATION, "internal error")

    def _read_version(self, data: bytes) -> bytes:
        """Take the client's first line, which must be its version; gives what came after it."""
        line, newline, rest = (self._version_line + data).partition(b"\n")
        if len(line) >= MAX_VERSION_LINE or not b"SSH-".startswith(line[:4]):
            self._refuse_stranger(b"Invalid SSH identification string.")
            return b""
        if not newline:
            self._version_line = line
            return b""
        self.otherVersionString = line.rstrip(b"\r")
        if not self.otherVersionString.startswith((b"SSH-2.0-", b"SSH-1.99-")):
            raise ProtocolViolation("only SSH 2.0 is spoken here", DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED)
        self.gotVersion = True
        return rest

    def _refuse_stranger(self, text: bytes) -> None:
        """Whoever does not speak SSH gets a line of plain text."""
        self.transport.write(text + b"\r\n")
        self._log.info("{address}: closed: no SSH client", address=self.address)
        self._end()

    # Messages

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Hand one message to whom it is for, if its time is right (RFC 4253, section 7.1; RFC 4252, section 6)."""
        if not self.authenticated:
            self._messages_before_login += 1
            if self._messages_before_login > MAX_MESSAGES_BEFORE_LOGIN:
                raise ProtocolViolation("too many messages before the login")
        if messageNum in _QUIETLY_IGNORED:
            return
        if messageNum == MSG_DISCONNECT:
            self.ssh_DISCONNECT(payload)
        elif messageNum in _KEY_EXCHANGE_MESSAGES:
            self._key_exchange_message(messageNum, payload)
        elif self._expected != MSG_KEXINIT or self.sessionID is None:
            raise ProtocolViolation(f"message {messageNum} during the key exchange")
        elif messageNum == MSG_SERVICE_REQUEST:
            self.ssh_SERVICE_REQUEST(payload)
        elif messageNum < _FIRST_USERAUTH_MESSAGE:
            if messageNum != MSG_EXT_INFO:
                self.sendUnimplemented()
        elif self.service is None or (not self.authenticated and messageNum > _LAST_USERAUTH_MESSAGE):
            raise ProtocolViolation(f"message {messageNum} before the login")
        elif not self.authenticated or messageNum > _LAST_USERAUTH_MESSAGE:
            self.service.packetReceived(messageNum, payload)

    def sendUnimplemented(self) -> None:
        self.sendPacket(MSG_UNIMPLEMENTED, struct.pack(">L", self._opener.last_sequence))

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        self._log.debug("{address}: the client ended the connection", address=self.address)
        self._end()

    def ssh_SERVICE_REQUEST(self, packet: bytes) -> None:
        fields = Reader(packet)
        name = fields.string()
        fields.end()
        if name != b"ssh-userauth":
            raise ProtocolViolation("no such service before the login", DISCONNECT_SERVICE_NOT_AVAILABLE)
        if self.authenticated:
            raise ProtocolViolation("a service was requested after the login")
        self.sendPacket(MSG_SERVICE_ACCEPT, NS(name))
        # Paramiko asks again for every key and password that it tries: one service goes on with its counters.
        if self.service is None:
            self.setService(self.factory.services[name]())

    # The key exchange

    def _key_exchange_message(self, number: int, payload: bytes) -> None:
        if self.ignoreNextPacket:
            self.ignoreNextPacket = 0
        elif number != self._expected:
            raise ProtocolViolation(f"message {number} at the wrong time of the key exchange")
        else:
            _KEY_EXCHANGE_STEPS[number](self, payload)

    def ssh_KEXINIT(self, packet: bytes) -> None:
        if len(packet) > MAX_KEXINIT:
            raise ProtocolViolation("KEXINIT is too large")
        fields = Reader(packet)
        fields.raw(16)
        for _ in range(10):
            fields.string()
        fields.boolean()
        fields.uint32()
        fields.end()
        self._key_exchanges += 1
        if not self.authenticated and self._key_exchanges > MAX_KEY_EXCHANGES_BEFORE_LOGIN:
            raise ProtocolViolation("too many key exchanges before the login")
        super().ssh_KEXINIT(packet)
        self._expected = MSG_KEXDH_INIT
        self._pause_channels()

    def _ssh_KEX_INIT(self, packet: bytes) -> None:
        fields = Reader(packet)
        fields.string()
        fields.end()
        try:
            self.ssh_KEX_DH_GEX_REQUEST_OLD(packet)
        except (ValueError, TypeError):
            raise ProtocolViolation("bad public value of the key exchange", DISCONNECT_KEY_EXCHANGE_FAILED)
        self._expected = MSG_NEWKEYS

    def _keySetup(self, sharedSecret: bytes, exchangeHash: bytes) -> None:
        """Our direction has the new keys from here on (stock Conch waits for the peer's NEWKEYS)."""
        first = self.sessionID is None
        SSHTransportBase._keySetup(self, sharedSecret, exchangeHash)
        self._sealer.ciphers = self.nextEncryptions
        self._keyExchangeState = self._KEY_EXCHANGE_NONE
        if first:
            self.sendExtInfo([(b"server-sig-algs", b",".join(self.factory.algorithms.user_signatures))])
        blocked, self._blockedByKeyExchange = self._blockedByKeyExchange, []
        for number, payload in blocked:
            self.sendPacket(number, payload)
        self._resume_channels()

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        if packet:
            raise ProtocolViolation("NEWKEYS takes no data")
        self._opener.ciphers = self.currentEncryptions = self.nextEncryptions
        self._expected = MSG_KEXINIT


_KEY_EXCHANGE_STEPS: Final[dict[int, Callable[[ServerTransport, bytes], None]]] = {
    MSG_KEXINIT: ServerTransport.ssh_KEXINIT,
    MSG_KEXDH_INIT: ServerTransport._ssh_KEX_INIT,
    MSG_NEWKEYS: ServerTransport.ssh_NEWKEYS,
}
