"""Public keys of users: one line of an authorized_keys file each (sshd(8), AUTHORIZED_KEYS FILE FORMAT), no options."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from conchgo.accounts.naming import shown
from conchgo.errors import InvalidArgument

#: Names of RFC 4253, 6.6, RFC 5656, RFC 8709 and OpenSSH's PROTOCOL.u2f.
KINDS: Final = frozenset(
    {
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "ssh-rsa",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)
#: Below, RSA is weak; above, a stranger's key would cost the server milliseconds to try at a login.
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`blob` is the key as it travels in SSH packets (RFC 4253, 6.6)."""

    kind: str
    blob: bytes
    comment: str

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)


def fingerprint(blob: bytes) -> str:
    """As `ssh-keygen -l` shows it: "SHA256:" and unpadded base64."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def parse(line: str) -> PublicKey:
    """The key of one line, checked.

    Raises:
        InvalidArgument: it is no key of a kind that conchgo takes, too weak, or has options before it.
    """
    key = split(line)
    try:
        loaded = load_ssh_public_key(f"{key.kind} {base64.b64encode(key.blob).decode('ascii')}".encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidArgument(f"the {key.kind} key is damaged; copy the whole line of the .pub file") from error
    if isinstance(loaded, RSAPublicKey) and not MIN_RSA_BITS <= loaded.key_size <= MAX_RSA_BITS:
        raise InvalidArgument(
            f"an RSA key of {loaded.key_size} bits; use {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, or ed25519"
        )
    return key


def split(line: str) -> PublicKey:
    """The parts of one line, without a look into the key itself.

    Raises:
        InvalidArgument: it does not look like a line of an authorized_keys file, or has options.
    """
    if len(line.strip().splitlines()) != 1:
        raise InvalidArgument("one key must stand on one line")
    words = line.split(maxsplit=2)
    if words[0] not in KINDS:
        raise InvalidArgument(_misfit(line))
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error, ValueError) as error:
        raise InvalidArgument(f"the {words[0]} key is damaged; copy the whole line of the .pub file") from error
    name = words[0].encode("ascii")
    if not blob.startswith(len(name).to_bytes(4, "big") + name):
        raise InvalidArgument(f"the line says {words[0]}, the key in it says otherwise; copy the .pub file again")
    return PublicKey(words[0], blob, words[2].strip() if len(words) == 3 else "")


def _misfit(line: str) -> str:
    words = line.split()
    first = shown(words[0])
    if "PRIVATE KEY" in line:
        return "that is a private key; give the public one (its name ends in .pub)"
    if not KINDS.isdisjoint(words):
        return f"options before a key ({first}) are not enforced; remove them and use the user's own settings"
    if len(words) > 1 and words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        return f"keys of the kind {first} are not taken; known are {', '.join(sorted(KINDS))}"
    return "no public key; a line looks like: ssh-ed25519 AAAA... comment"
