"""The binary packet protocol (RFC 4253, section 6), each direction by itself: bytes in, payloads out, and back."""

from __future__ import annotations

import os
import struct
from typing import Any, Final

from twisted.conch.ssh.transport import DISCONNECT_MAC_ERROR, SSHCiphers

from conchgo.ssh.wire import ProtocolViolation

#: As OpenSSH's PACKET_MAX_SIZE; the RFC asks for at least 35,000.
MAX_PACKET: Final = 256 * 1024
_MIN_PADDING: Final = 4
_SEQUENCE_MASK: Final = 0xFFFFFFFF


def plaintext() -> Any:
    """What protects packets before the first key exchange: nothing."""
    ciphers = SSHCiphers(b"none", b"none", b"none", b"none")
    ciphers.setKeys(b"", b"", b"", b"", b"", b"")
    return ciphers


class Sealer:
    """Makes packets of payloads. `ciphers` is replaced when NEWKEYS was sent."""

    def __init__(self) -> None:
        self.ciphers = plaintext()
        self._sequence = 0

    def seal(self, payload: bytes) -> bytes:
        block = self.ciphers.encBlockSize
        padding = block - (5 + len(payload)) % block
        if padding < _MIN_PADDING:
            padding += block
        packet = struct.pack(">LB", 1 + len(payload) + padding, padding) + payload + os.urandom(padding)
        mac: bytes = self.ciphers.makeMAC(self._sequence, packet)
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        encrypted: bytes = self.ciphers.encrypt(packet)
        return encrypted + mac


class Opener:
    """Cuts the peer's bytes into payloads. `ciphers` is replaced when NEWKEYS was received."""

    def __init__(self) -> None:
        self.ciphers = plaintext()
        self._sequence = 0
        self._buffer = bytearray()
        self._head = b""

    @property
    def last_sequence(self) -> int:
        """The number of the packet that `next` gave last."""
        return (self._sequence - 1) & _SEQUENCE_MASK

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next payload, at least one byte long; None until all of it is there.

        Raises:
            ProtocolViolation: the packet is none, or its MAC is wrong.
        """
        block, mac_size = self.ciphers.decBlockSize, self.ciphers.verifyDigestSize
        if not self._head:
            if len(self._buffer) < block:
                return None
            # Decrypted once and kept until the whole packet is there: ciphers keep a state.
            self._head = self.ciphers.decrypt(bytes(self._buffer[:block]))
        length, padding = struct.unpack_from(">LB", self._head)
        size = 4 + length
        if length > MAX_PACKET or size < max(block, 16) or size % block:
            raise ProtocolViolation(f"bad packet length {length}")
        if len(self._buffer) < size + mac_size:
            return None
        packet: bytes = self._head + self.ciphers.decrypt(bytes(self._buffer[block:size]))
        mac = bytes(self._buffer[size : size + mac_size])
        del self._buffer[: size + mac_size]
        self._head = b""
        if not self.ciphers.verify(self._sequence, packet, mac):
            raise ProtocolViolation("bad MAC", DISCONNECT_MAC_ERROR)
        if padding < _MIN_PADDING or padding >= length - 1:
            raise ProtocolViolation(f"bad padding length {padding}")
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        return packet[5 : size - padding]
