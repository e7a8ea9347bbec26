"""A user's keys, as programs read them from files."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

#: File names by what OpenSSH calls the type.
KEY_TYPES = ("ed25519", "ecdsa", "rsa")


def make_keys(directory: Path) -> Path:
    """One key of each type, `ed25519` and `ed25519.pub` and so on, as ssh-keygen makes them."""
    made = {
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "ecdsa": ec.generate_private_key(ec.SECP384R1()),
        "rsa": rsa.generate_private_key(65537, 3072),
    }
    for name, key in made.items():
        private = directory / name
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        private.chmod(0o600)
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        (directory / f"{name}.pub").write_bytes(public + b"\n")
    return directory


def public_lines(directory: Path) -> tuple[str, ...]:
    """All public keys, as a user's record has them."""
    return tuple((directory / f"{name}.pub").read_text().strip() for name in KEY_TYPES)
