"""What both sides will use: each list's first name of the client's that the server knows (RFC 4253, section 7.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.transport import DISCONNECT_KEY_EXCHANGE_FAILED

from conchgo.ssh.algorithms import AlgorithmSet
from conchgo.ssh.ciphers import needs_mac
from conchgo.ssh.wire import ProtocolViolation, Reader

#: Strict key exchange against Terrapin (OpenSSH PROTOCOL, 1.10), and RFC 8308's: no algorithms, but said among them.
STRICT_CLIENT: Final = b"kex-strict-c-v00@openssh.com"
STRICT_SERVER: Final = b"kex-strict-s-v00@openssh.com"
EXTENSIONS_CLIENT: Final = b"ext-info-c"
EXTENSIONS_SERVER: Final = b"ext-info-s"


@lru_cache
def name_lists(ours: AlgorithmSet, host_keys: tuple[bytes, ...], words: tuple[bytes, ...]) -> bytes:
    """The name-lists of our KEXINIT, `words` among the key exchanges: the same for every client."""
    both_ways = (ours.ciphers, ours.ciphers, ours.macs, ours.macs, ours.compressions, ours.compressions)
    lists = ((*ours.key_exchanges, *words), host_keys, *both_ways, (), ())
    return b"".join(NS(b",".join(names)) for names in lists)


@dataclass(frozen=True, slots=True)
class ClientOffer:
    """A client's KEXINIT. Of two lists the first is for client to server."""

    key_exchanges: Sequence[bytes]
    host_keys: Sequence[bytes]
    ciphers: tuple[Sequence[bytes], Sequence[bytes]]
    macs: tuple[Sequence[bytes], Sequence[bytes]]
    compressions: tuple[Sequence[bytes], Sequence[bytes]]
    guessed: bool

    @classmethod
    def parse(cls, payload: bytes) -> ClientOffer:
        """The message without its number. Raises ProtocolViolation."""
        fields = Reader(payload)
        fields.raw(16)
        lists = [fields.string().split(b",") for _ in range(10)]
        guessed = fields.boolean()
        fields.uint32()
        fields.end()
        kex, keys, cipher_in, cipher_out, mac_in, mac_out, compression_in, compression_out, _, _ = lists
        return cls(kex, keys, (cipher_in, cipher_out), (mac_in, mac_out), (compression_in, compression_out), guessed)


@dataclass(frozen=True, slots=True)
class Direction:
    """What protects one direction; `mac` is empty where the cipher needs none."""

    cipher: bytes
    mac: bytes
    compression: bytes


@dataclass(frozen=True, slots=True)
class Agreement:
    """`right_guess` says that a packet which the client sent ahead is of use."""

    key_exchange: bytes
    host_key: bytes
    incoming: Direction
    outgoing: Direction
    right_guess: bool


def negotiate(offer: ClientOffer, ours: AlgorithmSet, host_keys: Sequence[bytes]) -> Agreement:
    """Raises ProtocolViolation: for one of the lists there is nothing in common."""
    incoming, outgoing = (
        _direction(offer.ciphers[way], offer.macs[way], offer.compressions[way], ours) for way in (0, 1)
    )
    return Agreement(
        key_exchange=_first("key exchange", offer.key_exchanges, ours.key_exchanges),
        host_key=_first("host key", offer.host_keys, host_keys),
        incoming=incoming,
        outgoing=outgoing,
        right_guess=offer.key_exchanges[0] == ours.key_exchanges[0] and offer.host_keys[0] == host_keys[0],
    )


def _direction(
    ciphers: Sequence[bytes], macs: Sequence[bytes], compressions: Sequence[bytes], ours: AlgorithmSet
) -> Direction:
    cipher = _first("cipher", ciphers, ours.ciphers)
    mac = _first("MAC", macs, ours.macs) if needs_mac(cipher) else b""
    return Direction(cipher, mac, _first("compression", compressions, ours.compressions))


def _first(kind: str, theirs: Sequence[bytes], ours: Sequence[bytes]) -> bytes:
    for name in theirs:
        if name in ours:
            return ours[ours.index(name)]  # what is kept is not the client's copy
    raise ProtocolViolation(f"no {kind} in common", DISCONNECT_KEY_EXCHANGE_FAILED)
