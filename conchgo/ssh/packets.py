"""The binary packet protocol (RFC 4253, section 6), each direction by itself: bytes in, payloads out, and back."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from conchgo.ssh.ciphers import Plain, Protection
from conchgo.ssh.packet_buffer import PacketBuffer
from conchgo.ssh.receive_buffer import MAX_PACKET, ReceiveBuffer
from conchgo.ssh.wire import ProtocolViolation

if TYPE_CHECKING:
    from conchgo.ssh.compression import Compressor, Decompressor

_LENGTH: Final = 4
_HEADER: Final = struct.Struct(">IB")
#: What is before the payload: the packet's length and that of its padding.
_BEFORE: Final = 5
_MIN_PADDING: Final = 4
#: Less than two blocks.
_MOST_PADDING: Final = 32
#: Length, padding length, the message's number and its fields, and the count of its data.
_BULK_HEADS: Final = {2: struct.Struct(">IBBII"), 3: struct.Struct(">IBBIII")}
_MIN_PACKET: Final = 16
_SEQUENCE_MASK: Final = 0xFFFFFFFF
_NOTHING: Final = memoryview(b"")


class Sealer:
    """Makes packets of payloads. `bytes` and `packets` count what the keys in force have protected."""

    def __init__(self) -> None:
        self._protection: Protection = Plain()
        self._sequence = 0
        self.compressor: Compressor | None = None
        #: Random (RFC 4253, section 6), and other with other keys: no cipher here needs it to change with each packet.
        self._padding = os.urandom(_MOST_PADDING)
        self.bytes = 0
        self.packets = 0

    def use(self, protection: Protection, compressor: Compressor | None = None, *, reset_sequence: bool) -> None:
        """Our NEWKEYS was sent: from here on these keys."""
        self._protection = protection
        self.compressor = compressor
        self._padding = os.urandom(_MOST_PADDING)
        self.bytes = self.packets = 0
        if reset_sequence:
            self._sequence = 0

    def seal(self, payload: bytes | bytearray) -> bytearray:
        """One packet."""
        if self.compressor is not None:
            payload = self.compressor.compress(payload)
        protection = self._protection
        size, padding = _padded(_BEFORE + len(payload), protection)
        packet = bytearray(size + protection.tag)
        _HEADER.pack_into(packet, 0, size - _LENGTH, padding)
        packet[_BEFORE : _BEFORE + len(payload)] = payload
        packet[size - padding : size] = self._padding[:padding]
        protection.seal(memoryview(packet), 0, size, self._sequence)
        self._count(1, size)
        return packet

    def seal_buffers(self, buffers: Sequence[PacketBuffer], fields: tuple[int, ...]) -> list[memoryview]:
        """A packet of each buffer, where its data lies: the message's number and `fields`, a count, and the data.

        Bulk data goes this way, one loop for many packets.
        """
        protection, seal, tag, sequence = self._protection, self._protection.seal, self._protection.tag, self._sequence
        head = _BULK_HEADS[len(fields)]
        packets, bytes_sealed = [], 0
        for buffer in buffers:
            view, start, data_end = buffer.view, buffer.start - head.size, buffer.end
            size, padding = _padded(data_end - start, protection)
            end = start + size
            head.pack_into(view, start, size - _LENGTH, padding, *fields, data_end - buffer.start)
            view[data_end:end] = self._padding[:padding]
            seal(view, start, end, sequence)
            sequence = (sequence + 1) & _SEQUENCE_MASK
            packets.append(view[start : end + tag])
            bytes_sealed += size
        self._count(len(packets), bytes_sealed)
        return packets

    def _count(self, packets: int, size: int) -> None:
        self.bytes += size
        self.packets += packets
        self._sequence = (self._sequence + packets) & _SEQUENCE_MASK


def _padded(unpadded: int, protection: Protection) -> tuple[int, int]:
    """Bytes of a whole packet without its tag, and of its padding."""
    block = protection.block
    padding = block - (unpadded - protection.aligned_from) % block
    if padding < _MIN_PADDING:
        padding += block
    return unpadded + padding, padding


class Opener:
    """Cuts the peer's bytes into payloads. `bytes` and `packets` count what the keys in force have protected."""

    def __init__(self) -> None:
        self._protection: Protection = Plain()
        self._sequence = 0
        #: The beginning of a packet, kept until more of it comes.
        self._cut_off = b""
        self._view = _NOTHING
        self._at = self._end = 0
        #: Bytes of the next packet without its tag; 0 as long as that is not known.
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
        return len(self._cut_off)

    def use(self, protection: Protection, decompressor: Decompressor | None = None, *, reset_sequence: bool) -> None:
        """The peer's NEWKEYS has come: from here on these keys."""
        self._protection = protection
        self.decompressor = decompressor
        self.bytes = self.packets = 0
        if reset_sequence:
            self._sequence = 0

    def feed(self, buffer: ReceiveBuffer, count: int) -> None:
        """So many bytes have come into the buffer, which stays ours until `next` gives None."""
        self._view = buffer.view
        self._at = buffer.start - len(self._cut_off)
        self._end = buffer.start + count
        self._view[self._at : buffer.start] = self._cut_off

    def next(self) -> bytes | None:
        """The next payload, at least one byte long; None until all of it is there.

        Raises:
            ProtocolViolation: the packet is none, its MAC is wrong, or it can't be decompressed.
        """
        protection, view, at = self._protection, self._view, self._at
        there = self._end - at
        size = self._size
        if not size and there >= protection.head:
            size = self._size = self._checked_size(protection.length(view, at, self._sequence))
        if not size or there < size + protection.tag:
            if view is not _NOTHING:
                self._cut_off = bytes(view[at : self._end])
                self._view, self._at, self._end = _NOTHING, 0, 0
            return None
        end = at + size
        protection.open(view, at, end, self._sequence)
        payload_end = end - view[at + _LENGTH]
        if end - payload_end < _MIN_PADDING or at + _BEFORE >= payload_end:
            raise ProtocolViolation(f"bad padding length {end - payload_end}")
        self._at = end + protection.tag
        self._size = 0
        self.bytes += size
        self.packets += 1
        self._sequence = (self._sequence + 1) & _SEQUENCE_MASK
        payload = bytes(view[at + _BEFORE : payload_end])
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
