"""The binary packet protocol (RFC 4253, section 6), each direction by itself: bytes in, payloads out, and back."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final

from conchgo.edge.pieces import Pieces
from conchgo.ssh.ciphers import Plain, Protection
from conchgo.ssh.wire import ProtocolViolation

if TYPE_CHECKING:
    from conchgo.ssh.compression import Compressor, Decompressor

#: As OpenSSH's PACKET_MAX_SIZE; the RFC asks for at least 35,000.
MAX_PACKET: Final = 256 * 1024
_LENGTH: Final = 4
_HEADER: Final = struct.Struct(">IB")
#: What is before the payload: the packet's length and that of its padding.
_BEFORE: Final = 5
_COUNT: Final = struct.Struct(">I")
_MIN_PADDING: Final = 4
_MIN_PACKET: Final = 16
_SEQUENCE_MASK: Final = 0xFFFFFFFF


class _Copier:
    """Copies pieces, from their beginning on, to where they shall be."""

    def __init__(self, data: Pieces) -> None:
        self._views = iter(data.views)
        self._view = memoryview(b"")

    def into(self, target: memoryview, at: int, count: int) -> None:
        while count:
            if not self._view:
                self._view = next(self._views)
            some = self._view[:count]
            target[at : at + len(some)] = some
            self._view = self._view[count:]
            at += len(some)
            count -= len(some)


class Sealer:
    """Makes packets of payloads. `bytes` and `packets` count what the keys in force have protected."""

    def __init__(self) -> None:
        self._protection: Protection = Plain()
        self._sequence = 0
        self.compressor: Compressor | None = None
        self.bytes = 0
        self.packets = 0

    def use(self, protection: Protection, compressor: Compressor | None = None, *, reset_sequence: bool) -> None:
        """Our NEWKEYS was sent: from here on these keys."""
        self._protection = protection
        self.compressor = compressor
        self.bytes = self.packets = 0
        if reset_sequence:
            self._sequence = 0

    def seal(self, payload: bytes | bytearray) -> bytearray:
        """One packet."""
        if self.compressor is not None:
            payload = self.compressor.compress(payload)
        padding, whole = self._layout(len(payload))
        packet = bytearray(whole)
        with memoryview(packet) as view:
            view[_BEFORE : _BEFORE + len(payload)] = payload
            self._finish(view, padding)
        return packet

    def seal_data(self, prefix: bytes, data: Pieces, limit: int) -> bytearray:
        """`data` as packets of at most `limit` bytes of it, each with `prefix` and their count before them.

        One buffer for all, filled and encrypted in place: this is the way of bulk data out.
        """
        if self.compressor is not None:
            return self._seal_each(prefix, data, limit)
        before = len(prefix) + _COUNT.size
        full, last = divmod(len(data), limit)
        full_padding, full_size = self._layout(before + limit)
        last_padding, last_size = self._layout(before + last) if last else (0, 0)
        sealed = bytearray(full * full_size + last_size)
        copier = _Copier(data)
        with memoryview(sealed) as view:
            for at in range(0, full * full_size, full_size):
                self._fill(view[at : at + full_size], prefix, copier, limit, full_padding)
            if last:
                self._fill(view[full * full_size :], prefix, copier, last, last_padding)
        return sealed

    def _seal_each(self, prefix: bytes, data: Pieces, limit: int) -> bytearray:
        """The same message by message: how long a compressed one is shows only when it is made."""
        copier = _Copier(data)
        sealed = bytearray()
        for start in range(0, len(data), limit):
            count = min(limit, len(data) - start)
            message = bytearray(prefix + _COUNT.pack(count) + bytes(count))
            with memoryview(message) as view:
                copier.into(view, len(message) - count, count)
            sealed += self.seal(message)
        return sealed

    def _fill(self, packet: memoryview, prefix: bytes, copier: _Copier, count: int, padding: int) -> None:
        at = _BEFORE + len(prefix)
        packet[_BEFORE:at] = prefix
        _COUNT.pack_into(packet, at, count)
        copier.into(packet, at + _COUNT.size, count)
        self._finish(packet, padding)

    def _layout(self, payload: int) -> tuple[int, int]:
        """Bytes of padding, and of the whole packet with its tag."""
        protection = self._protection
        unpadded = _BEFORE + payload
        padding = protection.block - (unpadded - protection.aligned_from) % protection.block
        if padding < _MIN_PADDING:
            padding += protection.block
        return padding, unpadded + padding + protection.tag

    def _finish(self, packet: memoryview, padding: int) -> None:
        """Add what is around the payload, and encrypt."""
        protection = self._protection
        size = len(packet) - protection.tag
        _HEADER.pack_into(packet, 0, size - _LENGTH, padding)
        packet[size - padding : size] = os.urandom(padding)
        protection.seal(packet, self._sequence)
        self.bytes += size
        self.packets += 1
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK


class Opener:
    """Cuts the peer's bytes into payloads. `bytes` and `packets` count what the keys in force have protected."""

    def __init__(self) -> None:
        self._protection: Protection = Plain()
        self._sequence = 0
        self._buffer = bytearray()
        self._size = 0
        self.decompressor: Decompressor | None = None
        self.bytes = 0
        self.packets = 0

    @property
    def last_sequence(self) -> int:
        """The number of the packet that `next` gave last."""
        return (self._sequence - 1) & _SEQUENCE_MASK

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their packet."""
        return len(self._buffer)

    def use(self, protection: Protection, decompressor: Decompressor | None = None, *, reset_sequence: bool) -> None:
        """The peer's NEWKEYS has come: from here on these keys."""
        self._protection = protection
        self.decompressor = decompressor
        self.bytes = self.packets = 0
        if reset_sequence:
            self._sequence = 0

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> bytes | None:
        """The next payload, at least one byte long; None until all of it is there.

        Raises:
            ProtocolViolation: the packet is none, its MAC is wrong, or it can't be decompressed.
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
        return payload if self.decompressor is None else self.decompressor.decompress(payload)

    def _checked_size(self, length: int) -> int:
        """The packet's bytes without its tag."""
        protection = self._protection
        size = _LENGTH + length
        # OpenSSH sends one block of 8 behind a clear length where the RFC's minimum is 16 bytes in all.
        least = _LENGTH + protection.block if protection.aligned_from else max(_MIN_PACKET, protection.block)
        if length > MAX_PACKET or size < least or (size - protection.aligned_from) % protection.block:
            raise ProtocolViolation(f"bad packet length {length}")
        return size
