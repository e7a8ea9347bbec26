"""One connection: the SSH transport protocol (RFC 4253), on Conch's key exchanges and on packets of our own."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST
from twisted.conch.ssh.transport import (
    DISCONNECT_BY_APPLICATION,
    DISCONNECT_PROTOCOL_VERSION_NOT_SUPPORTED,
    DISCONNECT_SERVICE_NOT_AVAILABLE,
    MSG_DEBUG,
    MSG_DISCONNECT,
    MSG_EXT_INFO,
    MSG_IGNORE,
    MSG_SERVICE_ACCEPT,
    MSG_SERVICE_REQUEST,
    MSG_UNIMPLEMENTED,
)
from twisted.conch.ssh.userauth import MSG_USERAUTH_SUCCESS
from twisted.internet.interfaces import IDelayedCall, IPushProducer, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from conchgo import __version__
from conchgo.paths import escaped
from conchgo.ssh.keyexchange import KeyExchanges
from conchgo.ssh.packet_buffer import PacketBuffer
from conchgo.ssh.receive_buffer import RECEIVE, RECEIVE_LITTLE, SMALL_PACKET
from conchgo.ssh.socket import GatheringSocket
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
#: Messages of any kind, several times what the longest login needs.
MAX_MESSAGES_BEFORE_LOGIN: Final = 256
#: Most bytes of replies for a peer that asks and does not read (channel data stops earlier).
MAX_UNREAD: Final = 1024 * 1024

#: ping@openssh.com (OpenSSH PROTOCOL, 1.9).
MSG_PING: Final = 192
MSG_PONG: Final = 193

_FIRST_USERAUTH_MESSAGE: Final = 50
_LAST_USERAUTH_MESSAGE: Final = 79
_KEY_EXCHANGE_MESSAGES: Final = range(20, 50)
_QUIETLY_IGNORED: Final = frozenset({MSG_IGNORE, MSG_UNIMPLEMENTED, MSG_DEBUG})
#: Of these a transfer consists: they take a short way.
_TRANSFER: Final = frozenset({MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST})


@implementer(IPushProducer)
class ServerTransport(KeyExchanges):
    """What every service and channel of one connection shares.

    `connection_id` is unique, `address` the peer's IP address; `avatar` is there once `authenticated` is true.
    As the socket's only producer it tells the running service when to stop making output, and when to go on.
    """

    version = b"conchgo_" + __version__.replace("-", "_").encode("ascii")
    ourVersionString = b"SSH-2.0-" + version
    _log = Logger()
    #: The socket: an ITransport that is an IConsumer and can abortConnection.
    transport: Any

    __slots__ = (
        "_deadline",
        "_gathers",
        "_messages_before_login",
        "_most_read",
        "_socket_full",
        "_unread",
        "_version_line",
        "address",
        "auth_failures",
        "authenticated",
        "connection_id",
        "ended",
        "key_queries",
        "login_in_work",
        "receive_buffer",
    )

    def __init__(self, factory: ServerFactory, address: str) -> None:
        super().__init__(factory)
        self.connection_id = secrets.token_hex(8)
        self.address = address
        self.authenticated = False
        self.ended = False
        #: Whether the portal works on a login; it goes on when the connection is gone.
        self.login_in_work = False
        self.auth_failures = 0
        self.key_queries = 0
        self._version_line = b""
        self._messages_before_login = 0
        self._socket_full = False
        self._unread = 0
        self._gathers = False
        self._most_read = RECEIVE
        self.receive_buffer = factory.receive_buffer
        self._deadline: IDelayedCall | None = None

    # The connection's beginning and end

    def connectionMade(self) -> None:
        self._deadline = self.factory.clock.callLater(self.factory.settings.login_grace_time, self._login_too_slow)
        self.transport.registerProducer(self, True)
        self._gathers = isinstance(self.transport, GatheringSocket)
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
        self.stop_rekeying()
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
        if isinstance(self.transport, GatheringSocket):
            self.transport.quick_acks = False
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

    def terminate(self, reason: str) -> None:
        """End what runs for the client, which did not ask for that, and the connection."""
        if self.ended:
            return
        if self.authenticated:
            self.service.terminate()  # type: ignore[union-attr]
        self.sendDisconnect(DISCONNECT_BY_APPLICATION, reason)

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
        return not (self.ended or self._socket_full or self.exchanging)

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

    def exchange_begins(self) -> None:
        self._pause_channels()

    def exchange_ends(self) -> None:
        self._resume_channels()

    def will_decompress(self) -> None:
        self._most_read = RECEIVE_LITTLE
        if self._gathers:
            self.transport.read_limit = RECEIVE_LITTLE

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
        if self.exchanging and not self._allowedKeyExchangeMessageType(messageType):
            self.wait_for_exchange(messageType, payload)
            return
        self._send(self._sealer.seal(bytes((messageType,)) + payload))
        if messageType == MSG_USERAUTH_SUCCESS:
            self.allow_compression()
        if messageType >= _FIRST_USERAUTH_MESSAGE:
            self.rekey_if_due()

    def send_data(self, fields: tuple[int, ...], data: bytes) -> None:
        """A message of `fields` (its number, and numbers of 32 bits) and of data, while `writable`."""
        head = bytes((fields[0],)) + struct.pack(f">{len(fields)}L", *fields[1:], len(data))
        self._send(self._sealer.seal(head + data))

    def send_buffers(self, fields: tuple[int, ...], buffers: Sequence[PacketBuffer]) -> None:
        """As `send_data` for each, without a copy; they go back to the pool when they are sent."""
        pool = self.factory.buffers
        if self._gathers and self._sealer.compressor is None:
            self.transport.write_buffers(self._sealer.seal_buffers(buffers, fields), buffers, pool)
            return
        for buffer in buffers:
            data = bytes(buffer.view[buffer.start : buffer.end])
            pool.give_back(buffer)
            self.send_data(fields, data)

    def _send(self, packet: bytearray) -> None:
        # Other transports (of tests, of Twisted's wrappers) take bytes only.
        self.transport.write(packet if self._gathers else bytes(packet))
        if self._socket_full:
            self._unread += len(packet)
            if self._unread > MAX_UNREAD:
                self._log.info("{address}: aborted: the peer asks and does not read", address=self.address)
                self._end()
                self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        """What came by another way than `receive_buffer`."""
        while data:
            count = self.receive_buffer.load(data)
            self.input_received(count)
            data = data[count:]

    def input_received(self, count: int) -> None:
        """So many bytes have come into the receive buffer."""
        if self.ended:
            return
        try:
            if self.gotVersion:
                self._opener.feed(self.receive_buffer, count)
                self._pace(count, self._handle_messages())
            else:
                rest = self._read_version(bytes(self.receive_buffer.room[:count]))
                if self.gotVersion and rest:
                    self.dataReceived(rest)
        except ProtocolViolation as violation:
            self.sendDisconnect(violation.code, violation.text)
        except Exception:
            self._log.failure("{address}: a message could not be handled", address=self.address)
            self.sendDisconnect(DISCONNECT_BY_APPLICATION, "internal error")

    def _handle_messages(self) -> int:
        """Do what has come; the count of messages."""
        opener, messages = self._opener, 0
        while not self.ended and (payload := opener.next()) is not None:
            messages += 1
            if payload[0] in _TRANSFER and self.authenticated and self.others_may_come:
                self.service.transfer_message(payload)  # type: ignore[union-attr]
            else:
                self.dispatchMessage(payload[0], payload[1:])
        self.rekey_if_due()
        return messages

    def _pace(self, count: int, messages: int) -> None:
        """Read little at once from who sends small messages, and more by and by from who sends large ones."""
        if self._gathers:
            small = messages * SMALL_PACKET > count
            self.transport.read_limit = RECEIVE_LITTLE if small else min(2 * self.transport.read_limit, self._most_read)

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
        if messageNum in _QUIETLY_IGNORED and not self.strictly_first:
            return
        if messageNum == MSG_DISCONNECT:
            self.ssh_DISCONNECT(payload)
        elif messageNum in _KEY_EXCHANGE_MESSAGES:
            self.key_exchange_message(messageNum, payload)
        elif not self.others_may_come:
            raise ProtocolViolation(f"message {messageNum} during the key exchange")
        elif messageNum == MSG_PING:
            self._ping(payload)
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

    def _ping(self, packet: bytes) -> None:
        fields = Reader(packet)
        data = fields.string()
        fields.end()
        self.sendPacket(MSG_PONG, NS(data))

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
