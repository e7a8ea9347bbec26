"""The server's own keys: files in a directory, made at the first start. Blocks; for the start of the service only."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from twisted.conch.ssh.keys import Key

from conchgo.accounts.public_keys import MIN_RSA_BITS
from conchgo.ssh.algorithms import HOST_SIGNATURES

_PrivateKey = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_FILE_NAME: Final = re.compile(r"ssh_host_\w+_key")
_MAX_FILE_SIZE: Final = 64 * 1024

#: The keys that every server has; more may be put beside them. Names are OpenSSH's.
_OWN_KEYS: Final[dict[str, Callable[[], _PrivateKey]]] = {
    "ssh_host_ed25519_key": ed25519.Ed25519PrivateKey.generate,
    "ssh_host_rsa_key": lambda: rsa.generate_private_key(public_exponent=65537, key_size=3072),
}


class HostKeyError(Exception):
    """A host key that must not or cannot be used; the text names the file, the reason and the way out."""


def load_host_keys(directory: str) -> list[Key]:
    """All `ssh_host_*_key` of `directory`, ed25519 first; it and what is missing of ed25519 and RSA are made.

    Raises:
        HostKeyError: others may read a file, or it holds no key that the server can use.
        OSError: the directory cannot be read or written.
    """
    os.makedirs(directory, mode=0o700, exist_ok=True)
    for name, generate in _OWN_KEYS.items():
        if not os.path.lexists(os.path.join(directory, name)):
            _create(directory, name, generate())
    names = sorted(name for name in os.listdir(directory) if _FILE_NAME.fullmatch(name))
    names.sort(key="ssh_host_ed25519_key".__ne__)
    return [_load(os.path.join(directory, name)) for name in names]


def generate_host_keys() -> list[Key]:
    """The keys that every server has, new and stored nowhere."""
    return [Key(generate()) for generate in _OWN_KEYS.values()]


def _load(path: str) -> Key:
    with open(path, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & 0o077:
            raise HostKeyError(
                f"host key {path}: others than its owner may use it (mode {mode & 0o777:04o}); chmod 600 it"
            )
        text = file.read(_MAX_FILE_SIZE)
    try:
        key: Key = Key.fromString(text)
    except Exception as error:
        raise HostKeyError(f"host key {path}: not a private key without passphrase ({error}); replace it") from error
    kind = key.sshType()
    if key.isPublic() or kind not in HOST_SIGNATURES.values():
        raise HostKeyError(f"host key {path}: a {kind.decode('ascii')} key cannot be used; remove or replace it")
    if kind == b"ssh-rsa" and key.size() < MIN_RSA_BITS:
        raise HostKeyError(f"host key {path}: RSA needs {MIN_RSA_BITS} bits or more, it has {key.size()}; replace it")
    return key


def _create(directory: str, name: str, key: _PrivateKey) -> None:
    """Whole or not at all; where another process made the file in the meantime, that one stays."""
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    temporary = os.path.join(directory, f".{name}.{secrets.token_hex(8)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(fd, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(fd)
        try:
            os.link(temporary, os.path.join(directory, name))
        except FileExistsError:
            return
    finally:
        os.unlink(temporary)
