"""Which algorithms the server offers: an algorithm is a row in a preference table, best first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from conchgo.ssh.ciphers import CIPHERS, MACS
from conchgo.ssh.compression import DELAYED_ZLIB, NONE
from conchgo.ssh.conch_private import supported_key_exchanges

#: What users' keys may sign with, each with the key type that its blob must name (RFC 8332, section 3, for RSA).
USER_SIGNATURES: Final[Mapping[bytes, bytes]] = {
    b"ssh-ed25519": b"ssh-ed25519",
    b"sk-ssh-ed25519@openssh.com": b"sk-ssh-ed25519@openssh.com",
    b"ecdsa-sha2-nistp256": b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384": b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521": b"ecdsa-sha2-nistp521",
    b"sk-ecdsa-sha2-nistp256@openssh.com": b"sk-ecdsa-sha2-nistp256@openssh.com",
    b"rsa-sha2-512": b"ssh-rsa",
    b"rsa-sha2-256": b"ssh-rsa",
}

#: What host keys sign with, each with the type of key that can: never SHA-1.
HOST_SIGNATURES: Final[Mapping[bytes, bytes]] = {
    b"ssh-ed25519": b"ssh-ed25519",
    b"ecdsa-sha2-nistp256": b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384": b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521": b"ecdsa-sha2-nistp521",
    b"rsa-sha2-512": b"ssh-rsa",
    b"rsa-sha2-256": b"ssh-rsa",
}

_MODERN_KEY_EXCHANGES: Final = (b"mlkem768x25519-sha256", b"curve25519-sha256", b"curve25519-sha256@libssh.org")
_OLDER_KEY_EXCHANGES: Final = (
    b"ecdh-sha2-nistp256",
    b"ecdh-sha2-nistp384",
    b"ecdh-sha2-nistp521",
    b"diffie-hellman-group14-sha256",
    b"diffie-hellman-group16-sha512",
)
_CIPHERS: Final = (
    b"aes128-gcm@openssh.com",
    b"aes256-gcm@openssh.com",
    b"chacha20-poly1305@openssh.com",
    b"aes128-ctr",
    b"aes192-ctr",
    b"aes256-ctr",
)
_MODERN_MACS: Final = (b"hmac-sha2-256-etm@openssh.com", b"hmac-sha2-512-etm@openssh.com")
_OLDER_MACS: Final = (b"hmac-sha2-256", b"hmac-sha2-512")


@dataclass(frozen=True, slots=True)
class AlgorithmSet:
    """What one server offers, by the names on the wire, best first."""

    key_exchanges: tuple[bytes, ...]
    ciphers: tuple[bytes, ...] = _CIPHERS
    macs: tuple[bytes, ...] = _MODERN_MACS
    compressions: tuple[bytes, ...] = (NONE,)
    host_signatures: tuple[bytes, ...] = tuple(HOST_SIGNATURES)
    user_signatures: tuple[bytes, ...] = tuple(USER_SIGNATURES)


def _available(key_exchanges: tuple[bytes, ...]) -> tuple[bytes, ...]:
    supported = supported_key_exchanges()
    return tuple(name for name in key_exchanges if name in supported)


#: All that there is, by the field of AlgorithmSet that may list it. What is not safe is not there.
ALGORITHMS: Final[Mapping[str, Collection[bytes]]] = {
    "key_exchanges": _available(_MODERN_KEY_EXCHANGES + _OLDER_KEY_EXCHANGES),
    "ciphers": CIPHERS,
    "macs": MACS,
    "compressions": (NONE, DELAYED_ZLIB),
    "host_signatures": HOST_SIGNATURES,
    "user_signatures": USER_SIGNATURES,
}

#: By the names that the configuration uses.
ALGORITHM_SETS: Final[Mapping[str, AlgorithmSet]] = {
    "default": AlgorithmSet(_available(_MODERN_KEY_EXCHANGES)),
    "compatible": AlgorithmSet(
        _available(_MODERN_KEY_EXCHANGES + _OLDER_KEY_EXCHANGES), macs=_MODERN_MACS + _OLDER_MACS
    ),
}
