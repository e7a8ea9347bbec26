"""Apache's variant of the MD5-based crypt(3), as `htpasswd -m` and `openssl passwd -apr1` make it.

libcrypt does not know it, and it is too little to depend on a library for. It is only ever verified, never made.
"""

from __future__ import annotations

from hashlib import md5
from typing import Final

_MAGIC: Final = b"$apr1$"
_ROUNDS: Final = 1000
_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#: Which bytes of the digest each four letters show.
_GROUPS: Final = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5))
_LAST: Final = 11


def apr1(password: bytes, salt: bytes) -> str:
    """The 22 letters behind the salt."""
    digest = _start(password, salt)
    for number in range(_ROUNDS):
        odd = number % 2
        digest = _md5(
            password if odd else digest,
            salt if number % 3 else b"",
            password if number % 7 else b"",
            digest if odd else password,
        )
    letters = [_letters(digest[a] << 16 | digest[b] << 8 | digest[c], 4) for a, b, c in _GROUPS]
    return "".join(letters) + _letters(digest[_LAST], 2)


def _start(password: bytes, salt: bytes) -> bytes:
    length = len(password)
    filler = _md5(password, salt, password) * (length // 16 + 1)
    bits = b"".join(b"\0" if length >> place & 1 else password[:1] for place in range(length.bit_length()))
    return _md5(password, _MAGIC, salt, filler[:length], bits)


def _md5(*parts: bytes) -> bytes:
    return md5(b"".join(parts), usedforsecurity=False).digest()


def _letters(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * place & 63] for place in range(count))
