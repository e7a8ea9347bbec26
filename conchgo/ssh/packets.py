"""The binary packet protocol (RFC 4253, section 6), each direction by itself: bytes in, payloads out, and back."""

from __future__ import annotations

import os
import struct
from typing import Final

from conchgo.edge.stream import Buffer
from conchgo.ssh.ciphers import Plain, Protection
from conchgo.ssh.wire import ProtocolViolation

#: As OpenSSH's PACKET_MAX_SIZE; the RFC asks for at least 35,000.
MAX_PACKET: Final = 256 * 1024
_LENGTH: Final = 4
_HEADER: Final = struct.Struct(">IB")
_MIN_PADDING: Final = 4
_MIN_PACKET: Final = 16
_SEQUENCE_MASK: Final = 0xFFFFFFFF


class Sealer:
    """Makes packets of payloads. `bytes` and `packets` count what the keys in force have protected."""

    def __init__(self) -> None:
        self._protection: Protection = Plain()
        self._sequence = 0
        self.bytes = 0
        self.packets = 0

    def use(self, protection: Protection, *, reset_sequence: bool) -> None:
        """Our NEWKEYS was sent: from here on these keys."""
        self._protection = protection
        self.bytes = self.packets = 0
        if reset_sequence:
            self._sequence = 0

    def seal(self, *pieces: Buffer) -> bytearray:
        """The packet whose payload is the pieces, one behind the other."""
        protection = self._protection
        unpadded = _LENGTH + 1 + sum(map(len, pieces))
        padding = protection.block - (unpadded - protection.aligned_from) % protection.block
        if padding < _MIN_PADDING:
            padding += protection.block
        size = unpadded + padding
        packet = bytearray(size + protection.tag)
        _HEADER.pack_into(packet, 0, size - _LENGTH, padding)
        at = _LENGTH + 1
        with memoryview(packet) as view:
            for piece in pieces:
                view[at : at + len(piece)] = piece
                at += len(piece)
            view[at:size] = os.urandom(padding)
            protection.seal(view, self._sequence)
        self.bytes += size
        self.packets += 1
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        return packet


class Opener:
    """Cuts the peer's bytes into payloads. `bytes` and `packets` count what the keys in force have protected."""

    def __init__(self) -> None:
        self._protection: Protection = Plain()
        self._sequence = 0
        self._buffer = bytearray()
        self._size = 0
        self.bytes = 0
        self.packets = 0

    @property
    def last_sequence(self) -> int:
        """The number of the packet that `next` gave last."""
        return (self._sequence - 1) & _SEQUENCE_MASK

    def use(self, protection: Protection, *, reset_sequence: bool) -> None:
        """The peer's NEWKEYS has come: from here on these keys."""
        self._protection = protection
        self.bytes = self.packets = 0
        if reset_sequence:
            self._sequence = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next payload, at least one byte long; None until all of it is there.

        Raises:
            ProtocolViolation: the packet is none, or its MAC is wrong.
        """
        protection = self._protection
        if not self._size:
            if len(self._buffer) < protection.head:
                return None
            with memoryview(self._buffer) as view:
                length = protection.length(view[: protection.head], self._sequence)
            self._size = self._checked_size(length)
        whole = self._size + protection.tag
        if len(self._buffer) < whole:
            return None
        with memoryview(self._buffer) as view, view[:whole] as packet:
            protection.open(packet, self._sequence)
            padding = packet[_LENGTH]
            end = self._size - padding
            if padding < _MIN_PADDING or end <= _LENGTH + 1:
                raise ProtocolViolation(f"bad padding length {padding}")
            payload = bytes(packet[_LENGTH + 1 : end])
        del self._buffer[:whole]
        self.bytes += whole
        self.packets += 1
        self._size = 0
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        return payload

    def _checked_size(self, length: int) -> int:
        """The packet's bytes without its tag."""
        protection = self._protection
        size = _LENGTH + length
        # OpenSSH sends one block of 8 behind a clear length where the RFC's minimum is 16 bytes in all.
        least = _LENGTH + protection.block if protection.aligned_from else max(_MIN_PACKET, protection.block)
        if length > MAX_PACKET or size < least or (size - protection.aligned_from) % protection.block:
            raise ProtocolViolation(f"bad packet length {length}")
        return size
