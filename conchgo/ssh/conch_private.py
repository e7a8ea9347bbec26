"""The one module that touches private names of Conch: its table of key exchanges, and two more rows for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256, sha512
from typing import Any, Final

from cryptography.utils import CryptographyDeprecationWarning
from twisted.conch.ssh import _kex
from zope.interface import implementer

GROUP14_PRIME: Final[int] = _kex.getDHGeneratorAndPrime(b"diffie-hellman-group14-sha1")[1]

#: The 4096-bit MODP group (RFC 3526, section 5).
GROUP16_PRIME: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C"
    "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7"
    "88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8DBBBC2DB04DE8EF92E8EFC141FBECAA6"
    "287C59474E6BC05D99B2964FA090C3A2233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9"
    "93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF",
    16,
)


@implementer(_kex._IFixedGroupKexAlgorithm)
@dataclass(frozen=True)
class FixedGroup:
    """Diffie-Hellman over one of the groups of RFC 3526, with a hash of RFC 8268."""

    preference: int
    hashProcessor: Callable[..., Any]
    prime: int
    generator: int = 2


def _has_finite_field_dh() -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            from cryptography.hazmat.primitives.asymmetric import dh

            dh.DHParameterNumbers(GROUP14_PRIME, 2).parameters()
        except Exception:
            return False
    return True


if _has_finite_field_dh():
    _kex._kexAlgorithms[b"diffie-hellman-group14-sha256"] = FixedGroup(9, sha256, GROUP14_PRIME)
    _kex._kexAlgorithms[b"diffie-hellman-group16-sha512"] = FixedGroup(10, sha512, GROUP16_PRIME)


def supported_key_exchanges() -> frozenset[bytes]:
    """What Conch and the installed cryptography library can do, the rows above included."""
    return frozenset(_kex.getSupportedKeyExchanges())
