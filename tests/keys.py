"""Public keys for tests, as lines of an authorized_keys file."""

from __future__ import annotations

import base64
import functools

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def line(key: object) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()  # type: ignore[attr-defined]


def ed25519_line(seed: int = 1) -> str:
    """The same key for the same seed, so that every worker of pytest-xdist makes the same test ids."""
    return line(ed25519.Ed25519PrivateKey.from_private_bytes(bytes([seed] * 32)))


def ecdsa_line(curve: ec.EllipticCurve) -> str:
    return line(ec.generate_private_key(curve))


@functools.cache
def rsa_line(bits: int) -> str:
    return line(rsa.generate_private_key(65537, bits))


def sk_ed25519_line() -> str:
    """A key of a security token (OpenSSH's PROTOCOL.u2f)."""
    kind = b"sk-ssh-ed25519@openssh.com"
    raw = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    return f"{kind.decode()} {base64.b64encode(strings(kind, raw, b'ssh:')).decode()}"


def sk_ecdsa_line() -> str:
    kind = b"sk-ecdsa-sha2-nistp256@openssh.com"
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return f"{kind.decode()} {base64.b64encode(strings(kind, b'nistp256', point, b'ssh:')).decode()}"


def strings(*values: bytes) -> bytes:
    """RFC 4251, 5: `string`s in a row."""
    return b"".join(len(value).to_bytes(4, "big") + value for value in values)


def blob(authorized: str) -> bytes:
    return base64.b64decode(authorized.split()[1])
