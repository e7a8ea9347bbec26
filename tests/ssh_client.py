"""A client over Conch's own that can send any message at any time, and the wire between it and a server in memory."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import (
    MSG_DISCONNECT,
    MSG_NEWKEYS,
    MSG_SERVICE_REQUEST,
    SSHClientTransport,
)
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST, MSG_USERAUTH_SUCCESS
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from conchgo.ssh.ciphers import protection
from conchgo.ssh.compression import DELAYED_ZLIB, NONE, Compressor, Decompressor
from conchgo.ssh.negotiation import STRICT_CLIENT
from conchgo.ssh.packets import Opener, Sealer
from conchgo.ssh.receive_buffer import ReceiveBuffer

MSG_GLOBAL_REQUEST = 80
MSG_CHANNEL_OPEN = 90
MSG_CHANNEL_REQUEST = 98
_KEY_EXCHANGE = range(20, 50)


class RawClient(SSHClientTransport):
    """Does the key exchange by itself; every other message is only written down in `messages`.

    But for the host keys that every login is told: their message is kept in `announced`.
    """

    supportedKeyExchanges = [b"curve25519-sha256"]
    supportedCiphers = [b"aes128-ctr"]
    supportedMACs = [b"hmac-sha2-256"]
    supportedPublicKeys = [b"ssh-ed25519"]
    supportedCompressions = [b"none"]

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.announced: list[bytes] = []
        self.key_exchanges = 0

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        return succeed(True)

    def connectionSecure(self) -> None:
        self.key_exchanges += 1

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Nothing to clean up."""

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        if messageNum in _KEY_EXCHANGE:
            super().dispatchMessage(messageNum, payload)
        elif messageNum == MSG_GLOBAL_REQUEST and payload.startswith(NS(b"hostkeys-00@openssh.com")):
            self.announced.append(payload)
        else:
            self.messages.append((messageNum, payload))

    # What arrived

    def received(self, number: int) -> list[bytes]:
        """The payloads of all messages of that number so far."""
        return [payload for other, payload in self.messages if other == number]

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.messages]

    @property
    def disconnect(self) -> tuple[int, bytes] | None:
        """Code and text of the server's DISCONNECT."""
        for payload in self.received(MSG_DISCONNECT):
            return struct.unpack(">L", payload[:4])[0], getNS(payload[4:])[0]
        return None

    # What to send

    def send_now(self, number: int, payload: bytes) -> None:
        """Send even what must not be sent during a key exchange."""
        state, self._keyExchangeState = self._keyExchangeState, self._KEY_EXCHANGE_NONE
        self.sendPacket(number, payload)
        self._keyExchangeState = state

    def request_userauth(self) -> None:
        self.sendPacket(MSG_SERVICE_REQUEST, NS(b"ssh-userauth"))

    def userauth(
        self, username: bytes, method: bytes, details: bytes = b"", service: bytes = b"ssh-connection"
    ) -> None:
        self.sendPacket(MSG_USERAUTH_REQUEST, NS(username) + NS(service) + NS(method) + details)

    def password(self, username: bytes, password: bytes) -> None:
        self.userauth(username, b"password", b"\0" + NS(password))

    def query_key(self, username: bytes, algorithm: bytes, blob: bytes) -> None:
        self.userauth(username, b"publickey", b"\0" + NS(algorithm) + NS(blob))

    def signed_message(self, username: bytes, algorithm: bytes, blob: bytes, method: bytes = b"publickey") -> bytes:
        """What a signature of a public key login is made over (RFC 4252, section 7)."""
        parts = (username, b"ssh-connection", method)
        head = NS(self.sessionID) + bytes([MSG_USERAUTH_REQUEST]) + b"".join(map(NS, parts))
        return head + b"\1" + NS(algorithm) + NS(blob)

    def publickey(self, username: bytes, algorithm: bytes, blob: bytes, signature: bytes) -> None:
        self.userauth(username, b"publickey", b"\1" + NS(algorithm) + NS(blob) + NS(signature))

    def sign_in(self, username: bytes, key: Key, algorithm: bytes | None = None) -> None:
        algorithm = algorithm or key.sshType()
        blob = key.public().blob()
        signature = key.sign(self.signed_message(username, algorithm, blob), algorithm)
        self.publickey(username, algorithm, blob, signature)

    def open_session(self, number: int = 0, window: int = 2**21, max_packet: int = 2**15) -> None:
        self.sendPacket(MSG_CHANNEL_OPEN, NS(b"session") + struct.pack(">LLL", number, window, max_packet))

    def channel_request(self, channel: int, name: bytes, details: bytes = b"", want_reply: bool = True) -> None:
        self.send_channel(MSG_CHANNEL_REQUEST, channel, NS(name) + bytes([want_reply]) + details)

    def send_channel(self, number: int, channel: int, payload: bytes = b"") -> None:
        self.sendPacket(number, struct.pack(">L", channel) + payload)


class BytesOpener(Opener):
    """An Opener that is fed with bytes, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = ReceiveBuffer()
        self._waiting = b""

    def feed(self, data: bytes) -> None:  # type: ignore[override]
        self._waiting += data

    def next(self) -> bytes | None:
        payload = super().next()
        while payload is None and self._waiting:
            count = self._buffer.load(self._waiting)
            self._waiting = self._waiting[count:]
            super().feed(self._buffer, count)
            payload = super().next()
        return payload


class ModernClient(RawClient):
    """With packets of our own instead of Conch's: any cipher and MAC, compression, and strict key exchange."""

    def __init__(
        self,
        cipher: bytes = b"chacha20-poly1305@openssh.com",
        mac: bytes = b"hmac-sha2-256",
        *,
        compression: bytes = NONE,
        strict: bool = True,
    ) -> None:
        super().__init__()
        self.supportedCiphers, self.supportedMACs, self.supportedCompressions = [cipher], [mac], [compression]
        self.strict = strict
        self.sealer, self.opener = Sealer(), BytesOpener()

    def sendKexInit(self) -> None:
        marker = [STRICT_CLIENT] if self.strict and self.sessionID is None else []
        self.supportedKeyExchanges = [*RawClient.supportedKeyExchanges, *marker]
        super().sendKexInit()

    def ssh_KEXINIT(self, packet: bytes) -> None:
        super().ssh_KEXINIT(packet)
        self.nextEncryptions = _NextKeys(self)

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        if self._keyExchangeState != self._KEY_EXCHANGE_NONE and not self._allowedKeyExchangeMessageType(messageType):
            self._blockedByKeyExchange.append((messageType, payload))
            return
        self.transport.write(bytes(self.sealer.seal(bytes((messageType,)) + payload)))
        if messageType == MSG_NEWKEYS:
            self.sealer.use(self.nextEncryptions.outgoing, self._compressor(), reset_sequence=self.strict)

    def getPacket(self) -> bytes | None:
        self.opener.feed(self.buf)
        self.buf = b""
        return self.opener.next()

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        self.opener.use(self.nextEncryptions.incoming, self._decompressor(), reset_sequence=self.strict)
        super().ssh_NEWKEYS(packet)

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        super().dispatchMessage(messageNum, payload)
        if messageNum == MSG_USERAUTH_SUCCESS:
            self.sealer.compressor, self.opener.decompressor = self._compressor(), self._decompressor()

    @property
    def _compresses(self) -> bool:
        return DELAYED_ZLIB in self.supportedCompressions and bool(self.received(MSG_USERAUTH_SUCCESS))

    def _compressor(self) -> Compressor | None:
        return Compressor() if self._compresses else None

    def _decompressor(self) -> Decompressor | None:
        return Decompressor() if self._compresses else None


class _NextKeys:
    """What Conch's client asks of its SSHCiphers."""

    def __init__(self, client: ModernClient) -> None:
        self._names = client.supportedCiphers[0], client.supportedMACs[0]
        self.encBlockSize = 0

    def setKeys(self, outIV: bytes, outKey: bytes, inIV: bytes, inKey: bytes, outInteg: bytes, inInteg: bytes) -> None:
        self.outgoing_keys = outIV, outKey, outInteg
        self.outgoing = protection(*self._names, (outIV, outKey, outInteg), sealing=True)
        self.incoming = protection(*self._names, (inIV, inKey, inInteg), sealing=False)
        self.encBlockSize = self.outgoing.block


class Socket(StringTransport):
    """As Twisted's: while it is `full`, every write asks the producer to pause."""

    full = False

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.full and self.producer is not None:
            self.producer.pauseProducing()


class Wire:
    """Two protocols, and the bytes between them: nothing moves but by `pump`.

    `fill` makes the server's socket full, `empty` makes it ready again. With `hold_close` the peer takes nothing more,
    so the server's connection does not end by itself.
    """

    def __init__(self, server: Protocol, client: Protocol, peer: IAddress | None = None) -> None:
        self.server, self.client = server, client
        self.server_socket = Socket(peerAddress=peer, lenient=True)
        self.client_socket = StringTransport(lenient=True)
        self.hold_close = False
        self.closed = False
        server.makeConnection(self.server_socket)
        client.makeConnection(self.client_socket)

    def fill(self) -> None:
        self.server_socket.full = True
        self.server_socket.producer.pauseProducing()

    def empty(self) -> None:
        self.server_socket.full = False
        self.server_socket.producer.resumeProducing()

    def pump(self) -> None:
        """Carry bytes both ways until nothing more comes, and the end of the connection if it is time."""
        while not self.closed:
            moved = self._carry(self.client_socket, self.server) | self._carry(self.server_socket, self.client)
            if not moved:
                break
        if self.server_socket.disconnecting and not self.hold_close:
            self.lose()

    def lose(self) -> None:
        """The connection is gone."""
        if not self.closed:
            self.closed = True
            for protocol in (self.server, self.client):
                protocol.connectionLost(Failure(ConnectionDone()))

    @staticmethod
    def _carry(source: StringTransport, target: Protocol) -> bool:
        data = source.value()
        source.clear()
        if data:
            target.dataReceived(data)
        return bool(data)


def connect(
    factory: ServerFactory, client: RawClient | None = None, peer: IAddress | None = None
) -> tuple[RawClient, Wire]:
    """A client that has done the key exchange with a new connection of `factory`."""
    client = client or RawClient()
    address = peer or StringTransport().getPeer()
    wire = Wire(factory.buildProtocol(address), client, address)
    wire.pump()
    return client, wire


def log_in(
    factory: ServerFactory, username: bytes = b"alice", password: bytes = b"secret", client: RawClient | None = None
) -> tuple[RawClient, Wire]:
    """A client whose user is logged in by password."""
    client, wire = connect(factory, client)
    client.request_userauth()
    client.password(username, password)
    wire.pump()
    return client, wire


def start(client: RawClient, wire: Wire, *requests: tuple[bytes, bytes], window: int = 2**21) -> int:
    """Open a session channel and make requests on it, such as (b"exec", NS(line)); gives its number at the server."""
    client.open_session(window=window)
    wire.pump()
    (_, channel) = struct.unpack(">LL", client.received(91)[-1][:8])
    for name, details in requests:
        client.channel_request(channel, name, details)
    wire.pump()
    return channel


def channel_data(client: RawClient, number: int = 94) -> bytes:
    """All data (or, by 95, extended data) that arrived on channels."""
    skip = 4 if number == 94 else 8
    return b"".join(getNS(payload[skip:])[0] for payload in client.received(number))


def numbers_of(client: RawClient, *kinds: int) -> Sequence[int]:
    """The numbers of the messages of some kinds, in order of arrival."""
    return [number for number in client.numbers if number in kinds]
