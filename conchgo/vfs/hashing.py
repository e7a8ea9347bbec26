"""Hashes of files and parts of them, by name; chosen and made here, so that all doors give the same."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import xxhash

from conchgo.vfs.interface import File


class Hash(Protocol):
    """As hashlib's."""

    def update(self, data: memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...
    def digest(self) -> bytes: ...


class Crc32:
    """CRC-32 as in ISO 3309, most significant byte first."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: memoryview) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")

    def hexdigest(self) -> str:
        return self.digest().hex()


#: By the names that SFTP's check-file uses where it knows them.
HASHES: Final[Mapping[str, Callable[[], Hash]]] = {
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
    "b2": hashlib.blake2b,
    "xxh128": xxhash.xxh3_128,
    "crc32": Crc32,
}

#: Bytes that are read at once, and that one way to a thread hashes: a quarter of a second at the slowest.
_CHUNK: Final = 1024 * 1024
STEP: Final = 32 * _CHUNK


def hash_part(file: File, digest: Hash, offset: int, length: int) -> int:
    """Add up to `length` bytes from `offset` on; the count, which is less only where the file ends. Blocks."""
    buffer = memoryview(bytearray(min(_CHUNK, length)))
    done = 0
    while done < length:
        count = file.preadv([buffer[: length - done]], offset + done)
        if not count:
            break
        digest.update(buffer[:count])
        done += count
    return done
