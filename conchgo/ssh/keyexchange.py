"""Key exchanges of one connection (RFC 4253, section 7): the first, and new keys in time, by whichever side.

Conch does the mathematics; what is negotiated, when which message may come, and when the keys are in force is here.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from twisted.conch.ssh.transport import (
    DISCONNECT_KEY_EXCHANGE_FAILED,
    DISCONNECT_PROTOCOL_ERROR,
    MSG_KEXDH_INIT,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    SSHServerTransport,
    SSHTransportBase,
)
from twisted.internet.interfaces import IDelayedCall

from conchgo.ssh.algorithms import HOST_SIGNATURES
from conchgo.ssh.ciphers import Protection, protection
from conchgo.ssh.compression import DELAYED_ZLIB, Compressor, Decompressor
from conchgo.ssh.negotiation import (
    EXTENSIONS_CLIENT,
    EXTENSIONS_SERVER,
    STRICT_CLIENT,
    STRICT_SERVER,
    Agreement,
    ClientOffer,
    name_lists,
    negotiate,
)
from conchgo.ssh.packets import Opener, Sealer
from conchgo.ssh.wire import ProtocolViolation, Reader

if TYPE_CHECKING:
    from conchgo.ssh.factory import ServerFactory

#: The first exchange, and one more: a stranger must not keep the server computing.
MAX_KEY_EXCHANGES_BEFORE_LOGIN: Final = 2
#: Bytes of a client's KEXINIT, several times what any has: each of its names is looked for in our lists.
MAX_KEXINIT: Final = 16 * 1024
#: Messages of ours that may wait for the end of an exchange, and their bytes (a PONG is as long as its PING).
MAX_WAITING: Final = 4096
MAX_WAITING_BYTES: Final = 1024 * 1024
#: What nobody asks for once the new keys are in force; which of them are there depends on the key exchange.
_OF_ONE_EXCHANGE: Final = ("ourKexInitPayload", "otherKexInitPayload", "ecPub", "dhSecretKeyPublicMP")


class NewKeys:
    """What is agreed, and the protection of both directions once Conch knows the keys."""

    outgoing: Protection
    incoming: Protection

    def __init__(self, agreement: Agreement) -> None:
        self._agreement = agreement

    def setKeys(self, outIV: bytes, outKey: bytes, inIV: bytes, inKey: bytes, outInteg: bytes, inInteg: bytes) -> None:
        """Called by Conch's _keySetup, with more bytes of each than any algorithm needs."""
        out, into = self._agreement.outgoing, self._agreement.incoming
        self.outgoing = protection(out.cipher, out.mac, (outIV, outKey, outInteg), sealing=True)
        self.incoming = protection(into.cipher, into.mac, (inIV, inKey, inInteg), sealing=False)

    def compressor(self) -> Compressor | None:
        return Compressor() if self._agreement.outgoing.compression == DELAYED_ZLIB else None

    def decompressor(self) -> Decompressor | None:
        return Decompressor() if self._agreement.incoming.compression == DELAYED_ZLIB else None


class KeyExchanges(SSHServerTransport):
    """The part of a transport that exchanges keys. `exchanging` is true while other messages of ours have to wait."""

    factory: ServerFactory
    authenticated: bool
    transport: Any
    nextEncryptions: NewKeys  # type: ignore[assignment]  # Conch calls its setKeys, and nothing else of it
    _blockedByKeyExchange: list[tuple[int, bytes]]

    # With Conch's own there would be so many attributes that CPython gives each connection a table of their names.
    __slots__ = (
        "_compression_allowed",
        "_expected",
        "_key_exchanges",
        "_opener",
        "_rekey_timer",
        "_sealer",
        "_strict",
        "_waiting_bytes",
        "common_host_signatures",
        "factory",
        "host_key",
    )

    def __init__(self, factory: ServerFactory) -> None:
        self.factory = factory
        self._sealer = Sealer()
        self._opener = Opener()
        self._expected = MSG_KEXINIT
        self._key_exchanges = 0
        self._strict = False
        self._compression_allowed = False
        #: The public key that the server proved in the first exchange.
        self.host_key = b""
        #: Of our algorithms for host keys those that the client knows too.
        self.common_host_signatures: tuple[bytes, ...] = ()
        self._waiting_bytes = 0
        self._rekey_timer: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """As Conch's, without ciphers of its own."""
        self.transport.write(self.ourVersionString + b"\r\n")
        self.sendKexInit()

    @property
    def exchanging(self) -> bool:
        return self._keyExchangeState != self._KEY_EXCHANGE_NONE

    @property
    def received(self) -> tuple[int, int]:
        """Changes with every message of the peer."""
        return self._key_exchanges, self._opener.packets

    def stop_rekeying(self) -> None:
        """The connection ends: its timer too."""
        self._set_rekey_timer(None)

    def rekey_if_due(self) -> None:
        """Begin an exchange where the keys in force have protected enough bytes or packets."""
        settings = self.factory.settings
        if self.sessionID is None:
            return
        for direction in (self._sealer, self._opener):
            if direction.bytes >= settings.rekey_bytes or direction.packets >= settings.rekey_packets:
                self._rekey()
                return

    @property
    def others_may_come(self) -> bool:
        """Whether the peer may send messages that are no part of a key exchange."""
        return self.sessionID is not None and self._expected == MSG_KEXINIT

    @property
    def strictly_first(self) -> bool:
        """Whether the first exchange is on, with a peer that agreed that nothing else happens meanwhile."""
        return self._strict and self._key_exchanges == 1 and self._expected != MSG_KEXINIT

    def key_exchange_message(self, number: int, payload: bytes) -> None:
        if self.ignoreNextPacket and number != MSG_KEXINIT:
            self.ignoreNextPacket = 0
        elif number != self._expected:
            raise ProtocolViolation(f"message {number} at the wrong time of the key exchange")
        else:
            _STEPS[number](self, payload)

    def exchange_begins(self) -> None:
        """From here on nothing else may be sent. For subclasses."""

    def exchange_ends(self) -> None:
        """Everything may be sent again. For subclasses."""

    def will_decompress(self) -> None:
        """The keys to come are with compression: what comes may be much more than it seems. For subclasses."""

    def allow_compression(self) -> None:
        """Our USERAUTH_SUCCESS was just sent: from here on what was agreed to be compressed is.

        The client's messages are from the one on that it sends after it; its NEWKEYS, where that is still to come,
        is not.
        """
        self._compression_allowed = True
        self._sealer.compressor = self.nextEncryptions.compressor()
        if self._expected == MSG_KEXINIT:
            self._opener.decompressor = self.nextEncryptions.decompressor()
            del self.nextEncryptions

    # Sent

    def sendKexInit(self) -> None:
        """RFC 4253, section 7.1; the first time with the words that say: strictly, please."""
        words = (STRICT_SERVER, EXTENSIONS_SERVER) if self.sessionID is None else (EXTENSIONS_SERVER,)
        lists = name_lists(self.factory.algorithms, self.factory.host_signatures, words)
        self.ourKexInitPayload = bytes((MSG_KEXINIT,)) + secrets.token_bytes(16) + lists + bytes(5)
        self.sendPacket(MSG_KEXINIT, self.ourKexInitPayload[1:])
        self._keyExchangeState = self._KEY_EXCHANGE_REQUESTED
        self._blockedByKeyExchange = []
        self.exchange_begins()

    def _rekey(self) -> None:
        if self.exchanging or self._expected != MSG_KEXINIT:
            return
        self.sendKexInit()
        self._set_rekey_timer(
            self.factory.clock.callLater(self.factory.settings.login_grace_time, self._rekey_too_slow)
        )

    def _rekey_too_slow(self) -> None:
        self._rekey_timer = None
        self.sendDisconnect(DISCONNECT_KEY_EXCHANGE_FAILED, "the key exchange took too long")

    # Received

    def ssh_KEXINIT(self, packet: bytes) -> None:
        if len(packet) > MAX_KEXINIT:
            raise ProtocolViolation("KEXINIT is too large")
        offer = ClientOffer.parse(packet)
        self._key_exchanges += 1
        if not self.authenticated and self._key_exchanges > MAX_KEY_EXCHANGES_BEFORE_LOGIN:
            raise ProtocolViolation("too many key exchanges before the login")
        if self.sessionID is None:
            self._strict = STRICT_CLIENT in offer.key_exchanges
            if self._strict and self._opener.packets > 1:
                raise ProtocolViolation("a message before the first KEXINIT of a strict key exchange")
        agreement = negotiate(offer, self.factory.algorithms, self.factory.host_signatures)
        self.otherKexInitPayload = bytes((MSG_KEXINIT,)) + packet
        self.common_host_signatures = tuple(name for name in self.supportedPublicKeys if name in offer.host_keys)
        self.kexAlg, self.keyAlg = agreement.key_exchange, agreement.host_key
        self.nextEncryptions = NewKeys(agreement)
        if agreement.incoming.compression == DELAYED_ZLIB:
            self.will_decompress()
        self._peerSupportsExtensions = EXTENSIONS_CLIENT in offer.key_exchanges
        if not self.exchanging:
            self.sendKexInit()
        self._keyExchangeState = self._KEY_EXCHANGE_PROGRESSING
        self.ignoreNextPacket = int(offer.guessed and not agreement.right_guess)
        self._expected = MSG_KEXDH_INIT
        if self.sessionID is not None:
            # The first exchange is part of the login, which has its own bound.
            self._set_rekey_timer(
                self.factory.clock.callLater(self.factory.settings.login_grace_time, self._rekey_too_slow)
            )

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
        compressor = self.nextEncryptions.compressor() if self._compression_allowed else None
        self._sealer.use(self.nextEncryptions.outgoing, compressor, reset_sequence=self._strict)
        self._keyExchangeState = self._KEY_EXCHANGE_NONE
        if first:
            self.host_key = self.factory.host_key_blobs[HOST_SIGNATURES[self.keyAlg]]
            self.sendExtInfo(
                [
                    (b"server-sig-algs", b",".join(self.factory.algorithms.user_signatures)),
                    (b"ping@openssh.com", b"0"),
                    (b"publickey-hostbound@openssh.com", b"0"),
                ]
            )
        waiting, self._blockedByKeyExchange = self._blockedByKeyExchange, []
        self._waiting_bytes = 0
        for number, payload in waiting:
            self.sendPacket(number, payload)
        self.exchange_ends()

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        if packet:
            raise ProtocolViolation("NEWKEYS takes no data")
        decompressor = self.nextEncryptions.decompressor() if self._compression_allowed else None
        self._opener.use(self.nextEncryptions.incoming, decompressor, reset_sequence=self._strict)
        self._expected = MSG_KEXINIT
        self._forget_exchange()
        self._set_rekey_timer(self.factory.clock.callLater(self.factory.settings.rekey_seconds, self._rekey))

    def _forget_exchange(self) -> None:
        """Conch keeps it all; a session that does nothing for hours would carry it along."""
        for name in _OF_ONE_EXCHANGE:
            with suppress(AttributeError):
                delattr(self, name)
        if self._compression_allowed:
            del self.nextEncryptions

    def wait_for_exchange(self, number: int, payload: bytes) -> None:
        """Keep a message of ours until everything may be sent again; too much of that ends the connection."""
        self._waiting_bytes += len(payload)
        if len(self._blockedByKeyExchange) >= MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            # Not an exception: what sends may be a program, at any time.
            self.sendDisconnect(DISCONNECT_PROTOCOL_ERROR, "too many requests during a key exchange")
        else:
            self._blockedByKeyExchange.append((number, payload))

    def _set_rekey_timer(self, timer: IDelayedCall | None) -> None:
        if self._rekey_timer is not None and self._rekey_timer.active():
            self._rekey_timer.cancel()
        self._rekey_timer = timer


_STEPS: Final[dict[int, Callable[[KeyExchanges, bytes], None]]] = {
    MSG_KEXINIT: KeyExchanges.ssh_KEXINIT,
    MSG_KEXDH_INIT: KeyExchanges._ssh_KEX_INIT,
    MSG_NEWKEYS: KeyExchanges.ssh_NEWKEYS,
}
