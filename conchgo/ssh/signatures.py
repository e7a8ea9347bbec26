"""Whether a user's signature is good: the algorithm asked for, the key's type and the signature's must all agree."""

from __future__ import annotations

from collections.abc import Container
from hashlib import sha256
from typing import Final

from twisted.conch.ssh.common import NS
from twisted.conch.ssh.keys import Key

from conchgo.accounts.public_keys import MAX_RSA_BITS, MIN_RSA_BITS
from conchgo.errors import LoginRefused
from conchgo.ssh.algorithms import USER_SIGNATURES
from conchgo.ssh.wire import ProtocolViolation, Reader

_SK_PREFIX: Final = b"sk-"
_USER_PRESENT: Final = 0x01


def load_user_key(algorithm: bytes, blob: bytes, allowed: Container[bytes]) -> Key:
    """The public key in `blob`, which the client will use with `algorithm`.

    Raises:
        LoginRefused: the algorithm is not among `allowed`, does not fit the key, or there is no usable key.
    """
    if algorithm not in allowed or algorithm not in USER_SIGNATURES:
        raise LoginRefused("the signature algorithm is not allowed")
    try:
        if Reader(blob).string() != USER_SIGNATURES[algorithm]:
            raise LoginRefused("the signature algorithm does not fit the key's type")
        key: Key = Key.fromString(blob, type="BLOB")
        if USER_SIGNATURES[algorithm] == b"ssh-rsa" and not MIN_RSA_BITS <= key.size() <= MAX_RSA_BITS:
            raise LoginRefused(f"an RSA key of {key.size()} bits, allowed are {MIN_RSA_BITS} to {MAX_RSA_BITS}")
    except LoginRefused:
        raise
    except Exception:
        raise LoginRefused("the public key is unreadable")
    return key


def verify_signature(key: Key, algorithm: bytes, signature: bytes, message: bytes) -> None:
    """Check the signature over `message` (RFC 4252, section 7; OpenSSH's PROTOCOL.u2f for security keys).

    Raises:
        LoginRefused: it is not good, or a security key was not touched.
    """
    try:
        fields = Reader(signature)
        if fields.string() != algorithm:
            raise LoginRefused("the signature is of another algorithm than announced")
        value = fields.string()
        if algorithm.startswith(_SK_PREFIX):
            flags, counter = fields.byte(), fields.raw(4)
            if not flags & _USER_PRESENT:
                raise LoginRefused("the security key was used without a touch")
            message = sha256(key.application).digest() + bytes((flags,)) + counter + sha256(message).digest()
        fields.end()
    except ProtocolViolation:
        raise LoginRefused("the signature is malformed")
    if USER_SIGNATURES[algorithm] == b"ssh-rsa":
        # Some clients leave out leading zeros, OpenSSH adds them too.
        value = value.rjust((key.size() + 7) // 8, b"\0")
    try:
        good = key.verify(NS(algorithm) + NS(value), message)
    except Exception:
        good = False
    if not good:
        raise LoginRefused("the signature is wrong")
